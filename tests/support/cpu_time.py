"""Processor time of a call, for tests of linear cost. Test support."""

from __future__ import annotations

import time
from collections.abc import Callable


def ratio(work: Callable[[int], object], small: int, times: int) -> float:
    """How many times more of the processor's time the larger work takes: waiting for a busy machine does not count."""
    best = {small: float("inf"), small * times: float("inf")}
    work(small)
    for _ in range(3):
        for size, least in best.items():
            start = time.thread_time()
            work(size)
            best[size] = min(least, time.thread_time() - start)
    return best[small * times] / best[small]
