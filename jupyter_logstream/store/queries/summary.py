"""Summaries of a log: counts per level over time, matches over its length, the first error. Server.

All are functions over `filters.matches`. A filter without text makes one pass over the index: ten million lines take
about a second, in a thread.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...model.records import LEVELS, SOURCES
from ..protocol import Batch, Store
from .budget import Budget
from .filters import Filter, matches

_SCAN_RECORDS = 1 << 16
_ERROR_CODE = LEVELS.index("error")
_FOREVER_US = 1 << 62


@dataclass(slots=True)
class Bucket:
    """Matches in one time interval. `ts`: its start in Unix ms; `seq`: of its first match, None if it has none."""

    ts: float
    seq: int | None = None
    counts: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """The JSON form; levels that do not occur are left out."""
        return {"ts": self.ts, "seq": self.seq, "counts": dict(self.counts)}


@dataclass(slots=True)
class Summary:
    """The matches of a log. Times in Unix ms; `first_error`: the seq of the first one of level error or fatal."""

    start: float
    end: float
    width: float
    buckets: list[Bucket]
    levels: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    first_error: int | None = None

    @property
    def total(self) -> int:
        """The number of matches."""
        return self.levels.total()


def summarize(
    store: Store,
    stream: str,
    chosen: Filter,
    buckets: int,
    start: float | None = None,
    end: float | None = None,
    *,
    budget: Budget | None = None,
) -> Summary:
    """The matches between two times (default: the whole log), in `buckets` equal intervals.

    Raises UnknownStream, BadPattern, SlowPattern, SearchCancelled.
    """
    first, last = _span(store, stream)
    limited = start is not None, end is not None
    start, end = first if start is None else start, last if end is None else end
    width = max((end - start) / buckets, 0.001)
    made = Summary(start, end, width, [Bucket(start + i * width) for i in range(buckets)])
    edges = [round((start + i * width) * 1000) for i in range(buckets)]
    edges.append(max(round(end * 1000) + 1, edges[-1] + 1))  # includes the last line
    # Without a limit every line counts, whatever the clock was when it was written.
    edges[0], edges[-1] = edges[0] if limited[0] else -_FOREVER_US, edges[-1] if limited[1] else _FOREVER_US
    for batch in matches(store, stream, chosen, at_once=_SCAN_RECORDS, texts=False, budget=budget):
        _add(made, batch, edges)
    return made


def _span(store: Store, stream: str) -> tuple[float, float]:
    ends = store.read(stream, 0, 0)
    if ends.end < ends.first:
        return 0.0, 0.0
    first, last = store.read(stream, ends.first - 1, 1), store.read(stream, ends.end - 1, 1)
    times = [*first.times, *last.times]
    return min(times) / 1000, max(times) / 1000


def _add(made: Summary, batch: Batch, edges: Sequence[int]) -> None:
    """Count a batch. Its times ascend, so a bucket is a slice of it; if the clock was set back, it is sorted first."""
    if is_sorted := sorted(batch.times) == list(batch.times):
        chosen = batch
    else:
        chosen = batch.pick(sorted(range(len(batch)), key=batch.times.__getitem__))
    levels, sources, times, seqs = chosen.levels, chosen.sources, chosen.times, chosen.seqs
    at = bisect_left(times, edges[0])
    number = max(bisect_left(edges, times[at] + 1) - 1, 0) if at < len(batch) else len(edges)
    begin = at
    while number < len(made.buckets) and at < len(batch):
        until = bisect_left(times, edges[number + 1], at)
        if until > at:
            bucket, first = made.buckets[number], seqs[at] if is_sorted else min(seqs[at:until])
            bucket.seq = first if bucket.seq is None else min(bucket.seq, first)
            _count(bucket.counts, levels[at:until], LEVELS)
        at, number = until, number + 1
    _count(made.levels, levels[begin:at], LEVELS)
    _count(made.sources, sources[begin:at], SOURCES)
    if made.first_error is None and max(levels[begin:at], default=0) >= _ERROR_CODE:
        made.first_error = min(seqs[i] for i in range(begin, at) if levels[i] >= _ERROR_CODE)


def _count(counts: Counter[str], codes: bytes, names: Sequence[str]) -> None:
    for code, name in enumerate(names):
        if found := codes.count(code):
            counts[name] += found


@dataclass(frozen=True, slots=True)
class Density:
    """Number of matches in each equal part of a log. `first`, `last`: the range of seqs that is divided."""

    first: int
    last: int
    counts: list[int]


def spread(store: Store, stream: str, chosen: Filter, buckets: int, budget: Budget | None = None) -> Density:
    """Number of matches in each of `buckets` equal parts of the retained seqs.

    Part i begins at the seq `first + ceil(i * (last - first + 1) / buckets)`.
    """
    ends = store.read(stream, 0, 0)
    size = max(ends.end - ends.first + 1, 1)
    edges = [ends.first + -(-i * size // buckets) for i in range(buckets + 1)]
    counts = [0] * buckets
    for batch in matches(store, stream, chosen, at_once=_SCAN_RECORDS, texts=False, budget=budget):
        cuts = [bisect_left(batch.seqs, edge) for edge in edges]
        cuts[-1] = len(batch)  # records appended meanwhile count in the last part
        for i in range(buckets):
            counts[i] += cuts[i + 1] - cuts[i]
    return Density(ends.first, ends.end, counts)


def places(
    store: Store, stream: str, chosen: Filter, after: int, limit: int, budget: Budget | None = None
) -> tuple[list[int], int | None]:
    """The seqs of the next matches after a cursor, at most `limit`, and the cursor to continue from (None: no more)."""
    found: list[int] = []
    for batch in matches(store, stream, chosen, after, texts=False, budget=budget):
        found += batch.seqs[: limit + 1 - len(found)]
        if len(found) > limit:
            return found[:limit], found[limit - 1]
    return found, None
