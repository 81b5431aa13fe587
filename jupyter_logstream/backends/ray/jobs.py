"""Jobs of a Ray cluster: one list for all that are watched, cancels before a start, final states. Server."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import AbstractAsyncContextManager

from ..job_queue import JobQueue, Report
from ..protocol import CannotReach, Sighting
from .api import RayApi
from .outcome import to_report, to_sighting

OWNER = "jupyter_logstream"
"""In a job's metadata: the store that its workload belongs to."""

_DELETE_TIMEOUT_S, _DELETE_POLL_S = 3.0, 0.2


class RayJobs:
    """The jobs of workloads, by their ids. Bound: one report per watched one, one mark per cancelled one."""

    def __init__(self, api: RayApi) -> None:
        self.api = api
        self._queue = JobQueue(self._reports)
        self._cancelled: set[str] = set()

    def watching(self, workload_id: str) -> AbstractAsyncContextManager[None]:
        """Poll a job while the block runs."""
        return self._queue.watching(workload_id)

    def report(self, workload_id: str) -> Report:
        """The last report of a watched job."""
        return self._queue.report(workload_id)

    async def change(self, workload_id: str, seen: Report) -> Report:
        """The report of a watched job as soon as it differs from `seen`."""
        return await self._queue.change(workload_id, seen)

    def poll_soon(self) -> None:
        """Poll at once: something is about to change."""
        self._queue.poll_soon()

    def mark_cancelled(self, workload_id: str) -> None:
        """From now on the end of this job is a cancel."""
        self._cancelled.add(workload_id)

    def is_cancelled_unstarted(self, workload_id: str) -> bool:
        """Whether a job was cancelled that waits for resources: Ray does not stop it before it starts."""
        report = self.report(workload_id)
        return workload_id in self._cancelled and bool(report.state) and report.is_waiting

    def final(self, workload_id: str) -> Sighting:
        """The final state of a job that is over, as Ray reports it."""
        return to_sighting(self.report(workload_id), was_cancelled=workload_id in self._cancelled)

    async def delete(self, workload_id: str) -> None:
        """Delete what Ray stores about a job, its log included. Raises CannotReach, also if it does not end soon."""
        self._cancelled.discard(workload_id)
        deadline = asyncio.get_running_loop().time() + _DELETE_TIMEOUT_S
        while (job := await self.api.job(workload_id)) is not None:
            report = to_report(job)
            if report.is_waiting:  # cancelled before its start: Ray ends it when it starts
                return
            if report.is_over:
                await self.api.delete(workload_id)
                return
            if asyncio.get_running_loop().time() > deadline:
                raise CannotReach("its Ray job has not ended yet: try again")
            await asyncio.sleep(_DELETE_POLL_S)

    async def owned_by(self, owner: str) -> list[str]:
        """The ids of all jobs of a store. Raises CannotReach."""
        jobs = await self.api.jobs()
        return [str(job["submission_id"]) for job in jobs if (job.get("metadata") or {}).get(OWNER) == owner]

    async def _reports(self, known: Collection[str]) -> dict[str, Report]:
        """One request for all jobs."""
        found = {str(job.get("submission_id")): to_report(job) for job in await self.api.jobs()}
        return {one: found[one] for one in known if one in found}
