"""Summaries of a log: counts per level over time, matches over its length, the first error. Server.

All are functions over `filters.scan`. A filter without text makes one pass over the index: ten million lines take
about a second, in a thread. A query that runs out of processor time returns what it has, and `stopped`: the last line
that was searched.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import eq
from typing import Any

from ...model.records import LEVELS, SOURCES
from ..protocol import Batch, Store
from .budget import Budget, SlowPattern
from .filters import Filter, matches, scan

_SCAN_RECORDS = 1 << 16
_ERROR_CODE = LEVELS.index("error")


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
    stopped: int | None = None

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

    Raises UnknownStream, BadPattern, SearchCancelled.
    """
    budget = budget or Budget()
    first, last = _span(store, stream)
    made, seen = _summarized(store, stream, chosen, buckets, (start, end), (first, last), budget)
    is_outside = seen[0] < first or seen[1] > last  # the clock was set back: the first and last line are no bounds
    if is_outside and made.stopped is None and None in {start, end}:
        span = min(first, seen[0]), max(last, seen[1])
        made, _ = _summarized(store, stream, chosen, buckets, (start, end), span, budget)
    return made


def _summarized(
    store: Store,
    stream: str,
    chosen: Filter,
    buckets: int,
    given: tuple[float | None, float | None],
    span: tuple[float, float],
    budget: Budget,
) -> tuple[Summary, tuple[float, float]]:
    """The summary, and the times of the earliest and the latest match. `span`: for times that are not given."""
    start, end = span[0] if given[0] is None else given[0], span[1] if given[1] is None else given[1]
    width = max((end - start) / buckets, 0.001)
    made = Summary(start, end, width, [Bucket(start + i * width) for i in range(buckets)])
    edges = [round((start + i * width) * 1000) for i in range(buckets)]
    edges.append(max(round(end * 1000) + 1, edges[-1] + 1))  # includes the last line
    earliest, latest = float("inf"), float("-inf")
    try:
        for batch in matches(store, stream, chosen, at_once=_SCAN_RECORDS, budget=budget):
            times = sorted(batch.times)
            earliest, latest = min(earliest, times[0] / 1000), max(latest, times[-1] / 1000)
            add = _add if all(map(eq, batch.times, times)) else _add_each
            add(made, batch, edges)
    except SlowPattern as slow:
        made.stopped = slow.after
    return made, (earliest, latest)


def _span(store: Store, stream: str) -> tuple[float, float]:
    ends = store.read(stream, 0, 0)
    if ends.end < ends.first:
        return 0.0, 0.0
    first, last = store.read(stream, ends.first - 1, 1), store.read(stream, ends.end - 1, 1)
    times = [*first.times, *last.times]
    return min(times) / 1000, max(times) / 1000


def _add_each(made: Summary, batch: Batch, edges: Sequence[int]) -> None:
    """Count a batch with times in any order, record by record."""
    for seq, time, level, source in zip(batch.seqs, batch.times, batch.levels, batch.sources, strict=True):
        if not edges[0] <= time < edges[-1]:
            continue
        bucket = made.buckets[bisect_right(edges, time) - 1]
        bucket.seq = seq if bucket.seq is None else bucket.seq
        for counts in bucket.counts, made.levels:
            counts[LEVELS[level]] += 1
        made.sources[SOURCES[source]] += 1
        if level >= _ERROR_CODE and made.first_error is None:
            made.first_error = seq


def _add(made: Summary, batch: Batch, edges: Sequence[int]) -> None:
    """Count a batch whose times ascend, so a bucket is a slice of it."""
    levels, sources, times = batch.levels, batch.sources, batch.times
    at = bisect_left(times, edges[0])
    number = max(bisect_left(edges, times[at] + 1) - 1, 0) if at < len(batch) else len(edges)
    begin = at
    while number < len(made.buckets) and at < len(batch):
        until = bisect_left(times, edges[number + 1], at)
        if until > at:
            bucket = made.buckets[number]
            bucket.seq = batch.seqs[at] if bucket.seq is None else bucket.seq
            _count(bucket.counts, levels[at:until], LEVELS)
        at, number = until, number + 1
    _count(made.levels, levels[begin:at], LEVELS)
    _count(made.sources, sources[begin:at], SOURCES)
    if made.first_error is None:
        found = [levels.find(bytes([code]), begin, at) for code in range(_ERROR_CODE, len(LEVELS))]
        first = min((i for i in found if i >= 0), default=None)
        made.first_error = None if first is None else batch.seqs[first]


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
    stopped: int | None = None


def spread(store: Store, stream: str, chosen: Filter, buckets: int, budget: Budget | None = None) -> Density:
    """Number of matches in each of `buckets` equal parts of the retained seqs.

    Part i begins at the seq `first + ceil(i * (last - first + 1) / buckets)`.
    """
    ends = store.read(stream, 0, 0)
    size = max(ends.end - ends.first + 1, 1)
    edges = [ends.first + -(-i * size // buckets) for i in range(buckets + 1)]
    counts = [0] * buckets
    stopped = None
    try:
        for batch in matches(store, stream, chosen, at_once=_SCAN_RECORDS, budget=budget):
            cuts = [bisect_left(batch.seqs, edge) for edge in edges]
            cuts[-1] = len(batch)  # records appended meanwhile count in the last part
            for i in range(buckets):
                counts[i] += cuts[i + 1] - cuts[i]
    except SlowPattern as slow:
        stopped = slow.after
    return Density(ends.first, ends.end, counts, stopped)


@dataclass(frozen=True, slots=True)
class Places:
    """The seqs of matches. `next`: the cursor to continue from, None if there are no more."""

    seqs: list[int]
    next: int | None
    stopped: int | None = None


def places(store: Store, stream: str, chosen: Filter, after: int, limit: int, budget: Budget | None = None) -> Places:
    """The next matches after a cursor, at most `limit`. Raises SlowPattern if not even a part was searched."""
    budget = budget or Budget()
    seqs: list[int] = []
    try:
        for batch, found in scan(store, stream, chosen.compile(budget), after, budget=budget):
            seqs += [batch.seqs[i] for i in found[: limit + 1 - len(seqs)]]
            if len(seqs) > limit:
                return Places(seqs[:limit], seqs[limit - 1])
    except SlowPattern as slow:
        if slow.after <= after:
            raise
        return Places(seqs, slow.after, slow.after)
    return Places(seqs, None)
