"""The life cycle of launched workloads: queue, launch, watch, final state. Server; one per server, no HTTP.

It applies what backends report to the catalogue and the registry, and starts the next queued workload when one ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from ..backends.protocol import Backend, CannotLaunch, CannotReach, Handle, HasLateOutput, Sighting
from ..model.protocol import now_ms
from ..model.workload import Status, Workload, WorkloadSpec
from ..store.errors import BadIndex, NotWriter, StreamEnded, UnknownStream
from ..store.protocol import LogStore
from .catalogue import Catalogue, UnknownWorkload
from .precedence import merge
from .registry import BadEntry, Registry
from .retention import Limits

_MAX_CONCURRENT_LAUNCHES = 8  # more would slow each other down
_FIRST_RETRY_S, _MAX_RETRY_S = 0.2, 5.0
_TEMPORARY = (OSError, BadIndex, NotWriter, CannotReach, RuntimeError)  # no descriptor, disk space, thread ...
_LACKING = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOSPC, errno.EDQUOT, errno.EROFS}


class LifeCycle:
    """Takes workloads from the queue to their final state. It owns the tasks that do so, until `close`.

    Bound: at most _MAX_CONCURRENT_LAUNCHES backends' launches at once; others wait for one of them.
    """

    def __init__(
        self,
        store: LogStore,
        registry: Registry,
        backends: Mapping[str, Backend],
        catalogue: Catalogue,
        limits: Limits,
        log: logging.Logger,
    ) -> None:
        self._store, self._registry, self._backends = store, registry, backends
        self._catalogue, self._limits, self._log = catalogue, limits, log
        self._handles: dict[str, Handle] = {}
        self._queue: list[str] = []
        self._active: set[str] = set()  # launched or being launched
        self._starting: dict[str, asyncio.Event] = {}  # being launched; set when the launch is over
        self._cancelled_while_starting: set[str] = set()
        self._begun: set[str] = set()  # an earlier server died while it launched them: they may run
        self._launches = asyncio.Semaphore(_MAX_CONCURRENT_LAUNCHES)
        self._tasks: set[asyncio.Task[None]] = set()
        self._watching: dict[str, asyncio.Task[None]] = {}
        self._closing = False

    @property
    def active(self) -> int:
        """The number of workloads that run or are being launched."""
        return len(self._active)

    @property
    def waiting(self) -> int:
        """The number of workloads that are queued or being launched."""
        return len(self._queue) + len(self._starting)

    @property
    def has_capacity(self) -> bool:
        """Whether another workload can run now."""
        return self._limits.max_running is None or len(self._active) < self._limits.max_running

    def enqueue(self, workload_id: str) -> None:
        """Queue a workload; `launch_next` starts it."""
        self._queue.append(workload_id)

    def launch_again(self, workload_id: str) -> None:
        """Launch a workload at once that an earlier server was launching when it died: it may run already."""
        self._begun.add(workload_id)
        self._launch_soon(workload_id)

    def remember(self, workload_id: str, handle: Handle | None) -> None:
        """Keep the handle of a workload that is not watched, for its deletion."""
        if handle is not None:
            self._handles[workload_id] = handle

    def resume(self, workload_id: str, handle: Handle) -> None:
        """Watch a workload that an earlier server launched."""
        self._handles[workload_id] = handle
        self._watch(workload_id)

    def backend_of(self, workload: Workload) -> Backend:
        """The backend of a workload. Raises CannotReach if it is not configured."""
        try:
            return self._backends[workload.spec.backend]
        except KeyError:
            raise CannotReach(f"the backend {workload.spec.backend!r} is not configured on this server") from None

    def handle(self, workload_id: str) -> Handle:
        """The handle of a workload; empty if it was not launched."""
        return self._handles.get(workload_id, {})

    async def launch(self, workload_id: str, spec: WorkloadSpec) -> None:
        """Launch a workload, store its handle and watch it. Raises CannotLaunch."""
        self._active.add(workload_id)
        finished = self._starting.setdefault(workload_id, asyncio.Event())
        try:
            async with self._launches:
                if workload_id in self._cancelled_while_starting and workload_id not in self._begun:
                    await self.end(workload_id, Status().move("cancelled", ended=now_ms()))
                    return
                self._store_handle(workload_id, {})  # the launch has begun
                handle = await self.backend_of(self._catalogue.status_of(workload_id)).launch(workload_id, spec)
                self._store_handle(workload_id, handle)
        except CannotLaunch:
            self._active.discard(workload_id)
            raise
        finally:
            del self._starting[workload_id]
            self._cancelled_while_starting.discard(workload_id)
            self._begun.discard(workload_id)
            finished.set()
        try:
            status, summary = self._registry.status(workload_id)
            if status.final:  # the command could not be started, or was quick
                await self.end(workload_id, status)
                return
            self._catalogue.update(workload_id, status, summary)
        except _TEMPORARY as error:  # it runs: watching tries again
            self._log.warning("the state of workload %s cannot be read now: %s", workload_id, error)
        self._watch(workload_id)

    async def cancel(self, workload_id: str) -> None:
        """Cancel a workload that is queued, being launched or launched. Raises CannotReach."""
        found = self._catalogue.status_of(workload_id)
        if workload_id in self._queue:
            self._queue.remove(workload_id)
            await self.end(workload_id, found.status.move("cancelled", ended=now_ms()))
            return
        if workload_id in self._starting:
            self._cancelled_while_starting.add(workload_id)
            await self._starting[workload_id].wait()
            found = self._catalogue.status_of(workload_id)
        if not found.status.final:
            await self.backend_of(found).cancel(workload_id, self.handle(workload_id), self._limits.grace_s)

    def release(self, workload_id: str) -> None:
        """Stop watching a workload and forget it; it continues."""
        if workload_id in self._queue:
            self._queue.remove(workload_id)
        if watching := self._watching.pop(workload_id, None):
            watching.cancel()
        self._active.discard(workload_id)
        self.discard(workload_id)

    def discard(self, workload_id: str) -> None:
        """Forget the handle of a deleted workload."""
        self._handles.pop(workload_id, None)

    async def close(self) -> None:
        """Stop watching; workloads keep running."""
        self._closing = True
        while self._tasks:  # repeatedly: wait_for() may swallow a cancellation (Python before 3.12, gh-86296)
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=0.1)

    # --- steps of a life ----------------------------------------------------------------------------------------------

    def _store_handle(self, workload_id: str, handle: Handle) -> None:
        self._handles[workload_id] = handle
        try:
            self._registry.save_handle(workload_id, handle)
        except OSError as error:  # it runs: the next server finds it by launching it again, which is idempotent
            self._log.warning("the handle of workload %s could not be stored: %s", workload_id, error.strerror)

    def _watch(self, workload_id: str) -> None:
        self._active.add(workload_id)
        self._watching[workload_id] = task = self.spawn(self._follow(workload_id))
        task.add_done_callback(lambda _: self._watching.pop(workload_id, None))

    async def _follow(self, workload_id: str) -> None:
        """Watch a workload until its final state is recorded, again and again with backoff, whatever fails."""
        await self._insist(workload_id, "watching", lambda: self._watch_once(workload_id))
        backend = self.backend_of(self._catalogue.status_of(workload_id))
        if isinstance(backend, HasLateOutput):
            await backend.log_complete(workload_id)
            await self._insist(workload_id, "counting late output of", lambda: self._update_summary(workload_id))

    async def _update_summary(self, workload_id: str) -> None:
        status, summary = self._registry.status(workload_id)
        if status.final:  # else the folder was removed
            self._catalogue.update(workload_id, status, summary)

    async def _watch_once(self, workload_id: str) -> None:
        backend = self.backend_of(self._catalogue.status_of(workload_id))
        async for sighting in backend.watch(workload_id, self.handle(workload_id)):
            await self._apply(workload_id, sighting)

    async def _insist(self, workload_id: str, what: str, step: Callable[[], Awaitable[None]]) -> None:
        """Repeat a step with backoff until it succeeds, for faults that pass: no descriptor, disk space, thread."""
        pause_s = _FIRST_RETRY_S
        while True:
            try:
                await step()
            except UnknownWorkload:  # deleted meanwhile
                raise
            except _TEMPORARY as error:
                self._log.warning("%s workload %s failed, next attempt in %g s: %s", what, workload_id, pause_s, error)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _MAX_RETRY_S)
            else:
                return

    async def _apply(self, workload_id: str, sighting: Sighting) -> None:
        """Take over what a backend reports, unless the runner's own record says more."""
        recorded, summary = self._registry.status(workload_id)
        known = self._catalogue.status_of(workload_id).status
        status = merge(recorded if recorded.state != "queued" else known, sighting, now_ms())
        if status.final:
            await self.end(workload_id, status)
            return
        if recorded.state == "queued" and status.state != known.state:  # no runner writes a record here
            self._registry.save_status(workload_id, status, summary)
        self._catalogue.update(workload_id, status, summary)

    async def end(self, workload_id: str, status: Status) -> None:
        """Record a final state, unless the runner did, and launch the next workload of the queue."""
        written, summary = self._registry.status(workload_id)
        if not written.final:
            summary = await self._close_log(workload_id)
            try:
                self._registry.save_status(workload_id, status, summary)
            except (FileNotFoundError, NotADirectoryError):  # its folder was removed: nothing is left to record
                self._log.warning("the folder of workload %s was removed", workload_id)
        self._active.discard(workload_id)
        self._catalogue.update(workload_id, status, summary)
        self.launch_next()

    async def _close_log(self, workload_id: str) -> dict[str, Any]:
        """End a log that no runner writes; returns its totals, none if its files cannot be read or written.

        Raises OSError or BadIndex if the system lacks something for it.
        """
        try:
            with contextlib.suppress(BadIndex):  # to be repaired
                self._store.read(workload_id, 0, 0)
            with contextlib.suppress(StreamEnded):  # a killed runner may have ended the log before
                await asyncio.to_thread(self._store.finish, workload_id)  # it may read every line
            return self._store.read(workload_id, 0, 0).tally().summary()
        except UnknownStream:  # there is none, or its folder was removed: do not make one
            return {}
        except (OSError, BadIndex) as error:
            cause = error if isinstance(error, OSError) else error.__cause__
            if isinstance(cause, OSError) and cause.errno in _LACKING:
                raise
            self._log.warning("the log of workload %s cannot be closed: %s", workload_id, error)
            return {}

    def launch_next(self) -> None:
        """Start queued workloads, the oldest first, while there is capacity."""
        while self._queue and not self._closing and self.has_capacity:
            self._launch_soon(self._queue.pop(0))

    def _launch_soon(self, workload_id: str) -> None:
        self._active.add(workload_id)
        self._starting[workload_id] = asyncio.Event()  # from now on a cancel waits for the launch
        self.spawn(self._launch_queued(workload_id))

    async def _launch_queued(self, workload_id: str) -> None:
        """Launch a workload that was accepted before: if that fails, it stays and reports why."""
        try:
            await self.launch(workload_id, self._registry.load(workload_id).spec)
        except CannotLaunch as error:
            problem = str(error.strerror)
        except BadEntry as error:
            self._starting.pop(workload_id).set()
            problem = f"its specification cannot be read: {error}"
        else:
            return
        status = Status().move("failed", ended=now_ms(), error=problem)
        await self._insist(workload_id, "ending", lambda: self.end(workload_id, status))

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run work until it ends or `close` cancels it; its failure is logged."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and not isinstance(task.exception(), UnknownWorkload | None):
            self._log.error("watching a workload failed", exc_info=task.exception())
