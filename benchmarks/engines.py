"""What benchmarks of engines share: ticks at a rate, their percentiles, and the time that a start takes. Client."""

from __future__ import annotations

import asyncio
import re
import time
from statistics import median, quantiles
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.elsewhere import Elsewhere

RATE, SECONDS = 1000, 10
POLL_S = 0.002
TICK = re.compile(rb"\b(\d{19}) \d{6}")
"""A line of ticks.py: when it was written, in ns."""

_STARTS = 5
_WHAT = f"{RATE:,} lines/s: line there to reader here"


def percentiles(name: str, found: list[float]) -> dict[str, float]:
    """Without the first second, in which everything starts."""
    steady = found[RATE:]
    return {
        f"{name}, {_WHAT}, p50, ms": median(steady),
        f"{name}, {_WHAT}, p99, ms": quantiles(steady, n=100)[98],
    }


async def starts(name: str, elsewhere: Elsewhere) -> dict[str, float]:
    """Until a start is acknowledged, and until its first line is here."""
    answers, lines = [], []
    for _ in range(_STARTS):
        begin = time.perf_counter()
        workload = await elsewhere.start("echo here")
        answers.append(time.perf_counter() - begin)
        while not elsewhere.lines(workload):  # noqa: ASYNC110 - as a reader sees it, without a watch
            await asyncio.sleep(POLL_S)
        lines.append(time.perf_counter() - begin)
        await elsewhere.end(workload)
    return {
        f"{name}: start of a workload, ms (median)": 1000 * median(answers),
        f"{name}: first line here, ms (median)": 1000 * median(lines),
    }
