"""Final state of a command that was ended from outside: Kubernetes knows by what. Server."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import Any

from ..protocol import CannotReach
from .fleet import Fleet
from .outcome import RUNNING

_TIMEOUT_S = 10.0
_OOM_KILLS = re.compile(r"^oom_kill ([1-9]\d*)", re.MULTILINE)
_READ_OOM = "cat /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control 2>/dev/null; true"


class Verdict:
    """A judge for the mirror of a workload: adds to the status that its runner recorded."""

    def __init__(self, fleet: Fleet, workload_id: str) -> None:
        self._fleet, self._id = fleet, workload_id

    async def __call__(self, status: dict[str, Any]) -> dict[str, Any]:
        """Whether a limit, an eviction or a user ended the command."""
        if self._id in self._fleet.cancelled:
            return status
        if status.get("signal") == 9 and await self._was_out_of_memory():
            return {**status, "reason": "out of memory: the container's limit was reached"}
        if status["state"] != "cancelled":
            return status
        self._fleet.queue.poll_soon()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._until_it_stops(), _TIMEOUT_S)
        report = self._fleet.report(self._id)
        if report.state == "DeadlineExceeded":
            return {**status, "state": "timed_out", "reason": "its Job's deadline (activeDeadlineSeconds)"}
        if report.state == "Evicted":
            return {**status, "state": "failed", "reason": report.words_as_is}
        return {**status, "reason": "its pod was deleted in Kubernetes"}

    async def _was_out_of_memory(self) -> bool:
        """By the counters of the container, which continues when one of its processes was killed."""
        report = self._fleet.report(self._id)
        with suppress(CannotReach):
            found = await self._fleet.kubectl.output(report.job, ["/bin/sh", "-c", _READ_OOM])
            return bool(_OOM_KILLS.search(found))
        return report.state == "OOMKilled"

    async def _until_it_stops(self) -> None:
        """Return when Kubernetes reports why the pod ends, or that it has ended."""
        report = self._fleet.report(self._id)
        while report.state == RUNNING:
            report = await self._fleet.queue.change(self._id, report)
