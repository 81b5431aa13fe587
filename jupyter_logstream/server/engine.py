"""The engine: the life cycle of all workloads, from the queue to the final state. Server; one per server, no HTTP.

It connects the backends (which run workloads), the registry (which stores them) and the store (which holds their logs).
After a restart `recover` loads everything from the registry.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace

from ..backends.protocol import Backend, CannotLaunch, CannotReach, CannotSend, Handle, Sighting, check_supported
from ..model.ids import IdSource
from ..model.protocol import EXTERNAL, State, now_ms
from ..model.spec import SpecError
from ..model.workload import Status, Workload, WorkloadSpec
from ..store.errors import StreamEnded
from ..store.protocol import LogStore
from .catalogue import Catalogue, UnknownWorkload, Wake
from .precedence import merge
from .registry import BadEntry, Registry
from .retention import Limits, Sweep

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

_MAX_CONCURRENT_LAUNCHES = 8  # more would slow each other down


class StillRunning(ValueError):
    """The operation needs a workload that has ended."""


class QueueFull(RuntimeError):
    """The maximum number of workloads is waiting."""


class NoRoom(RuntimeError):
    """The system lacks files, processes or disk space for this operation; nothing was changed."""


class Engine:
    """Starts, lists, cancels and deletes workloads. `backends`: by the name that a spec selects them with.

    Bounds: `limits.max_queued` workloads wait, then `submit` raises QueueFull; _MAX_CONCURRENT_LAUNCHES start at once.
    """

    def __init__(
        self,
        store: LogStore,
        registry: Registry,
        backends: Mapping[str, Backend],
        limits: Limits,
        log: logging.Logger,
    ) -> None:
        self._store, self._registry, self._backends = store, registry, backends
        self._limits, self._log = limits, log
        self._catalogue = Catalogue(store)
        self._ids = IdSource()
        self._handles: dict[str, Handle] = {}
        self._queue: list[str] = []
        self._active: set[str] = set()  # launched or being launched
        self._starting: dict[str, asyncio.Event] = {}  # being launched; set when the launch is over
        self._cancelled_while_starting: set[str] = set()
        self._launches = asyncio.Semaphore(_MAX_CONCURRENT_LAUNCHES)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    @property
    def backends(self) -> list[str]:
        """The names of the backends, sorted."""
        return sorted([*self._backends, EXTERNAL])

    @property
    def running(self) -> int:
        """The number of workloads that run or are being launched."""
        return len(self._active)

    def __len__(self) -> int:
        return len(self._catalogue)

    # --- queries ------------------------------------------------------------------------------------------------------

    @property
    def stored_bytes(self) -> int:
        """Estimated disk usage of all logs in bytes."""
        return self._catalogue.stored_bytes

    def get(self, workload_id: str) -> Workload:
        """The workload with the current totals of its log. Raises UnknownWorkload."""
        return self._catalogue.get(workload_id)

    def status_of(self, workload_id: str) -> Workload:
        """The workload without counting new lines of its log: cheap. Raises UnknownWorkload."""
        return self._catalogue.status_of(workload_id)

    def page(self, states: frozenset[str], limit: int, before: str | None) -> tuple[list[Workload], str | None]:
        """Workloads in these states, newest first, starting behind the id `before`, and the next page's `before`."""
        return self._catalogue.page(states, limit, before)

    def watch(self, workload_id: str, wake: Wake) -> Wake:
        """Call `wake` after each change of a workload's status. Returns the unsubscriber."""
        return self._catalogue.watch(workload_id, wake)

    def watch_all(self, changed: Callable[[str], None]) -> None:
        """Call `changed` with the id of each workload that is new, changed its status, or was deleted."""
        self._catalogue.watch_all(changed)

    # --- commands -----------------------------------------------------------------------------------------------------

    async def submit(self, spec: WorkloadSpec) -> tuple[Workload, bool]:
        """Start or queue a workload. Returns it and True, or False with the workload that has the same `key` already.

        Raises SpecError (backend, cwd, options ...), QueueFull, NoRoom.
        """
        if earlier := self._catalogue.with_key(spec.key):
            return earlier, False
        if spec.backend == EXTERNAL:  # counts neither as running nor as activity
            return self.get(self._create(spec)), True
        spec = self._resolve(spec)
        limit = self._limits.max_running
        must_wait = limit is not None and len(self._active) >= limit
        if (waiting := len(self._queue) + len(self._starting)) >= self._limits.max_queued:
            raise QueueFull(f"{waiting} workloads are waiting")
        workload_id = self._create(spec)
        if must_wait:
            self._queue.append(workload_id)
            return self.get(workload_id), True
        try:
            await self._launch(workload_id, spec)
        except CannotLaunch as error:
            self._remove(workload_id)
            raise NoRoom(str(error.strerror)) from error
        return self.get(workload_id), True

    async def again(self, workload_id: str) -> Workload:
        """Start another workload with the same spec and environment. Raises SpecError, QueueFull, NoRoom."""
        if workload_id not in self._catalogue:
            raise SpecError("again", "is the id of no workload")
        try:
            spec = self._registry.load(workload_id).spec
        except BadEntry as error:
            raise SpecError("again", f"is the id of a workload whose specification cannot be read: {error}") from error
        if spec.backend == EXTERNAL:
            raise SpecError("again", "is the id of an external workload, which this server cannot start")
        return (await self.submit(replace(spec, key=None)))[0]

    async def end(self, workload_id: str, state: State) -> None:
        """Record the final state of an external workload, as its publisher reports it. Raises UnknownWorkload."""
        await self._end(workload_id, self.status_of(workload_id).status.move(state, ended=now_ms()))

    async def cancel(self, workload_id: str) -> tuple[Workload, bool]:
        """Terminate a workload's process tree. False: it had ended already. Raises UnknownWorkload, CannotReach."""
        found = self.status_of(workload_id)
        if found.status.final:
            return found, False
        if found.spec.backend == EXTERNAL:
            await self.end(workload_id, "cancelled")
        elif workload_id in self._queue:
            self._queue.remove(workload_id)
            await self._end(workload_id, found.status.move("cancelled", ended=now_ms()))
        else:
            await self._cancel_launched(workload_id)
        return self.get(workload_id), True

    async def send(self, workload_id: str, data: bytes, *, eof: bool = False) -> None:
        """Write bytes to standard input, then close it if `eof`. Raises UnknownWorkload, CannotSend, CannotReach."""
        found = self.status_of(workload_id)
        if found.spec.backend == EXTERNAL:
            raise CannotSend("no_stdin")
        await self._backend_of(found).send(workload_id, self._handle(workload_id), data, eof=eof)

    async def forget(self, workload_id: str) -> None:
        """Delete a final workload and its log. Raises UnknownWorkload, StillRunning, NoRoom, CannotReach (it stays)."""
        found = self.status_of(workload_id)
        if not found.status.final:
            raise StillRunning(f"workload {workload_id} is {found.status.state}")
        if backend := self._backends.get(found.spec.backend):
            await backend.forget(workload_id, self._handle(workload_id))
        try:
            self._remove(workload_id)
        except OSError as error:
            raise NoRoom(f"the workload could not be deleted: {os.strerror(error.errno or 0)}") from error

    async def recover(self) -> None:
        """Load the workloads of earlier servers: watch those that were launched, queue those that were not.

        A server that was killed during a launch has stored no handle. Its workload is queued again; launching it a
        second time is safe, since `Backend.launch` is idempotent.
        """
        for workload_id in self._registry.ids():
            try:
                entry = self._registry.load(workload_id)
            except BadEntry as error:
                self._log.warning("the workload %s cannot be read and is left alone: %s", workload_id, error)
                continue
            public = replace(entry.spec, env={})
            self._catalogue.add(Workload(workload_id, public, entry.created, entry.status, **entry.summary))
            if entry.handle is not None:
                self._handles[workload_id] = entry.handle
            if entry.status.final or entry.spec.backend == EXTERNAL:
                continue
            if entry.spec.backend not in self._backends:
                self._log.warning("the backend %r of workload %s is not configured", entry.spec.backend, workload_id)
            elif entry.handle is None:
                self._queue.append(workload_id)
            else:
                self._watch(workload_id)
        self._launch_next()
        self._spawn(Sweep(self._limits, lambda: list(self._catalogue), self._store.size, self._expire).run())

    async def close(self) -> None:
        """Stop watching; workloads keep running."""
        self._closing = True
        while self._tasks:  # repeatedly: wait_for() may swallow a cancellation (Python before 3.12, gh-86296)
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=0.1)

    # --- creation and deletion ----------------------------------------------------------------------------------------

    def _resolve(self, spec: WorkloadSpec) -> WorkloadSpec:
        if spec.backend not in self._backends:
            raise SpecError("backend", f"must be one of {', '.join(self.backends)}")
        backend = self._backends[spec.backend]
        check_supported(spec, backend)
        return backend.resolve(spec)

    def _create(self, spec: WorkloadSpec) -> str:
        workload_id, created = self._ids.new(), now_ms()
        status = Status().move("running", started=created) if spec.backend == EXTERNAL else None
        try:
            self._registry.create(workload_id, spec, created, status)
        except OSError as error:
            raise NoRoom(f"the workload could not be stored: {os.strerror(error.errno or 0)}") from error
        self._catalogue.add(Workload(workload_id, replace(spec, env={}), created, status or Status()))
        return workload_id

    def _remove(self, workload_id: str) -> None:
        """Delete a workload. Its log goes first: a crash in between leaves an entry without lines, never a lost log."""
        self._store.drop(workload_id)
        self._registry.remove(workload_id)
        self._handles.pop(workload_id, None)
        self._catalogue.remove(workload_id)

    async def _expire(self, workload_id: str) -> None:
        """Delete a workload for the retention sweep; one that cannot be deleted now stays until the next sweep."""
        with contextlib.suppress(NoRoom, CannotReach, UnknownWorkload):
            await self.forget(workload_id)

    # --- life cycle ---------------------------------------------------------------------------------------------------

    def _backend_of(self, workload: Workload) -> Backend:
        try:
            return self._backends[workload.spec.backend]
        except KeyError:
            raise CannotReach(f"the backend {workload.spec.backend!r} is not configured on this server") from None

    def _handle(self, workload_id: str) -> Handle:
        return self._handles.get(workload_id, {})

    async def _launch(self, workload_id: str, spec: WorkloadSpec) -> None:
        """Launch a workload, store its handle and watch it. Raises CannotLaunch."""
        self._active.add(workload_id)
        finished = self._starting[workload_id] = asyncio.Event()
        try:
            async with self._launches:
                if workload_id in self._cancelled_while_starting:
                    await self._end(workload_id, Status().move("cancelled", ended=now_ms()))
                    return
                handle = await self._backend_of(self.status_of(workload_id)).launch(workload_id, spec)
                self._store_handle(workload_id, handle)
        except CannotLaunch:
            self._active.discard(workload_id)
            raise
        finally:
            del self._starting[workload_id]
            self._cancelled_while_starting.discard(workload_id)
            finished.set()
        status, summary = self._registry.status(workload_id)
        if status.final:  # the command could not be started, or was quick
            await self._end(workload_id, status)
            return
        self._catalogue.update(workload_id, status, summary)
        self._watch(workload_id)

    def _store_handle(self, workload_id: str, handle: Handle) -> None:
        self._handles[workload_id] = handle
        try:
            self._registry.save_handle(workload_id, handle)
        except OSError as error:  # it runs: the next server finds it by launching it again, which is idempotent
            self._log.warning("the handle of workload %s could not be stored: %s", workload_id, error.strerror)

    async def _cancel_launched(self, workload_id: str) -> None:
        if workload_id in self._starting:
            self._cancelled_while_starting.add(workload_id)
            await self._starting[workload_id].wait()
        found = self.status_of(workload_id)
        if not found.status.final:
            backend = self._backend_of(found)
            await backend.cancel(workload_id, self._handle(workload_id), self._limits.grace_s)

    def _watch(self, workload_id: str) -> None:
        self._active.add(workload_id)
        self._spawn(self._follow(workload_id))

    async def _follow(self, workload_id: str) -> None:
        backend = self._backend_of(self.status_of(workload_id))
        async for sighting in backend.watch(workload_id, self._handle(workload_id)):
            await self._apply(workload_id, sighting)

    async def _apply(self, workload_id: str, sighting: Sighting) -> None:
        """Take over what a backend reports, unless the runner's own record says more."""
        recorded, summary = self._registry.status(workload_id)
        known = self.status_of(workload_id).status
        status = merge(recorded if recorded.state != "queued" else known, sighting, now_ms())
        if status.final:
            await self._end(workload_id, status)
            return
        if recorded.state == "queued" and status.state != known.state:  # no runner writes a record here
            self._registry.save_status(workload_id, status, summary)
        self._catalogue.update(workload_id, status, summary)

    async def _end(self, workload_id: str, status: Status) -> None:
        """Record a final state, unless the runner did, and launch the next workload of the queue."""
        written, summary = self._registry.status(workload_id)
        if not written.final:
            with contextlib.suppress(StreamEnded):  # a killed runner may have ended the log before
                await asyncio.to_thread(self._store.finish, workload_id)  # it may read every line
            summary = self._store.read(workload_id, 0, 0).tally().summary()
            self._registry.save_status(workload_id, status, summary)
        self._active.discard(workload_id)
        self._catalogue.update(workload_id, status, summary)
        self._launch_next()

    def _launch_next(self) -> None:
        limit = self._limits.max_running
        while self._queue and not self._closing and (limit is None or len(self._active) < limit):
            workload_id = self._queue.pop(0)
            self._active.add(workload_id)
            self._spawn(self._launch_queued(workload_id))

    async def _launch_queued(self, workload_id: str) -> None:
        try:
            await self._launch(workload_id, self._registry.load(workload_id).spec)
        except (CannotLaunch, BadEntry) as error:  # it was accepted, so it stays and reports the failure
            problem = error.strerror if isinstance(error, CannotLaunch) else f"its spec cannot be read: {error}"
            await self._end(workload_id, Status().move("failed", ended=now_ms(), error=str(problem)))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._log.error("watching a workload failed", exc_info=task.exception())
