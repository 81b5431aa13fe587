"""The engine: the queue, keys, cancelling at any moment, recovery from whatever a crash has left, retention."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import resource
import shutil
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from server.running import alive, kill_runners, runners
from server.waiting import eventually

from jupyter_logstream import folder as folder_module
from jupyter_logstream.backends import CannotLaunch
from jupyter_logstream.backends.local import LocalBackend
from jupyter_logstream.engine import Engine, Limits, NoRoom, QueueFull, StillRunning, UnknownWorkload
from jupyter_logstream.folder import Folder
from jupyter_logstream.store.file import FileStore
from jupyter_logstream.store.writer import LogWriter
from jupyter_logstream.workload import STATES, SpecError, Status, check_spec

Start = Callable[..., Awaitable["Server"]]


class Server:
    """What a server has of workloads: a store and an engine. `kill`: leave everything as it is."""

    def __init__(self, root: Path, backend: Any, **limits: Any) -> None:
        self.store = FileStore(root)
        limits = {"grace": 0.5, **limits}
        self.engine = Engine(self.store, {"local": backend}, root, Limits(**limits), logging.getLogger("test"))

    async def start(self, command: Any, **spec: Any) -> str:
        workload, _ = await self.engine.submit(check_spec({"command": command, **spec}))
        return workload.id

    async def end(self, workload_id: str) -> Status:
        await eventually(lambda: self.engine.get(workload_id).status.final)
        return self.engine.get(workload_id).status

    def lines(self, workload_id: str) -> list[str]:
        return self.store.read(workload_id, 0, 5000).messages

    def folder(self, workload_id: str) -> Folder:
        return self.store.folder(workload_id)

    async def stop(self) -> None:
        await self.engine.close()
        self.store.close()


@pytest.fixture
def start(tmp_path: Path, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[Start]:
    """Start a server (again), after the last one has stopped."""
    servers: list[Server] = []

    async def make(backend: Any = None, **limits: Any) -> Server:
        while servers:
            await servers.pop().stop()
        servers.append(Server(tmp_path / "store", backend or LocalBackend(grace=0.5), **limits))
        await servers[0].engine.recover()
        return servers[0]

    yield make
    kill_runners(tmp_path)
    for server in servers:
        jp_asyncio_loop.run_until_complete(server.stop())


# --- cancelling at any moment -----------------------------------------------------------------------------------------


class Slow(LocalBackend):
    """Launches when it is let."""

    def __init__(self) -> None:
        super().__init__(grace=0.5)
        self.gate = asyncio.Event()
        self.launching = asyncio.Event()

    async def launch(self, folder: Folder) -> None:
        self.launching.set()
        await self.gate.wait()
        await super().launch(folder)


async def test_what_is_cancelled_while_it_is_launched_is_cancelled(start: Start) -> None:
    backend = Slow()
    server = await start(backend)
    submitted = asyncio.ensure_future(server.start("sleep 600"))
    await backend.launching.wait()
    (workload,), _ = server.engine.page(STATES, 10, None)
    cancelled = asyncio.ensure_future(server.engine.cancel(workload.id))
    await asyncio.sleep(0.05)
    backend.gate.set()
    await submitted
    await cancelled
    assert (await server.end(workload.id)).state == "cancelled"


async def test_what_is_cancelled_while_it_leaves_the_queue_is_cancelled(start: Start) -> None:
    backend = Slow()
    backend.gate.set()
    server = await start(backend, max_running=1)
    first = await server.start("read x", stdin=True)
    second = await server.start("sleep 600")
    backend.gate.clear()
    backend.launching.clear()
    await server.engine.send(first, b"", eof=True)
    await backend.launching.wait()
    cancelled = asyncio.ensure_future(server.engine.cancel(second))
    await asyncio.sleep(0.05)
    backend.gate.set()
    await cancelled
    assert (await server.end(second)).state == "cancelled"


async def test_a_launch_that_fails_leaves_nothing_behind(start: Start) -> None:
    class Failing(LocalBackend):
        async def launch(self, folder: Folder) -> None:  # noqa: ARG002
            raise CannotLaunch(errno.EAGAIN, "no process could be started")

    server = await start(Failing(), max_running=1)
    for _ in range(3):
        with pytest.raises(NoRoom):
            await server.start("true", key="k")
    assert len(server.engine) == 0
    assert server.engine.running == 0
    assert server.store.streams() == []


async def test_without_files_a_start_is_refused_whole_or_made_whole(start: Start) -> None:
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


async def test_on_a_full_disk_a_start_is_refused_whole(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    server = await start()
    monkeypatch.setattr(folder_module, "os", FullDisk())
    with pytest.raises(NoRoom):
        await server.start("true", key="k")
    monkeypatch.setattr(folder_module, "os", os)
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


async def test_a_wrong_place_or_backend_makes_nothing(start: Start) -> None:
    server = await start()
    for field, value in ("cwd", "none"), ("cwd", "x" * 5000), ("cwd", "x/" * 2500), ("backend", "moon"):
        with pytest.raises(SpecError) as error:
            await server.start("true", **{field: value})
        assert error.value.field == field
    assert server.store.streams() == []


async def test_what_runs_is_not_forgotten_and_what_is_unknown_says_so(start: Start) -> None:
    server = await start()
    workload_id = await server.start("sleep 600")
    with pytest.raises(StillRunning):
        server.engine.forget(workload_id)
    for ask in server.engine.get, server.engine.forget, server.engine.status_of:
        with pytest.raises(UnknownWorkload):
            ask("none")


async def test_the_queue_is_bounded(start: Start) -> None:
    server = await start(max_running=0, max_queued=2)
    ids = [await server.start("true") for _ in range(2)]
    with pytest.raises(QueueFull):
        await server.start("true")
    assert server.store.streams() == ids


# --- recovery ---------------------------------------------------------------------------------------------------------


async def test_after_a_restart_what_ran_runs_on_and_what_waited_waits_its_turn(start: Start) -> None:
    server = await start(max_running=1)
    running = await server.start("echo a; read x; echo $x", stdin=True, key="first")
    waiting = [await server.start("echo b") for _ in range(3)]
    await eventually(lambda: server.engine.get(running).status.state == "running")
    server = await start(max_running=1)
    assert server.engine.get(running).status.state == "running"
    assert [server.engine.get(i).status.state for i in waiting] == ["queued"] * 3
    assert await server.start("other", key="first") == running
    await server.engine.send(running, b"c\n")
    ends = [await server.end(i) for i in [running, *waiting]]
    assert [end.state for end in ends] == ["succeeded"] * 4
    times = [(end.started, end.ended) for end in ends]
    assert times == sorted(times)
    assert server.lines(running) == ["a", "c"]


async def test_what_ended_while_the_server_was_away_has_ended_as_it_did(start: Start, tmp_path: Path) -> None:
    server = await start()
    gate = tmp_path / "gate"
    ids = [await server.start(f"while [ ! -e {gate} ]; do sleep 0.02; done; echo a; exit {code}") for code in (0, 3)]
    await server.stop()
    gate.touch()
    store = tmp_path / "store" / "streams"
    await eventually(lambda: all((store / i / "end").exists() and not runners(Folder(store / i)) for i in ids))
    again = Server(tmp_path / "store", LocalBackend())
    await again.engine.recover()
    assert [(await again.end(i)).exit_code for i in ids] == [0, 3]
    assert [again.lines(i) for i in ids] == [["a"], ["a"]]
    assert again.engine.get(ids[0]).lines == 1
    await again.stop()
    server.store, server.engine = Server(tmp_path / "other", LocalBackend()).store, again.engine


async def test_a_runner_killed_while_the_server_was_away_is_lost(start: Start, tmp_path: Path) -> None:
    server = await start()
    workload_id = await server.start("echo a; printf b; sleep 600")
    await eventually(lambda: server.lines(workload_id) == ["a"])
    folder = server.folder(workload_id)
    child = folder.read_status()[0].pid or 0
    (runner,) = runners(folder)
    await server.engine.close()
    os.kill(runner, signal.SIGKILL)
    await eventually(lambda: not alive(runner))
    server = await start()
    end = await server.end(workload_id)
    assert (end.state, end.exit_code) == ("lost", None)
    assert server.lines(workload_id) == ["a", "b"]
    await eventually(lambda: not alive(child))
    assert server.engine.running == 0
    server = await start()
    assert server.engine.get(workload_id).status.state == "lost"  # a final state never changes


async def test_a_runner_killed_between_the_logs_end_and_its_status_is_lost(start: Start) -> None:
    server = await start()
    workload_id = await server.start("echo a")
    await server.end(workload_id)
    folder = server.folder(workload_id)
    status, _ = folder.read_status()
    await eventually(lambda: not folder.is_held())
    folder.write_status(Status("running", started=status.started, pid=status.pid, boot=status.boot))
    server = await start()
    assert (await server.end(workload_id)).state == "lost"
    assert server.lines(workload_id) == ["a"]


async def test_mending_a_long_log_holds_up_nobody(start: Start) -> None:
    server = await start()
    workload_id = await server.start("read x", stdin=True)
    await eventually(lambda: server.engine.get(workload_id).status.state == "running")
    folder = server.folder(workload_id)
    await server.engine.close()
    kill_runners(server.store.root)
    await eventually(lambda: not folder.is_held())
    log = LogWriter(folder.path)
    for _ in range(40):
        log.write("stdout", b"a line of some output\n" * 10_000)
    log.release()
    loop = asyncio.get_running_loop()
    begun = last = loop.time()
    worst = 0.0
    server = await start()
    while not server.engine.status_of(workload_id).status.final:
        await asyncio.sleep(0.001)
        worst, last = max(worst, loop.time() - last), loop.time()
    assert server.engine.get(workload_id).lines == 400_000
    assert worst < (last - begun) / 2


async def test_a_workload_of_another_boot_is_lost_and_no_process_is_harmed(start: Start) -> None:
    server = await start()
    workload_id = await server.start("echo a")
    await server.end(workload_id)
    folder = server.folder(workload_id)
    await eventually(lambda: not folder.is_held())
    innocent = await asyncio.create_subprocess_exec("sleep", "600", start_new_session=True)
    (folder.path / "end").unlink()
    for boot in "another-boot", folder.read_status()[0].boot:
        folder.write_status(Status("running", started=time.time() * 1000, pid=innocent.pid, boot=boot))
        server = await start()
        end = await server.end(workload_id)
        assert end.state == "lost"
        assert end.error
        assert innocent.returncode is None
        assert alive(innocent.pid)
        (folder.path / "end").unlink()
    innocent.kill()
    await innocent.wait()


GARBAGE = [b"", b"{", b"[]", b"5", b"null", b"{}", b"\xff\0", b'{"state": "dancing"}', b'{"state": ["running"]}',
           b'{"state": "succeeded", "unknown": 1}', b'{"command": 5}', b'{"lines": "x", "levels": 3}']  # fmt: skip


@pytest.mark.parametrize("name", ["spec.json", "status.json"])
async def test_what_cannot_be_read_hinders_no_other_workload(start: Start, name: str) -> None:
    server = await start()
    damaged = [await server.start("true") for _ in GARBAGE]
    good, running = await server.start("echo a"), await server.start("read x", stdin=True)
    for workload_id in [*damaged, good]:
        await server.end(workload_id)
    for workload_id, garbage in zip(damaged, GARBAGE, strict=True):
        (server.folder(workload_id).path / name).write_bytes(garbage)
    (server.store.root / "streams" / "a-file").write_text("")
    (server.store.root / "streams" / "an-empty-folder").mkdir()
    server = await start()
    assert server.engine.get(good).status.state == "succeeded"
    assert server.engine.get(running).status.state == "running"
    found, _ = server.engine.page(STATES, 1000, None)
    for workload in found:
        json.dumps(workload.to_json())
    assert server.engine.stored_bytes >= 0
    await server.engine.send(running, b"", eof=True)
    await server.end(running)


async def test_a_folder_that_is_gone_hinders_no_other_workload(start: Start) -> None:
    server = await start()
    gone, stays = await server.start("read x", stdin=True), await server.start("read x", stdin=True)
    await eventually(lambda: all(server.engine.get(i).status.state == "running" for i in (gone, stays)))
    kill_runners(server.folder(gone).path.parent.parent)
    shutil.rmtree(server.folder(gone).path)
    found, _ = server.engine.page(STATES, 1000, None)
    assert stays in [w.id for w in found]
    assert server.engine.stored_bytes >= 0


async def test_a_damaged_index_of_one_that_runs_hinders_no_other(start: Start) -> None:
    server = await start()
    damaged, good = await server.start("seq 1 50; read x", stdin=True), await server.start("echo a; read x", stdin=True)
    await eventually(lambda: len(server.lines(damaged)) == 50 and server.lines(good) == ["a"])
    path = server.folder(damaged).path / "index.000"
    data = bytearray(path.read_bytes())
    data[:16] = bytes(16)
    path.write_bytes(data)
    server.store._readers.clear()
    found, _ = server.engine.page(STATES, 1000, None)
    assert good in [w.id for w in found]
    assert server.engine.stored_bytes >= 0
    assert server.lines(good) == ["a"]


# --- keys, watchers, retention ----------------------------------------------------------------------------------------


async def test_starts_with_one_key_at_once_are_one_workload(start: Start) -> None:
    server = await start()
    got = await asyncio.gather(*(server.engine.submit(check_spec({"command": "true", "key": "k"})) for _ in range(20)))
    assert len({workload.id for workload, _ in got}) == 1
    assert [new for _, new in got].count(True) == 1


async def test_a_watcher_is_told_of_every_change_and_of_the_deletion(start: Start) -> None:
    server = await start()
    workload_id = await server.start("read x", stdin=True)
    told = asyncio.Event()
    leave = server.engine.watch(workload_id, told.set)
    await server.engine.send(workload_id, b"", eof=True)
    await server.end(workload_id)
    await asyncio.wait_for(told.wait(), 10)
    told.clear()
    server.engine.forget(workload_id)
    await asyncio.wait_for(told.wait(), 10)
    leave()
    leave()


async def age(server: Server, workload_id: str, days: float) -> None:
    folder = server.folder(workload_id)
    status, summary = folder.read_status()
    folder.write_status(Status(**{**{k: getattr(status, k) for k in Status.__dataclass_fields__},
                                  "ended": time.time() * 1000 - days * 86_400_000}), **summary)  # fmt: skip


async def test_old_ended_workloads_go_and_no_others(start: Start) -> None:
    server = await start()
    old, new, running = [await server.start(c, stdin=True) for c in ("true", "true", "read x")]
    for workload_id in old, new:
        await server.end(workload_id)
    await age(server, old, 31)
    server = await start()
    await eventually(lambda: old not in server.store.streams())
    with pytest.raises(UnknownWorkload):
        server.engine.get(old)
    assert server.store.streams() == [new, running]


async def test_when_all_logs_take_too_much_the_oldest_ended_ones_go_first(start: Start) -> None:
    server = await start()
    ids = []
    for _ in range(4):
        ids.append(await server.start("seq 1 2000"))
        await server.end(ids[-1])
    each = server.store.size(ids[0])
    server = await start(total_bytes=int(each * 2.5))
    await eventually(lambda: len(server.store.streams()) == 2)
    assert server.store.streams() == ids[2:]


async def test_closing_leaves_what_runs_alone(start: Start) -> None:
    server = await start()
    workload_id = await server.start("echo a; read x", stdin=True)
    await eventually(lambda: server.lines(workload_id) == ["a"])
    (runner,) = runners(server.folder(workload_id))
    await server.engine.close()
    assert alive(runner)
