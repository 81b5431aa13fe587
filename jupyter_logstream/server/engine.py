"""The engine: which workloads there are, and how each goes from queued to its end. Server side; one per server.

Here backends and store meet. What it knows it could read again from the store's folders: after a restart of the server
`recover` does just that. It must not know HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from pathlib import Path

from ..backends.environment import child_environment
from ..backends.protocol import Backend, CannotLaunch, CannotReach, CannotSend
from ..model.ids import IdSource
from ..model.protocol import EXTERNAL, FINAL, State
from ..model.spec import SpecError
from ..model.workload import Status, Workload, WorkloadSpec
from ..store.disk.file_store import FileStore
from ..store.disk.folder import Folder
from ..store.errors import BadIndex, NotWriter, StreamEnded, UnknownStream
from .retention import Limits, outdated

__all__ = [
    "CannotReach",
    "CannotSend",
    "Engine",
    "Limits",
    "NoRoom",
    "QueueFull",
    "StillRunning",
    "UnknownWorkload",
]

_LAUNCHES_AT_ONCE = 8  # more would only make each other slower
_SWEEP_PAUSE = 600.0  # seconds between two looks at what retention may take

Wake = Callable[[], None]


class UnknownWorkload(KeyError):
    """No such workload, or it was deleted."""


class StillRunning(ValueError):
    """What was asked needs a workload that has ended."""


class QueueFull(RuntimeError):
    """As many workloads wait as may."""


class NoRoom(RuntimeError):
    """The system has no files, processes or disk for another workload just now; nothing was made."""


class Engine:
    """Starts, lists, cancels and forgets workloads. `root`: where a relative `cwd` begins."""

    def __init__(
        self, store: FileStore, backends: Mapping[str, Backend], root: Path, limits: Limits, log: logging.Logger
    ) -> None:
        self._store, self._backends, self._root, self._limits, self._log = store, backends, root, limits, log
        self._ids = IdSource()
        self._known: dict[str, Workload] = {}
        self._keys: dict[str, str] = {}
        self._queue: list[str] = []
        self._active: set[str] = set()  # launched, or about to be
        self._starting: dict[str, asyncio.Event] = {}  # being launched; set when that is over
        self._unwanted: set[str] = set()  # cancelled while they were being launched
        self._launches = asyncio.Semaphore(_LAUNCHES_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._wakes: dict[str, list[Wake]] = {}
        self._listeners: list[Callable[[str], None]] = []
        self._closing = False
        self._began = time.time(), time.monotonic()

    @property
    def backends(self) -> list[str]:
        """The names of the backends."""
        return sorted([*self._backends, EXTERNAL])

    @property
    def running(self) -> int:
        """How many run (or are being started)."""
        return len(self._active)

    @property
    def stored_bytes(self) -> int:
        """About what all logs take on disk: their bytes and their index."""
        return sum(w.bytes + w.lines * 32 for w in map(self.get, list(self._known)))

    def __len__(self) -> int:
        return len(self._known)

    # --- asking -------------------------------------------------------------------------------------------------------

    def get(self, workload_id: str) -> Workload:
        """The workload as of now. UnknownWorkload."""
        found = self.status_of(workload_id)
        if found.status.final:
            return found
        try:
            tally = self._store.read(workload_id, 0, 0).tally()
        except (UnknownStream, BadIndex, NotWriter, OSError):
            return found  # somebody was at its folder: what is known of it still is
        return replace(found, **tally.summary())

    def status_of(self, workload_id: str) -> Workload:
        """The same without counting the lines of one that runs: cheap. UnknownWorkload."""
        try:
            return self._known[workload_id]
        except KeyError:
            raise UnknownWorkload(workload_id) from None

    def page(self, states: frozenset[str], limit: int, before: str | None) -> tuple[list[Workload], str | None]:
        """Newest first, from behind the id `before` on; with the id to go on from, None at the end."""
        ids = sorted(self._known, reverse=True)
        chosen = [i for i in ids if (before is None or i < before) and self._known[i].status.state in states]
        return [self.get(i) for i in chosen[:limit]], chosen[limit - 1] if len(chosen) > limit else None

    def watch(self, workload_id: str, wake: Wake) -> Wake:
        """Call `wake` after each change of a workload's status; returns its end."""
        wakes = self._wakes.setdefault(workload_id, [])
        wakes.append(wake)

        def remove() -> None:
            with contextlib.suppress(ValueError):
                wakes.remove(wake)
            if not wakes:
                self._wakes.pop(workload_id, None)

        return remove

    def watch_all(self, noted: Callable[[str], None]) -> None:
        """Call `noted` with the id of each workload that is new, has changed its status, or was deleted; for good."""
        self._listeners.append(noted)

    # --- doing --------------------------------------------------------------------------------------------------------

    async def submit(self, spec: WorkloadSpec) -> tuple[Workload, bool]:
        """Start a workload, or queue it. True: it is new; False: its `key` was used before, and this is the first one.

        Raises SpecError (cwd, backend), QueueFull, NoRoom.
        """
        if spec.key is not None and spec.key in self._keys:
            return self.get(self._keys[spec.key]), False
        if spec.backend == EXTERNAL:  # it takes no place of those that run here, and wakes nobody's culler
            return self.get(self._make(spec)), True
        spec = self._placed(spec)
        waits = self._limits.max_running is not None and len(self._active) >= self._limits.max_running
        if len(self._queue) + len(self._starting) >= self._limits.max_queued:
            raise QueueFull(f"{len(self._queue) + len(self._starting)} workloads are waiting")
        workload_id = self._make(spec)
        if waits:
            self._queue.append(workload_id)
            return self.get(workload_id), True
        try:
            await self._launch(workload_id)
        except CannotLaunch as error:
            self._unmake(workload_id)
            raise NoRoom(str(error.strerror)) from error
        return self.get(workload_id), True

    async def again(self, workload_id: str) -> Workload:
        """Start another workload like this one, in the same environment. Raises SpecError, QueueFull, NoRoom."""
        if self._known.get(workload_id) is None:
            raise SpecError("again", "is the id of no workload")
        spec, _ = self._store.folder(workload_id).read_spec()
        if spec.backend == EXTERNAL:
            raise SpecError("again", "is the id of an external workload, which nobody here can start")
        return (await self.submit(replace(spec, key=None)))[0]

    async def end(self, workload_id: str, state: State) -> None:
        """An external workload has ended, says who writes it. UnknownWorkload."""
        await self._end(workload_id, self.status_of(workload_id).status.move(state, ended=time.time() * 1000))

    async def cancel(self, workload_id: str) -> tuple[Workload, bool]:
        """End a workload's whole process tree. False: it had ended already. UnknownWorkload, CannotReach."""
        found = self.get(workload_id)
        if found.status.final:
            return found, False
        if found.spec.backend == EXTERNAL:
            await self.end(workload_id, "cancelled")
            return self.get(workload_id), True
        if workload_id in self._queue:
            self._queue.remove(workload_id)
            await self._end(workload_id, found.status.move("cancelled", ended=time.time() * 1000))
            return self.get(workload_id), True
        if workload_id in self._starting:
            self._unwanted.add(workload_id)
            await self._starting[workload_id].wait()
        if not self.status_of(workload_id).status.final:
            await self._backend(found).cancel(self._store.folder(workload_id), self._limits.grace)
        return self.get(workload_id), True

    async def send(self, workload_id: str, data: bytes, *, eof: bool = False) -> None:
        """Bytes for its standard input, then its end if `eof`. UnknownWorkload, CannotSend."""
        found = self.status_of(workload_id)
        if found.spec.backend == EXTERNAL:
            raise CannotSend("no_stdin")
        await self._backend(found).send(self._store.folder(workload_id), data, eof=eof)

    def forget(self, workload_id: str) -> None:
        """Delete a final workload and its log. UnknownWorkload, StillRunning, NoRoom (the disk refuses: it stays)."""
        found = self.status_of(workload_id)
        if not found.status.final:
            raise StillRunning(f"workload {workload_id} is {found.status.state}")
        try:
            self._unmake(workload_id)
        except OSError as error:
            raise NoRoom(f"the workload could not be deleted: {os.strerror(error.errno or 0)}") from error

    async def recover(self) -> None:
        """Find again what earlier servers started; what was queued goes on waiting."""
        for workload_id in self._store.streams():
            folder = self._store.folder(workload_id)
            try:
                spec, created = folder.read_spec()
                status, summary = folder.read_status()
            except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
                self._log.warning("the workload %s cannot be read and is left alone: %s", workload_id, error)
                continue
            self._remember(Workload(workload_id, replace(spec, env={}), created, status, **summary))
            if status.final or spec.backend == EXTERNAL:
                continue
            begun = folder.is_locked() or folder.control.exists()  # its command may have been started: never twice
            if status.state == "queued" and not begun:
                self._queue.append(workload_id)
            else:
                self._attend(workload_id)
        self._start_next()
        self._spawn(self._sweep())

    async def close(self) -> None:
        """Let go of everything; what runs goes on."""
        self._closing = True
        while self._tasks:  # again, since wait_for() may swallow a cancel (Python before 3.12, gh-86296)
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=0.1)

    # --- how ----------------------------------------------------------------------------------------------------------

    def _make(self, spec: WorkloadSpec) -> str:
        workload_id, created = self._ids.new(), time.time_ns() // 1000 / 1000
        status = Status()
        if spec.backend == EXTERNAL:
            status = status.move("running", started=created)
        try:
            self._store.folder(workload_id).create(spec, created, status if spec.backend == EXTERNAL else None)
        except OSError as error:
            raise NoRoom(f"the workload could not be stored: {os.strerror(error.errno or 0)}") from error
        self._remember(Workload(workload_id, replace(spec, env={}), created, status))
        return workload_id

    def _placed(self, spec: WorkloadSpec) -> WorkloadSpec:
        if spec.backend not in self._backends:
            raise SpecError("backend", f"must be one of {', '.join(self.backends)}")
        cwd = self._root / spec.cwd
        try:
            if not cwd.is_dir():
                raise SpecError("cwd", "is not a directory" if cwd.exists() else "does not exist")
        except OSError as error:
            raise SpecError("cwd", os.strerror(error.errno or 0)) from None
        if not os.access(cwd, os.X_OK):
            raise SpecError("cwd", "must not be entered by this user")
        return replace(spec, cwd=str(cwd), env=child_environment(os.environ, spec.env, tty=spec.tty))

    def _remember(self, workload: Workload) -> None:
        self._known[workload.id] = workload
        if workload.spec.key is not None:
            self._keys[workload.spec.key] = workload.id
        self._wake(workload.id)

    def _backend(self, workload: Workload) -> Backend:
        return self._backends[workload.spec.backend]

    async def _launch(self, workload_id: str) -> None:
        folder = self._store.folder(workload_id)
        self._active.add(workload_id)
        started = self._starting[workload_id] = asyncio.Event()
        try:
            async with self._launches:
                if workload_id in self._unwanted:
                    await self._end(workload_id, Status().move("cancelled", ended=time.time() * 1000))
                    return
                await self._backend(self._known[workload_id]).launch(folder)
        except CannotLaunch:
            self._active.discard(workload_id)
            raise
        finally:
            del self._starting[workload_id]
            self._unwanted.discard(workload_id)
            started.set()
        status, summary = folder.read_status()
        if status.final:  # a command that could not be started, or was quick
            await self._end(workload_id, status)
            return
        self._known[workload_id] = replace(self._known[workload_id], status=status, **summary)
        self._wake(workload_id)
        self._attend(workload_id)

    def _attend(self, workload_id: str) -> None:
        self._active.add(workload_id)
        self._spawn(self._follow(workload_id, self._store.folder(workload_id)))

    async def _follow(self, workload_id: str, folder: Folder) -> None:
        async for status in self._backend(self._known[workload_id]).watch(folder):
            if status.state in FINAL:
                await self._end(workload_id, status)
            else:
                self._known[workload_id] = replace(self._known[workload_id], status=status)
                self._wake(workload_id)

    async def _end(self, workload_id: str, status: Status) -> None:
        folder = self._store.folder(workload_id)
        written, summary = folder.read_status()
        if not written.final:  # queued, or lost: nobody else can write its end
            with contextlib.suppress(StreamEnded):  # its runner came as far as that
                await asyncio.to_thread(self._store.finish, workload_id)  # it may have to look at every line
            summary = self._store.read(workload_id, 0, 0).tally().summary()
            folder.write_status(status, **summary)
        self._known[workload_id] = replace(self._known[workload_id], status=status, **summary)
        self._active.discard(workload_id)
        self._wake(workload_id)
        self._start_next()

    def _start_next(self) -> None:
        most = self._limits.max_running
        while self._queue and not self._closing and (most is None or len(self._active) < most):
            workload_id = self._queue.pop(0)
            self._active.add(workload_id)
            self._spawn(self._launch_queued(workload_id))

    async def _launch_queued(self, workload_id: str) -> None:
        try:
            await self._launch(workload_id)
        except CannotLaunch as error:  # it was accepted, so it is not forgotten
            await self._end(workload_id, Status().move("failed", ended=time.time() * 1000, error=str(error.strerror)))

    def _unmake(self, workload_id: str) -> None:
        self._store.drop(workload_id)
        found = self._known.pop(workload_id)
        if found.spec.key is not None:
            self._keys.pop(found.spec.key, None)
        self._wake(workload_id)

    def _wake(self, workload_id: str) -> None:
        for wake in list(self._wakes.get(workload_id, ())):
            wake()
        for noted in self._listeners:
            noted(workload_id)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._log.error("attending to a workload failed", exc_info=task.exception())

    def _sizes(self, ids: list[str]) -> dict[str, int]:
        return {workload_id: self._store.size(workload_id) for workload_id in ids}

    def _now(self) -> float:
        """Unix ms, as the clock had it at our start and as time has passed since: a clock that jumps ages nothing."""
        return (self._began[0] + time.monotonic() - self._began[1]) * 1000

    async def _sweep(self) -> None:
        while True:
            sizes = await asyncio.to_thread(self._sizes, list(self._known))
            for workload_id in outdated(self._known.values(), sizes, self._limits, self._now()):
                with contextlib.suppress(NoRoom):  # the disk refuses: the next time then
                    self.forget(workload_id)
            await asyncio.sleep(_SWEEP_PAUSE)
