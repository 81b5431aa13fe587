"""How much may be used, and which ended workloads go when it is more. Server side; values only, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..model.workload import Workload


@dataclass(frozen=True, slots=True)
class Limits:
    """What the engine may use. `max_running`: None is no limit. Times in seconds."""

    max_running: int | None = None
    max_queued: int = 1000
    grace: float = 10.0
    total_bytes: int = 10 << 30
    max_age: float = 30 * 86400.0


def outdated(workloads: Iterable[Workload], sizes: Mapping[str, int], limits: Limits, now: float) -> list[str]:
    """The ids of ended workloads that are too old (`now`: Unix ms), and of the oldest while all take too much."""
    used = sum(sizes.values())
    found: list[str] = []
    for workload in sorted((w for w in workloads if w.status.final), key=lambda w: w.id):
        ended = workload.status.ended
        if used > limits.total_bytes or (ended is not None and now - ended > limits.max_age * 1000):
            used -= sizes.get(workload.id, 0)
            found.append(workload.id)
    return found
