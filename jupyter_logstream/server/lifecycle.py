"""The life cycle of launched workloads: queue, launch, watch, final state. Server; one per server, no HTTP.

It applies what backends report to the catalogue and the registry, and starts the next queued workload when one ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import replace

from ..backends.protocol import (
    IN_KERNEL_DIRECTORY,
    RUNS_HERE,
    Backend,
    CannotLaunch,
    CannotReach,
    Handle,
    HasLateOutput,
    Sighting,
)
from ..model.protocol import now_ms
from ..model.workload import LostLink, Status, Workload, WorkloadSpec
from ..store.protocol import LogStore
from .background import TEMPORARY, BackgroundTasks
from .cancels import Cancels
from .catalogue import Catalogue
from .launches import Launches
from .log_end import close_log
from .precedence import merge
from .registry import BadEntry, Registry
from .retention import Limits

_LAST_LAUNCHES_TIMEOUT_S = 2.0
_ANSWER_TIMEOUT_S = 4.0  # HTTP promises an answer within 5 s


class LifeCycle:
    """Takes workloads from the queue to their final state. It owns the tasks that do so, until `close`.

    A cancel that cannot be sent, because the connection to the workload's machine is lost, is stored and sent when it
    is back.
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
        self._launches = Launches()
        self._tasks = BackgroundTasks(log)
        self._cancels = Cancels(registry, catalogue, self._tasks, self.backend_of, self._handles, limits.grace_s)
        self._watching: dict[str, asyncio.Task[None]] = {}
        self._closing = self.closed = False  # closed: another server can use the store

    @property
    def active(self) -> int:
        """The number of workloads that run or are being launched."""
        return len(self._active)

    @property
    def waiting(self) -> int:
        """The number of workloads that are queued or being launched."""
        return len(self._queue) + len(self._launches)

    @property
    def has_capacity(self) -> bool:
        """Whether another workload can run now; not while closing: the next server starts what is queued."""
        if self._closing:
            return False
        return self._limits.max_running is None or len(self._active) < self._limits.max_running

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run work until it ends or `close` cancels it; its failure is logged."""
        self._tasks.spawn(work)

    def enqueue(self, workload_id: str) -> None:
        """Queue a workload; `launch_next` starts it."""
        self._queue.append(workload_id)

    def launch_again(self, workload_id: str) -> None:
        """Launch a workload at once that an earlier server was launching when it died: it may run already."""
        self._launch_soon(workload_id, uncertain=True)

    def keep_cancel(self, workload_id: str) -> None:
        """Cancel a workload as soon as it can be reached, as an earlier server could not."""
        self._cancels.restore(workload_id)

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
        """Launch a new workload; returns when that is over, or after _ANSWER_TIMEOUT_S while it goes on.

        Raises CannotLaunch if this machine lacks something: nothing was started and the workload can be removed.
        """
        outcome: asyncio.Future[CannotLaunch | None] = asyncio.get_running_loop().create_future()
        self._launch_soon(workload_id, spec, outcome)
        if not (await asyncio.wait([outcome], timeout=_ANSWER_TIMEOUT_S))[0]:
            outcome.cancel()
        elif error := outcome.result():
            raise error

    async def cancel(self, workload_id: str, grace_s: int | None = None) -> None:
        """Cancel a workload that is queued, being launched or launched. Raises CannotReach, OSError.

        One on a machine that cannot be reached, or whose launch takes longer than an answer may, is cancelled later.
        `grace_s`: between TERM and KILL; None, and a cancel that a later server sends: the configured time.
        """
        if grace_s is not None:
            self._cancels.set_grace(workload_id, grace_s)
        if workload_id in self._queue:
            self._queue.remove(workload_id)
            await self.end(workload_id, Status().move("cancelled", ended=now_ms()))
        elif workload_id in self._launches and not await self._launches.cancel(workload_id, _ANSWER_TIMEOUT_S):
            self._cancels.store(workload_id)
        else:
            await self._cancels.send(workload_id)

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
        self._cancels.discard(workload_id)

    async def close(self) -> None:
        """Stop watching; workloads keep running."""
        self._closing = True
        await self._finish_launches()
        await self._tasks.close()
        self.closed = True

    async def _finish_launches(self) -> None:
        """Wait for the runners that start here: the next server of the store could take their workloads for lost."""
        here = {name for name, one in self._backends.items() if {RUNS_HERE, IN_KERNEL_DIRECTORY} & one.supports}
        launched = [one for one in self._launches if self._catalogue.status_of(one).spec.backend in here]
        await self._launches.wait(launched, _LAST_LAUNCHES_TIMEOUT_S)

    # --- steps of a life ----------------------------------------------------------------------------------------------

    def _store_handle(self, workload_id: str, handle: Handle) -> None:
        self._handles[workload_id] = handle
        try:
            self._registry.save_handle(workload_id, handle)
        except OSError as error:  # it runs: the next server finds it by launching it again, which is idempotent
            self._log.warning("the handle of workload %s could not be stored: %s", workload_id, error.strerror)

    def _watch(self, workload_id: str) -> None:
        self._active.add(workload_id)
        self._watching[workload_id] = task = self._tasks.spawn(self._follow(workload_id))
        task.add_done_callback(lambda _: self._watching.pop(workload_id, None))

    async def _follow(self, workload_id: str) -> None:
        """Watch a workload until its final state is recorded, again and again with backoff, whatever fails."""
        await self._tasks.insist(workload_id, "watching", lambda: self._watch_once(workload_id))
        backend = self.backend_of(self._catalogue.status_of(workload_id))
        if isinstance(backend, HasLateOutput):
            await backend.log_complete(workload_id)
            await self._tasks.insist(workload_id, "counting late output of", lambda: self._update_summary(workload_id))

    async def _update_summary(self, workload_id: str) -> None:
        status, summary = self._registry.status(workload_id)
        if status.final:  # else the folder was removed
            self._catalogue.update(workload_id, status, summary)

    async def _watch_once(self, workload_id: str) -> None:
        backend = self.backend_of(self._catalogue.status_of(workload_id))
        async for sighting in backend.watch(workload_id, self.handle(workload_id)):
            await self._apply(workload_id, sighting)

    async def _apply(self, workload_id: str, sighting: Sighting) -> None:
        """Apply a backend's report, unless the runner's own record is more precise."""
        recorded, summary = self._registry.status(workload_id)
        found = self._catalogue.status_of(workload_id)
        status = merge(recorded if recorded.state != "queued" else found.status, sighting, now_ms())
        if status.final:
            await self.end(workload_id, status)
            return
        if recorded.state == "queued" and status.state != found.status.state:  # no runner writes a record here
            self._registry.save_status(workload_id, status, summary)
        link = None
        if sighting.link == "down":
            since = found.link.since if found.link else now_ms()
            link = LostLink(since, workload_id in self._cancels)
        self._catalogue.update(workload_id, status, summary, link)
        if link is None:
            self._cancels.send_stored(workload_id)

    async def end(self, workload_id: str, status: Status) -> None:
        """Record a final state, unless the runner did, and launch the next workload of the queue."""
        written, summary = self._registry.status(workload_id)
        if not written.final:
            summary = await close_log(self._store, workload_id, self._log)
            try:
                self._registry.save_status(workload_id, status, summary)
            except (FileNotFoundError, NotADirectoryError):  # its folder was removed: nothing is left to record
                self._log.warning("the folder of workload %s was removed", workload_id)
        self._active.discard(workload_id)
        self._cancels.discard(workload_id)
        self._catalogue.update(workload_id, status, summary)
        self.launch_next()

    def launch_next(self) -> None:
        """Start queued workloads, the oldest first, while there is capacity."""
        while self._queue and not self._closing and self.has_capacity:
            self._launch_soon(self._queue.pop(0))

    def _launch_soon(
        self,
        workload_id: str,
        spec: WorkloadSpec | None = None,
        outcome: asyncio.Future[CannotLaunch | None] | None = None,
        *,
        uncertain: bool = False,
    ) -> None:
        self._active.add(workload_id)
        self._launches.add(workload_id, uncertain=uncertain)  # from now on a cancel waits for the launch
        self._tasks.spawn(self._launch(workload_id, spec, outcome))

    async def _launch(
        self, workload_id: str, spec: WorkloadSpec | None, outcome: asyncio.Future[CannotLaunch | None] | None
    ) -> None:
        """Launch a workload and watch it; it is `failed` with the reason if that is impossible.

        `outcome`: set when this is over, unless its reader has given up; to a CannotLaunch that the reader handles.
        """
        try:
            await self._attempt(workload_id, spec)
        except CannotLaunch as error:
            if error.errno and outcome is not None and not outcome.done():
                self._active.discard(workload_id)
                outcome.set_result(error)
            else:
                await self._fail(workload_id, str(error.strerror))
        except BadEntry as error:
            await self._fail(workload_id, f"its specification cannot be read: {error}")
        finally:
            self._launches.remove(workload_id)
            if outcome is not None and not outcome.done():
                outcome.set_result(None)
        if workload_id in self._watching:
            self._cancels.send_stored(workload_id)

    async def _attempt(self, workload_id: str, spec: WorkloadSpec | None) -> None:
        """Launch a workload, store its handle and watch it, or end it if it was cancelled before."""
        handle = await self._launches.attempt(
            workload_id,
            spec or self._registry.load(workload_id).spec,
            self.backend_of(self._catalogue.status_of(workload_id)),
            begin=lambda: self._store_handle(workload_id, {}),
            fail=lambda error: self._show_unreachable(workload_id, error),
        )
        if handle is None:
            status = Status().move("cancelled", ended=now_ms())
            await self._tasks.insist(workload_id, "cancelling", lambda: self.end(workload_id, status))
            return
        self._store_handle(workload_id, handle)
        try:
            status, summary = self._registry.status(workload_id)
            if status.final:  # the command could not be started, or was quick
                await self.end(workload_id, status)
                return
            self._catalogue.update(workload_id, status, summary)
        except TEMPORARY as error:  # it runs: watching tries again
            self._log.warning("the state of workload %s cannot be read now: %s", workload_id, error)
        self._watch(workload_id)

    def _show_unreachable(self, workload_id: str, error: Exception) -> None:
        """Show why a workload could not be launched yet."""
        self._log.warning("launching workload %s failed, it is tried again: %s", workload_id, error)
        found = self._catalogue.status_of(workload_id)
        link = LostLink(found.link.since if found.link else now_ms(), workload_id in self._cancels)
        self._catalogue.update(workload_id, replace(found.status, reason=str(error)), {}, link)

    async def _fail(self, workload_id: str, problem: str) -> None:
        """End a workload that could not be started; it stays and reports why."""
        status = Status().move("failed", ended=now_ms(), error=problem)
        await self._tasks.insist(workload_id, "ending", lambda: self.end(workload_id, status))
