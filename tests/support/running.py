"""Real workloads with the local backend and a file store, without a server. Test support."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING, Any

from support.waiting import PATIENCE, eventually, until

from jupyter_logstream.backends.context import BackendContext
from jupyter_logstream.backends.environment import child_environment
from jupyter_logstream.backends.local import LocalBackend
from jupyter_logstream.model.ids import IdSource
from jupyter_logstream.model.protocol import WORKLOAD_VARIABLE, now_ms
from jupyter_logstream.model.workload import Status, WorkloadSpec
from jupyter_logstream.runner.process_tree import descendants
from jupyter_logstream.server.precedence import merge
from jupyter_logstream.store.disk.download import Download
from jupyter_logstream.store.disk.file_store import FileStore
from jupyter_logstream.store.disk.files import write_json
from jupyter_logstream.store.disk.folder import Folder, RunParameters

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_logstream.model.records import Record


class Bench:
    """A file store and a local backend; `start` runs a workload in them."""

    def __init__(self, root: Path, *, keep: int = 1 << 30) -> None:
        self.store = FileStore(root, keep=keep)
        self.backend = LocalBackend(
            "local", BackendContext(self.store.folders, run=RunParameters(log_bytes=keep, grace_s=0.5))
        )
        self._ids = IdSource()
        self.folders: list[Folder] = []

    async def start(self, command: str | list[str], *, elsewhere: bool = False, **given: Any) -> Job:
        """Launch it and return at once. `elsewhere`: as on another machine than the server."""
        folder = self.store.folder(self._ids.new())
        variables = {**given.pop("env", {}), WORKLOAD_VARIABLE: folder.id}
        env = child_environment(os.environ, variables, tty=given.get("tty", True))
        spec = WorkloadSpec(command=command, name="test", env=env, **given)
        folder.create(spec, time.time() * 1000)
        if elsewhere:
            write_json(folder.host, {})
        self.folders.append(folder)
        await self.backend.launch(folder.id, spec)
        return Job(self, folder)

    async def run(self, command: str | list[str], **given: Any) -> Job:
        """Launch it and wait for its end."""
        job = await self.start(command, **given)
        await job.end()
        return job

    def close(self) -> None:
        """Kill what still runs and close the store."""
        kill_runners(self.store.root)
        self.store.close()


class Job:
    """A workload of the bench."""

    def __init__(self, bench: Bench, folder: Folder) -> None:
        self.bench, self.folder = bench, folder

    @property
    def status(self) -> Status:
        return self.folder.read_status()[0]

    @property
    def runner(self) -> int:
        """The pid of its runner."""
        return until(lambda: runners(self.folder))[0]

    async def end(self, patience: float = PATIENCE) -> Status:
        """Its final status: the runner's record, or what the backend reports instead."""

        async def watch() -> Status:
            status = self.status
            async for sighting in self.bench.backend.watch(self.folder.id, {}):
                status = merge(self.status, sighting, now_ms())
            return status

        return await asyncio.wait_for(watch(), patience)

    async def cancel(self, grace_s: float) -> None:
        """Cancel it through the backend."""
        await self.bench.backend.cancel(self.folder.id, {}, grace_s)

    async def send(self, data: bytes, *, eof: bool = False) -> None:
        """Send it input through the backend."""
        await self.bench.backend.send(self.folder.id, {}, data, eof=eof)

    def records(self) -> list[Record]:
        """All records."""
        found: list[Record] = []
        while len(batch := self.bench.store.read(self.folder.id, found[-1].seq if found else 0, 2000)):
            found += batch.records()
        return found

    def lines(self, source: str | None = None) -> list[str]:
        """Their messages."""
        return [r.message for r in self.records() if source in (None, r.source)]

    def bytes(self, source: str | None = None) -> bytes:
        """The download."""
        with contextlib.closing(Download(self.folder.path, source)) as download:
            return b"".join(download.chunks(0, download.size))

    async def waits_for_output(self, text: str) -> None:
        """Wait until a line of its log contains the text."""
        await eventually(lambda: any(text in line for line in self.lines()))


def runners(folder: Folder) -> list[int]:
    """The pids of the runners of a workload, by their arguments."""
    return [pid for pid, path in all_runners() if path == str(folder.path)]


def all_runners() -> list[tuple[int, str]]:
    """Pid and folder of every runner on this machine."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/cmdline", "rb") as file:
                arguments = file.read().decode(errors="replace").split("\0")
                if "-I" in arguments and any("jupyter_logstream.runner" in argument for argument in arguments):
                    found += [(int(name), argument) for argument in arguments if "/streams/" in argument]
    return found


def kill_runners(below: Path) -> None:
    """Kill the process trees of all stores below a folder: runners first, so that none records its child's exit."""
    for pid, path in all_runners():
        if path.startswith(f"{below}/"):
            for one in [pid, *descendants(pid)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one, signal.SIGKILL)


def alive(pid: int) -> bool:
    """Whether a process lives (a zombie does not)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2][:1] != b"Z"
    except OSError:
        return False


def memory(pid: int, what: str = "VmHWM") -> int:
    """Memory of a process in bytes: its peak, or (VmRSS) the current value."""
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith(what + ":"):
                return int(line.split()[1]) * 1024
    raise AssertionError(what)


def maps(pid: int) -> str:
    """The files that a process has mapped: libraries among them."""
    with open(f"/proc/{pid}/maps") as file:
        return file.read()
