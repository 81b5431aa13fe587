"""Workloads of any backend with a file store, as the engine runs them, but without a server. Test support."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING, Any

from support.running import alive
from support.waiting import PATIENCE, eventually

from jupyter_logstream.backends.configured import BackendContext
from jupyter_logstream.backends.protocol import Backend, Handle, HasLateOutput, Sighting
from jupyter_logstream.model.ids import IdSource
from jupyter_logstream.model.protocol import FINAL, now_ms
from jupyter_logstream.model.workload import Status, WorkloadSpec
from jupyter_logstream.server.precedence import merge
from jupyter_logstream.store.disk.download import Download
from jupyter_logstream.store.disk.file_store import FileStore
from jupyter_logstream.store.disk.folder import RunParameters

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jupyter_logstream.model.records import Record


class Workbench:
    """A store and a backend, which `make` creates from a context, as the server does at each start."""

    def __init__(self, root: Path, make: Callable[[BackendContext], Backend], **settings: Any) -> None:
        self.store = FileStore(root / "store")
        run = RunParameters(grace_s=0.5, linger_s=10.0)
        self.context = BackendContext(self.store.folders, root, run, **settings)
        self._make, self._ids = make, IdSource()
        self.backend = make(self.context)
        self.runs: list[Run] = []

    async def start(self, command: str | list[str], **given: Any) -> Run:
        """Launch a workload and watch it."""
        run = self.create(command, **given)
        await run.launch()
        run.watch()
        return run

    async def run(self, command: str | list[str], **given: Any) -> Run:
        """Launch it and wait for its final state."""
        run = await self.start(command, **given)
        await run.end()
        return run

    def create(self, command: str | list[str], **given: Any) -> Run:
        """A workload as the registry stores it before its launch."""
        spec = self.backend.resolve(WorkloadSpec(command=command, name="test", backend=self.backend.name, **given))
        folder = self.store.folder(self._ids.new())
        folder.create(spec, time.time() * 1000)
        run = Run(self, folder.id, spec)
        self.runs.append(run)
        return run

    async def restart(self) -> None:
        """What a killed server leaves: no watcher and no memory; the next one has the store and the handles."""
        for run in self.runs:
            await run.unwatch()
        self.backend = self._make(self.context)

    async def close(self) -> None:
        """Kill what still runs."""
        for run in self.runs:
            await run.unwatch()
            run.kill()
        self.store.close()


class Run:
    """A workload of the bench."""

    def __init__(self, bench: Workbench, workload_id: str, spec: WorkloadSpec) -> None:
        self.bench, self.id, self.spec = bench, workload_id, spec
        self.folder = bench.store.folder(workload_id)
        self.handle: Handle = {}
        self.sightings: list[Sighting] = []
        self._watching: asyncio.Task[Status] | None = None
        self._completing: asyncio.Task[None] | None = None

    async def launch(self) -> None:
        self.handle = await self.bench.backend.launch(self.id, self.spec)

    def watch(self) -> None:
        self._watching = asyncio.ensure_future(self._watch())

    async def _watch(self) -> Status:
        async for sighting in self.bench.backend.watch(self.id, self.handle):
            self.sightings.append(sighting)
        return merge(self.status, self.sightings[-1], now_ms())

    async def unwatch(self) -> None:
        for task in filter(None, (self._watching, self._completing)):
            task.cancel()
            await asyncio.wait([task])
        self._watching = self._completing = None

    async def end(self, patience: float = 2 * PATIENCE) -> Status:
        """Its final status, as the engine records it; the engine ends the log of a lost one."""
        if self._watching is None:
            self.watch()
        assert self._watching is not None
        status = await asyncio.wait_for(asyncio.shield(self._watching), patience)
        assert status.state in FINAL
        if not self.status.final:
            self.bench.store.finish(self.id)
        self._completing = asyncio.ensure_future(self.complete())
        return status

    async def complete(self) -> None:
        """Wait for late output, too."""
        if isinstance(self.bench.backend, HasLateOutput):
            await self.bench.backend.log_complete(self.id)

    async def running(self) -> Status:
        """Its status once its child has started."""
        await eventually(lambda: self.status.pid is not None)
        return self.status

    @property
    def status(self) -> Status:
        """What is stored here."""
        return self.folder.read_status()[0]

    @property
    def summary(self) -> dict[str, Any]:
        return self.folder.read_status()[1]

    async def cancel(self, grace_s: float) -> None:
        await self.bench.backend.cancel(self.id, self.handle, grace_s)

    async def send(self, data: bytes, *, eof: bool = False) -> None:
        await self.bench.backend.send(self.id, self.handle, data, eof=eof)

    async def forget(self) -> None:
        await self.bench.backend.forget(self.id, self.handle)

    def records(self) -> list[Record]:
        found: list[Record] = []
        while len(batch := self.bench.store.read(self.id, found[-1].seq if found else 0, 5000)):
            found += batch.records()
        return found

    def lines(self, source: str | None = None) -> list[str]:
        return [record.message for record in self.records() if source in (None, record.source)]

    def bytes(self, source: str | None = None) -> bytes:
        with contextlib.closing(Download(self.folder.path, source)) as download:
            return b"".join(download.chunks(0, download.size))

    async def waits_for_output(self, text: str) -> None:
        await eventually(lambda: any(text in line for line in self.lines()))

    @property
    def runner(self) -> int:
        """The pid of its runner: the parent of its child. On this machine, whatever the backend."""
        with open(f"/proc/{self.status.pid}/stat", "rb") as file:
            return int(file.read().rpartition(b") ")[2].split()[1])

    def kill(self) -> None:
        """Kill the runner and its child, if they live."""
        pid = self.status.pid
        if pid is not None and not self.status.final and alive(pid):
            for one in self.runner, pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one, signal.SIGKILL)
