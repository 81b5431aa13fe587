"""Workloads reach their final state and requests are answered, whatever the machine lacks and the folder holds."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
from typing import TYPE_CHECKING, Any

import pytest
from support.running import alive, runners
from support.waiting import eventually, until

from jupyter_logstream.backends.context import BackendContext
from jupyter_logstream.backends.local import LocalBackend
from jupyter_logstream.server.engine import CannotReach
from jupyter_logstream.store.disk.folder import RunParameters
from jupyter_logstream.store.errors import BadIndex

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from support.server_side import Server, Start

    from jupyter_logstream.backends.protocol import Handle, Sighting

FAULTS = [
    OSError(errno.EMFILE, "Too many open files"),
    OSError(errno.ENOSPC, "No space left on device"),
    RuntimeError("can't start new thread"),
]


class Failing(LocalBackend):
    """A backend whose watching fails with each fault before it works."""

    def __init__(self, folders: Path) -> None:
        super().__init__("local", BackendContext(folders, run=RunParameters(grace_s=0.5)))
        self.faults = list(FAULTS)

    async def watch(self, workload_id: str, handle: Handle) -> AsyncIterator[Sighting]:
        if self.faults:
            raise self.faults.pop(0)
        async for sighting in super().watch(workload_id, handle):
            yield sighting


async def test_watching_is_tried_again_until_it_succeeds(start: Start, tmp_path: Path) -> None:
    backend = Failing(tmp_path / "store" / "streams")
    server = await start(backend)
    workload = await server.start("read x; exit 3", stdin=True)
    await eventually(lambda: not backend.faults)
    await server.engine.send(workload, b"", eof=True)
    assert (await server.end(workload)).exit_code == 3


async def test_a_final_state_that_could_not_be_stored_is_stored_later(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await start()
    workload = await server.start("sleep 600")
    await eventually(lambda: runners(server.folder(workload)))
    faults, store = list(FAULTS[:2]), server.registry.save_status

    def save_status(workload_id: str, status: Any, summary: Mapping[str, Any]) -> None:
        if faults:
            raise faults.pop(0)
        store(workload_id, status, summary)

    monkeypatch.setattr(server.registry, "save_status", save_status)
    os.kill(until(lambda: runners(server.folder(workload)))[0], signal.SIGKILL)
    assert (await server.end(workload)).state == "lost"
    assert not faults
    assert server.registry.status(workload)[0].state == "lost"


async def test_a_launched_workload_is_watched_although_its_state_could_not_be_read(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await start()
    faults, load = list(FAULTS[:1]), server.registry.status

    def status(workload_id: str) -> Any:
        if faults:
            raise faults.pop(0)
        return load(workload_id)

    monkeypatch.setattr(server.registry, "status", status)
    assert (await server.end(await server.start("exit 4"))).exit_code == 4
    assert not faults


async def test_a_workload_whose_store_was_removed_is_lost(start: Start) -> None:
    server = await start()
    workload = await server.start("while :; do echo x; sleep 0.02; done")
    pid = await running(server, workload)

    def is_removed() -> bool:
        shutil.rmtree(server.store.folders, ignore_errors=True)  # the runner adds files meanwhile
        return not server.store.folders.exists()

    await eventually(is_removed)
    assert (await server.end(workload)).state == "lost"
    await eventually(lambda: not alive(pid))


async def test_cancel_of_a_quiet_workload_whose_folder_was_removed_ends_it(start: Start) -> None:
    server = await start()
    workload = await server.start("sleep 600")
    pid = await running(server, workload)
    shutil.rmtree(server.folder(workload).path)
    await server.engine.cancel(workload)
    await eventually(lambda: not alive(pid))
    assert (await server.end(workload)).state == "lost"


async def test_a_store_that_was_removed_takes_new_workloads(start: Start, tmp_path: Path) -> None:
    server = await start(LocalBackend("local", BackendContext(tmp_path / "store" / "streams")))
    shutil.rmtree(server.store.root)
    assert server.store.free_bytes >= 0
    assert (await server.end(await server.start("exit 3"))).exit_code == 3
    assert server.store.root.stat().st_mode & 0o077 == 0


DETACHED = "exec </dev/null >/dev/null 2>&1; exec sleep 600"


async def test_processes_of_a_killed_runner_are_ended_also_with_another_environment_and_session(start: Start) -> None:
    server = await start()
    workload = await server.start(f"env -i setsid sh -c 'echo $$; {DETACHED}' & sleep 600")
    await eventually(lambda: server.lines(workload))
    pids = [await running(server, workload), int(server.lines(workload)[0])]
    os.kill(runners(server.folder(workload))[0], signal.SIGKILL)
    await eventually(lambda: not any(map(alive, pids)))
    assert (await server.end(workload)).state == "lost"


async def test_cancel_without_a_folder_ends_also_processes_with_another_environment(start: Start) -> None:
    server = await start()
    workload = await server.start(f"env -i setsid sh -c 'echo $$; {DETACHED}' & sleep 600")
    await eventually(lambda: server.lines(workload))
    pids = [await running(server, workload), int(server.lines(workload)[0])]
    shutil.rmtree(server.folder(workload).path)
    await server.engine.cancel(workload)
    await eventually(lambda: not any(map(alive, pids)))
    assert (await server.end(workload)).state == "lost"


async def test_a_background_process_of_a_workload_that_ended_is_left_alone(start: Start, tmp_path: Path) -> None:
    server = await start(
        LocalBackend("local", BackendContext(tmp_path / "store" / "streams", run=RunParameters(linger_s=0.0)))
    )
    workload = await server.start(f"sh -c 'echo $$; {DETACHED}' & exit 0")
    assert (await server.end(workload)).state == "succeeded"
    await eventually(lambda: not runners(server.folder(workload)))
    pid = int(server.lines(workload)[0])
    assert alive(pid)
    os.kill(pid, signal.SIGKILL)


async def test_requests_to_a_runner_that_does_not_answer_fail_and_succeed_later(start: Start) -> None:
    server = await start()
    workload = await server.start("cat; sleep 600", stdin=True)
    await running(server, workload)
    (runner,) = runners(server.folder(workload))
    os.kill(runner, signal.SIGSTOP)
    try:
        with pytest.raises(CannotReach, match="does not answer"):
            await server.engine.send(workload, b"text\n")
        with pytest.raises(CannotReach, match="does not answer"):
            await server.engine.cancel(workload)
        assert not server.engine.get(workload).status.final
    finally:
        os.kill(runner, signal.SIGCONT)
    await server.engine.cancel(workload)
    assert (await server.end(workload)).state == "cancelled"


FILES = [
    "runner.log",
    "status.json",
    "status.json.new",
    "handle.json",
    "handle.json.new",
    "lock",
    "control",
    "run.json",
]
FILES += ["spec.json", "end", "masked", "kept", "steps", "losses", "stdout.000", "stderr.000", "notes.000", "index.000"]


@pytest.mark.parametrize("kind", ["pipe", "link", "directory", "device link"])
@pytest.mark.parametrize("name", FILES)
async def test_another_kind_of_file_in_the_folder_is_neither_opened_nor_followed(
    start: Start, tmp_path: Path, name: str, kind: str
) -> None:
    server = await start()
    workload = await server.start("read x", stdin=True)
    pid = await running(server, workload)
    (runner,) = runners(server.folder(workload))
    secret = tmp_path / "secret"
    secret.write_text("the last line of another file\n")
    plant(server.folder(workload).path / name, kind, secret)
    os.kill(runner, signal.SIGKILL)
    status = await server.end(workload)
    assert status.state == "lost"
    assert "another file" not in (status.error or "") + status.reason
    assert secret.read_text() == "the last line of another file\n"
    assert (await server.end(await server.start("true"))).state == "succeeded"
    await eventually(lambda: not alive(pid))


@pytest.mark.parametrize("kind", ["pipe", "link", "directory", "device link"])
@pytest.mark.parametrize("name", FILES)
async def test_another_kind_of_file_in_the_folder_of_an_ended_workload_is_neither_opened_nor_followed(
    start: Start, tmp_path: Path, name: str, kind: str
) -> None:
    server = await start()
    workload = await server.start("echo out; echo err >&2")
    await server.end(workload)
    secret = tmp_path / "secret"
    secret.write_text("the last line of another file\n")
    plant(server.folder(workload).path / name, kind, secret)
    server = await start()  # so that nothing is cached
    with contextlib.suppress(BadIndex):
        assert "another file" not in "".join(server.lines(workload))
    for source in "stdout", "stderr", None:
        with (
            contextlib.suppress(BadIndex),
            contextlib.closing(server.store.open_download(workload, source)) as download,
        ):
            assert b"another file" not in b"".join(download.chunks(0, download.size))
    if name != "spec.json":  # else it is left alone
        await server.end(workload)
        await server.engine.forget(workload)
    assert secret.read_text() == "the last line of another file\n"


def plant(path: Path, kind: str, target: Path) -> None:
    """Replace a file by another kind of file."""
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(target if kind == "link" else "/dev/zero")


async def running(server: Server, workload: str) -> int:
    """Wait until the workload runs; returns the pid of its child."""
    await eventually(lambda: server.engine.get(workload).status.pid)
    pid = server.engine.get(workload).status.pid
    assert pid is not None
    return pid
