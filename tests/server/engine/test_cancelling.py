"""Cancelling at any moment, and starts that are refused."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.waiting import eventually

from jupyter_logstream.backends.context import BackendContext
from jupyter_logstream.backends.local import LocalBackend
from jupyter_logstream.backends.protocol import CannotLaunch, Handle
from jupyter_logstream.model.protocol import STATES
from jupyter_logstream.model.spec import SpecError
from jupyter_logstream.model.workload import WorkloadSpec
from jupyter_logstream.server.engine import NoRoom, QueueFull, StillRunning, UnknownWorkload
from jupyter_logstream.store.disk import files
from jupyter_logstream.store.disk.folder import RunParameters

if TYPE_CHECKING:
    from pathlib import Path

    from support.server_side import Start


class Slow(LocalBackend):
    """Launches after its gate is opened."""

    def __init__(self, folders: Path) -> None:
        super().__init__("local", BackendContext(folders, run=RunParameters(grace_s=0.5)))
        self.gate = asyncio.Event()
        self.launching = asyncio.Event()

    async def launch(self, workload_id: str, spec: WorkloadSpec) -> Handle:
        self.launching.set()
        await self.gate.wait()
        return await super().launch(workload_id, spec)


async def test_cancel_during_a_launch_takes_effect(start: Start, tmp_path: Path) -> None:
    backend = Slow(tmp_path / "store" / "streams")
    server = await start(backend)
    submitted = asyncio.ensure_future(server.start("sleep 600"))
    await backend.launching.wait()
    (workload,), _ = server.engine.page(STATES, 10, None)
    cancelled = asyncio.ensure_future(server.engine.cancel(workload.id))
    await eventually(lambda: server.engine._lifecycle._launches.is_cancelled(workload.id))
    backend.gate.set()
    await submitted
    await cancelled
    assert (await server.end(workload.id)).state == "cancelled"


async def test_cancel_while_leaving_the_queue_takes_effect(start: Start, tmp_path: Path) -> None:
    backend = Slow(tmp_path / "store" / "streams")
    backend.gate.set()
    server = await start(backend, max_running=1)
    first = await server.start("read x", stdin=True)
    second = await server.start("sleep 600")
    backend.gate.clear()
    backend.launching.clear()
    await server.engine.send(first, b"", eof=True)
    await backend.launching.wait()
    cancelled = asyncio.ensure_future(server.engine.cancel(second))
    await eventually(lambda: server.engine._lifecycle._launches.is_cancelled(second))
    backend.gate.set()
    await cancelled
    assert (await server.end(second)).state == "cancelled"


async def test_a_launch_that_fails_leaves_nothing_behind(start: Start, tmp_path: Path) -> None:
    class Failing(LocalBackend):
        async def launch(self, workload_id: str, spec: WorkloadSpec) -> Handle:  # noqa: ARG002
            raise CannotLaunch(errno.EAGAIN, "no process could be started")

    server = await start(Failing("local", BackendContext(tmp_path / "store" / "streams")), max_running=1)
    for _ in range(3):
        with pytest.raises(NoRoom):
            await server.start("true", key="k")
    assert len(server.engine) == 0
    assert server.engine.running == 0
    assert server.store.streams() == []


async def test_a_start_without_free_descriptors_succeeds_or_leaves_nothing(start: Start) -> None:
    server = await start()
    await server.end(await server.start("true"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    refused = 0
    for spare in range(14):
        fillers = [os.open(os.devnull, os.O_RDONLY)]
        while fillers[-1] < max(map(int, os.listdir("/proc/self/fd"))) - 1:
            fillers.append(os.open(os.devnull, os.O_RDONLY))
        resource.setrlimit(resource.RLIMIT_NOFILE, (fillers[-1] + 1 + spare, hard))
        try:
            await server.start("true")
        except NoRoom:
            refused += 1
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for fd in fillers:
                os.close(fd)
    assert refused > 0
    (found, _) = server.engine.page(STATES, 1000, None)
    for workload in found:
        assert (await server.end(workload.id)).state == "succeeded"
    assert sorted(w.id for w in found) == server.store.streams()
    assert server.engine.running == 0


async def test_a_start_and_a_refusal_need_no_thread(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    server = await start()
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert (await server.end(await server.start("true"))).state == "succeeded"
    server.backend._launcher._give_up()
    monkeypatch.setattr("jupyter_logstream.backends.launcher.sys.executable", "/nowhere/python")
    with pytest.raises(NoRoom):
        await server.start("true")
    assert len(server.store.streams()) == 1


async def test_a_start_on_a_full_disk_leaves_nothing(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    server = await start()
    monkeypatch.setattr(files, "os", FullDisk())
    with pytest.raises(NoRoom):
        await server.start("true", key="k")
    monkeypatch.setattr(files, "os", os)
    assert server.store.streams() == []
    assert list((server.store.root / "streams").iterdir()) == []
    assert len(server.engine) == 0
    assert (await server.end(await server.start("true", key="k"))).state == "succeeded"


class FullDisk:
    """An `os` that writes nothing."""

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def write(self, *_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def test_an_invalid_directory_or_backend_creates_nothing(start: Start) -> None:
    server = await start()
    for field, value in ("cwd", "none"), ("cwd", "x" * 5000), ("cwd", "x/" * 2500), ("backend", "moon"):
        with pytest.raises(SpecError) as error:
            await server.start("true", **{field: value})
        assert error.value.field == field
    assert server.store.streams() == []


async def test_a_running_workload_cannot_be_deleted_and_an_unknown_one_is_an_error(start: Start) -> None:
    server = await start()
    workload_id = await server.start("sleep 600")
    with pytest.raises(StillRunning):
        await server.engine.forget(workload_id)
    for query in server.engine.get, server.engine.status_of:
        with pytest.raises(UnknownWorkload):
            query("none")
    with pytest.raises(UnknownWorkload):
        await server.engine.forget("none")


async def test_the_queue_is_bounded(start: Start) -> None:
    server = await start(max_running=0, max_queued=2)
    ids = [await server.start("true") for _ in range(2)]
    with pytest.raises(QueueFull):
        await server.start("true")
    assert server.store.streams() == ids


async def test_cancel_right_after_leaving_the_queue_takes_effect(start: Start) -> None:
    server = await start(max_running=1)
    first = await server.start("true")
    second = await server.start("sleep 600")
    left = asyncio.Event()
    server.engine.watch(first, lambda: left.set() if server.engine.status_of(first).status.final else None)
    if not server.engine.status_of(first).status.final:
        await left.wait()
    await server.engine.cancel(second)
    assert (await server.end(second)).state == "cancelled"
