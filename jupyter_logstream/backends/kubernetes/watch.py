"""Watch of one workload in Kubernetes: until its container runs, then by its mirror or by the pod's own log. Server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from ...store.disk.folder import Folder
from ..engine_log import EngineLog
from ..job_queue import Report
from ..mirror import Mirror
from ..protocol import CannotReach, Sighting
from .fleet import Fleet
from .log import PodLog
from .manifest import HELD, NO_PYTHON, ROOT
from .outcome import IMAGE_PROBLEMS, to_sighting

_OVER_GRACE_S = 3.0  # for the rest of the log of a pod that has ended
_START_POLL_S = 0.3
_LOOK = f"cat /dev/termination-log; [ ! -e {ROOT}/{HELD} ] || echo runner"


class Watch:
    """`job`: the name of its Job; `folder`: the workload's, here; `mirror`: creates the mirror of its log, or finds it.

    `log_bytes`: disk limit of the log; `image_timeout_s`: after which a container that cannot be created is given up.
    """

    def __init__(
        self,
        fleet: Fleet,
        workload_id: str,
        job: str,
        folder: Folder,
        mirror: Callable[[], Mirror],
        *,
        log_bytes: int,
        image_timeout_s: float,
    ) -> None:
        self._fleet, self._queue, self._id, self._job = fleet, fleet.queue, workload_id, job
        self._folder, self._mirror, self._log_bytes = folder, mirror, log_bytes
        self._image_timeout_s = image_timeout_s

    async def sightings(self) -> AsyncIterator[Sighting]:
        """Kubernetes' state until the container runs, then what the mirror or the pod's own log shows."""
        async with self._queue.watching(self._id):
            if not self._is_copied:
                async for sighting in self._until_started():
                    yield sighting
                    if sighting.state != "queued":
                        return
            async for sighting in self._by_mirror() if await self._has_python() else self._by_pod_log():
                yield sighting

    @property
    def _report(self) -> Report:
        return self._queue.report(self._id)

    @property
    def _is_copied(self) -> bool:
        """Whether the runner's status is here, so that the workload has started."""
        return self._folder.path.joinpath("status.json").exists()

    # --- until the container runs -------------------------------------------------------------------------------------

    async def _until_started(self) -> AsyncIterator[Sighting]:
        """Report why the workload waits, until its container runs or has ended. Gives up if it cannot be created."""
        report, loop = self._report, asyncio.get_running_loop()
        since: float | None = None
        while report.is_waiting:
            since = (since or loop.time()) if report.state in IMAGE_PROBLEMS else None
            if since is not None and loop.time() - since > self._image_timeout_s:
                await self._fleet.delete(self._job)
                yield Sighting("failed", report.reason)
                return
            yield _waiting(report)
            left_s = None if since is None else since + self._image_timeout_s - loop.time() + 0.1
            with suppress(asyncio.TimeoutError):
                report = await asyncio.wait_for(self._queue.change(self._id, report), left_s)
        if not report.is_over:
            await self._fleet.pin(self._id)

    async def _has_python(self) -> bool:
        """Whether the runner runs in the container, as soon as that is known."""
        while True:
            report = self._report
            if EngineLog.is_used(self._folder) or NO_PYTHON in report.reason:
                return False
            if report.is_over or self._is_copied:
                return True
            with suppress(CannotReach):
                found = await self._fleet.kubectl.output(report.job, ["/bin/sh", "-c", _LOOK])
                if NO_PYTHON in found or "runner" in found.splitlines():
                    return NO_PYTHON not in found
            self._queue.poll_soon()
            await asyncio.sleep(_START_POLL_S)

    # --- by the mirror ------------------------------------------------------------------------------------------------

    async def _by_mirror(self) -> AsyncIterator[Sighting]:
        """What the mirror reports; Kubernetes' final state if the pod is gone."""
        mirror = self._mirror()
        supervisor = asyncio.get_running_loop().create_task(self._give_up(mirror))
        is_final = False
        try:
            async for sighting in mirror.watch():
                is_final = sighting.state == "lost" or self._folder.read_status()[0].final
                if sighting.link == "down":
                    self._queue.poll_soon()
                yield sighting
        finally:
            supervisor.cancel()
        if not is_final:
            final = self._final()
            if final.state == "lost" or self._fleet.pod(self._id):
                await self._note_missing_end()
            yield final

    async def _give_up(self, mirror: Mirror) -> None:
        """Close the mirror of a pod that is gone: nothing can be copied from it."""
        report = self._report
        while True:
            while not report.is_over:
                report = await self._queue.change(self._id, report)
            await asyncio.sleep(_OVER_GRACE_S)
            report = self._report
            if report.is_over:
                await mirror.close()
                return

    async def _note_missing_end(self) -> None:
        """Report in the log that its end was not copied."""
        log = EngineLog(self._folder, self._log_bytes)
        await log.open()
        log.note("error", "the end of this log can be missing: its pod was gone before all was copied")
        log.close()

    # --- by the pod's own log -----------------------------------------------------------------------------------------

    async def _by_pod_log(self) -> AsyncIterator[Sighting]:
        """Copy the pod's log until the pod has ended; its state is Kubernetes', never the end of the log."""
        report = self._report
        log = EngineLog(self._folder, self._log_bytes)
        await log.open("The image has no Python, in which the runner could run.")
        copy = PodLog(self._fleet.kubectl, report.job, log)
        copying = asyncio.get_running_loop().create_task(copy.follow(lambda: self._report.is_over))
        try:
            while not report.is_over and not copying.done():
                yield _running(report)
                change = asyncio.ensure_future(self._queue.change(self._id, report))
                await asyncio.wait({copying, change}, return_when=asyncio.FIRST_COMPLETED)
                change.cancel()
                report = self._report
            await copying  # it ends with the pod, or by a fault of this server
        finally:
            copying.cancel()
            await asyncio.wait({copying})
            log.close()
        yield self._final()

    def _final(self) -> Sighting:
        return to_sighting(self._report, was_cancelled=self._id in self._fleet.cancelled)


def _waiting(report: Report) -> Sighting:
    if report.problem:
        return Sighting("queued", f"Kubernetes does not answer: {report.problem}", link="down")
    return Sighting("queued", f"Pending: {report.reason}" if report.reason else "Pending")


def _running(report: Report) -> Sighting:
    if report.problem:
        return Sighting("running", f"Kubernetes does not answer: {report.problem}", report.node, link="down")
    return Sighting("running", "", report.node)
