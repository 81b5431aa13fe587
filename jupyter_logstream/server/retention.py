"""Retention: resource limits, and which ended workloads are deleted when they are exceeded. Server; no I/O."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from ..model.workload import Workload

SWEEP_INTERVAL_S = 600.0
MAX_TRUSTED_GAP_S = 86400.0
CLOCK_WAIT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the engine. `max_running`: workloads that run at once, None is no limit; `max_queued`: that wait.

    `grace_s`: seconds from TERM to KILL when a workload is cancelled. `total_bytes`: disk space of all logs.
    `max_age_s`: seconds after which an ended workload is deleted.
    """

    max_running: int | None = None
    max_queued: int = 1000
    grace_s: float = 10.0
    total_bytes: int = 10 << 30
    max_age_s: float = 30 * 86400.0


def expired(workloads: Iterable[Workload], sizes: Mapping[str, int], limits: Limits, now: float) -> list[str]:
    """Ids of the ended workloads to delete: those over the age limit, and the oldest while all logs are too large.

    `sizes`: bytes on disk by id; `now`: Unix milliseconds.
    """
    used = sum(sizes.values())
    found: list[str] = []
    for workload in sorted((w for w in workloads if w.status.final), key=lambda w: w.id):
        ended = workload.status.ended
        if used > limits.total_bytes or (ended is not None and now - ended > limits.max_age_s * 1000):
            used -= sizes.get(workload.id, 0)
            found.append(workload.id)
    return found


class Sweep:
    """Deletes expired workloads at regular intervals, for as long as `run` runs.

    `workloads`: the current ones. `size`: bytes of a log on disk; called in a thread. `forget`: deletes one workload
    and reports its own failures; a workload that stays is tried again at the next sweep.

    A clock that jumps while the server runs expires nothing. At the start it counts only if the newest workload is
    younger than MAX_TRUSTED_GAP_S by it; else nothing expires by age for CLOCK_WAIT_S, so that it can be set right.
    """

    def __init__(
        self,
        limits: Limits,
        workloads: Callable[[], list[Workload]],
        size: Callable[[str], int],
        forget: Callable[[str], Awaitable[None]],
    ) -> None:
        self._limits, self._workloads, self._size, self._forget = limits, workloads, size, forget
        self._started = time.time(), time.monotonic()
        gap_s = self._started[0] - max(map(_last_change, workloads()), default=0) / 1000
        self._wait_s = CLOCK_WAIT_S if gap_s > MAX_TRUSTED_GAP_S else 0.0

    async def run(self) -> None:
        """Sweep now and every SWEEP_INTERVAL_S, forever."""
        while True:
            sizes = await asyncio.to_thread(self._sizes, [workload.id for workload in self._workloads()])
            for workload_id in expired(self._workloads(), sizes, self._limits, self._now()):
                await self._forget(workload_id)
            await asyncio.sleep(SWEEP_INTERVAL_S)

    def _sizes(self, ids: list[str]) -> dict[str, int]:
        return {workload_id: self._size(workload_id) for workload_id in ids}

    def _now(self) -> float:
        """Unix milliseconds: by the clock at the start plus elapsed time, or by the clock now if that is earlier."""
        elapsed_s = time.monotonic() - self._started[1]
        if elapsed_s < self._wait_s:
            return -math.inf
        return min(self._started[0] + elapsed_s, time.time()) * 1000


def _last_change(workload: Workload) -> float:
    return max(workload.created, workload.status.started or 0, workload.status.ended or 0)
