"""Watch of a Ray job: Ray's state until its runner connects, then the mirror, or Ray's log instead. Server."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from ...store.disk.folder import Folder
from ..dial_in import DialIn
from ..engine_log import EngineLog
from ..job_queue import Report
from ..mirror import Mirror
from ..protocol import Sighting
from .jobs import RayJobs
from .log import follow_job_log
from .outcome import is_certain

_OVER_GRACE_S, _UNCERTAIN_GRACE_S = 3.0, 30.0  # in which a runner can reconnect after its job is over, as Ray reports
_CHECK_S = 0.5  # for a cancel meanwhile


@dataclass(frozen=True)
class RayWatch:
    """The watch of one workload's job, which `jobs` polls meanwhile.

    `url`: where its runner connects to, "" if it cannot. `log_bytes`: the maximum size of its log.
    """

    id: str
    folder: Folder
    jobs: RayJobs
    dial_in: DialIn
    url: str
    log_bytes: int

    @property
    def report(self) -> Report:
        """What Ray reports of the job."""
        return self.jobs.report(self.id)

    # --- until the runner connects ------------------------------------------------------------------------------------

    async def until_connected(self, timeout_s: float) -> AsyncIterator[Sighting]:
        """Report Ray's state until the runner connects, its job is over, or `timeout_s` after the job's start."""
        loop = asyncio.get_running_loop()
        seen, deadline = None, math.inf
        while not self.dial_in.has_arrived(self.id) and loop.time() < deadline:
            report = self.report
            if report.is_over or self.jobs.is_cancelled_unstarted(self.id):
                return
            if not report.is_waiting and deadline == math.inf:
                deadline = loop.time() + timeout_s
            if (sighting := self._unconnected(report)) != seen:
                seen = sighting
                yield sighting
            await self._news(report, min(_CHECK_S, max(deadline - loop.time(), 0)))

    def _unconnected(self, report: Report) -> Sighting:
        if report.problem:
            return Sighting("queued", f"Ray does not answer: {report.problem}", link="down")
        if report.is_waiting:
            return Sighting("queued", f"Pending: {report.reason}" if report.reason else "Pending")
        return Sighting("queued", f"started by Ray; its runner has not connected to {self.url} yet", report.node)

    async def _news(self, report: Report, timeout_s: float) -> None:
        """Return when a runner has connected, the report has changed, or after some time."""
        tasks = [
            asyncio.ensure_future(self.dial_in.arrival(self.id)),
            asyncio.ensure_future(self.jobs.change(self.id, report)),
        ]
        try:
            await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    # --- by the runner's connection -----------------------------------------------------------------------------------

    async def mirrored(self, mirror: Mirror) -> AsyncIterator[Sighting]:
        """What the mirror reports; Ray's final state if the job is over and its runner does not come back."""
        supervisor = asyncio.get_running_loop().create_task(self._give_up(mirror))
        is_final = False
        try:
            async for sighting in mirror.watch():
                is_final = sighting.state == "lost" or self.folder.read_status()[0].final
                if sighting.link == "down":
                    self.jobs.poll_soon()
                yield sighting
        finally:
            supervisor.cancel()
        if not is_final:
            await self._note_missing_end()
            yield self.jobs.final(self.id)

    async def _give_up(self, mirror: Mirror) -> None:
        """Close the mirror of a job that is over when its runner has had time to reconnect."""
        report = self.report
        while True:
            while not report.is_over:
                report = await self.jobs.change(self.id, report)
            await asyncio.sleep(_OVER_GRACE_S if is_certain(report) else _UNCERTAIN_GRACE_S)
            report = self.report
            if report.is_over and mirror.sighting.link == "down":
                await mirror.close()
                return

    async def _note_missing_end(self) -> None:
        """Report in the log that its end was not copied."""
        log = EngineLog(self.folder, self.log_bytes)
        await log.open()
        log.note(
            "error",
            f"the end of this log is missing: the job is over, and its runner did not reconnect; "
            f"`ray job logs {self.id}` can have it",
        )
        log.close()

    # --- by Ray's log -------------------------------------------------------------------------------------------------

    async def from_engine_log(self, why: str) -> AsyncIterator[Sighting]:
        """Copy Ray's log until the job is over; its state is Ray's, never the end of the log."""
        await self.dial_in.release(self.id)
        self.dial_in.end(self.id, replaced=True)
        log = EngineLog(self.folder, self.log_bytes)
        await log.open(why)
        copying = asyncio.get_running_loop().create_task(
            follow_job_log(self.jobs.api, self.id, lambda: self.report, log)
        )
        try:
            async for sighting in self._until_over(copying):
                yield sighting
            await copying  # it ends with the job, or by a fault of this server
        finally:
            copying.cancel()
            await asyncio.wait({copying})
            log.close()
        yield self._final_without_runner()

    async def _until_over(self, copying: asyncio.Task[None]) -> AsyncIterator[Sighting]:
        """Report Ray's state until the job is over or the copy of its log fails."""
        report, seen = self.report, None
        while not report.is_over and not copying.done():
            if (sighting := _running(report)) != seen:
                seen = sighting
                yield sighting
            change = asyncio.ensure_future(self.jobs.change(self.id, report))
            await asyncio.wait({copying, change}, return_when=asyncio.FIRST_COMPLETED)
            change.cancel()
            report = self.report

    def _final_without_runner(self) -> Sighting:
        final = self.jobs.final(self.id)
        if final.state == "succeeded" and self.folder.read_spec()[0].call is not None:
            return replace(final, reason="its result is missing: its runner did not connect to this server")
        return final


def _running(report: Report) -> Sighting:
    if report.problem:
        return Sighting("running", f"Ray does not answer: {report.problem}", report.node, link="down")
    return Sighting("running", "", report.node)
