"""What a log comes to at a glance: counts per level over time, matches over its length, the first error. Server side.

One pass over the index for a filter that needs no text, so that ten million lines take about a second, in a thread. All
are functions over `query.matches`; this file must not know who draws what.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...model.records import LEVELS, SOURCES
from ..disk.batch import Batch
from ..disk.layout import LEVEL_SHIFT, SOURCE_SHIFT
from ..protocol import Store
from .filters import Filter, matches

_AT_ONCE = 1 << 16
_ERROR = LEVELS.index("error")


@dataclass(slots=True)
class Bucket:
    """The matches of a stretch of time. `ts`: where it begins, Unix ms; `seq`: of its first match."""

    ts: float
    seq: int | None = None
    counts: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """As it is served; levels that do not occur are left out."""
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
        """How many match."""
        return self.levels.total()


def summarize(
    store: Store, stream: str, chosen: Filter, buckets: int, start: float | None = None, end: float | None = None
) -> Summary:
    """The matches between two times (by default: of the whole log), in `buckets` equal stretches.

    Raises UnknownStream, BadPattern, SlowPattern.
    """
    first, last = _span(store, stream)
    start, end = first if start is None else start, last if end is None else end
    width = max((end - start) / buckets, 0.001)
    made = Summary(start, end, width, [Bucket(start + i * width) for i in range(buckets)])
    edges = [round((start + i * width) * 1000) for i in range(buckets)]
    edges.append(max(round(end * 1000) + 1, edges[-1] + 1))  # the last line is in it
    for batch in matches(store, stream, chosen, at_once=_AT_ONCE, texts=False):
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
    """Count a batch. Its times ascend (unless the clock was set back), so a bucket is a slice of it."""
    levels, sources = _byte(batch.marks, LEVEL_SHIFT), _byte(batch.marks, SOURCE_SHIFT)
    at = bisect_left(batch.times, edges[0])
    number = max(bisect_left(edges, batch.times[at] + 1) - 1, 0) if at < len(batch) else len(edges)
    begin = at
    while number < len(made.buckets) and at < len(batch):
        until = bisect_left(batch.times, edges[number + 1], at)
        if until > at:
            bucket = made.buckets[number]
            bucket.seq = batch.seqs[at] if bucket.seq is None else bucket.seq
            _count(bucket.counts, levels[at:until], LEVELS)
        at, number = until, number + 1
    _count(made.levels, levels[begin:at], LEVELS)
    _count(made.sources, sources[begin:at], SOURCES)
    if made.first_error is None:
        found = [i for i in (levels.find(bytes([code]), begin, at) for code in range(_ERROR, len(LEVELS))) if i >= 0]
        made.first_error = batch.seqs[min(found)] if found else None


def _count(counts: Counter[str], codes: bytes, names: Sequence[str]) -> None:
    for code, name in enumerate(names):
        if found := codes.count(code):
            counts[name] += found


def _byte(marks: Sequence[int], shift: int) -> bytes:
    """One byte of each mark, in a column that C can count."""
    at = shift // 8 if sys.byteorder == "little" else 7 - shift // 8
    return array("Q", marks).tobytes()[at::8]


@dataclass(frozen=True, slots=True)
class Marks:
    """How many matches lie in each equal part of a log. `first`, `last`: the seqs that the parts are cut from."""

    first: int
    last: int
    counts: list[int]


def spread(store: Store, stream: str, chosen: Filter, buckets: int) -> Marks:
    """How many matches lie in each of `buckets` equal parts of the log's length (what retention has left of it).

    Part i begins at the seq `first + ceil(i * (last - first + 1) / buckets)`.
    """
    ends = store.read(stream, 0, 0)
    size = max(ends.end - ends.first + 1, 1)
    edges = [ends.first + -(-i * size // buckets) for i in range(buckets + 1)]
    counts = [0] * buckets
    for batch in matches(store, stream, chosen, at_once=_AT_ONCE, texts=False):
        cuts = [bisect_left(batch.seqs, edge) for edge in edges]
        cuts[-1] = len(batch)  # what came meanwhile is the last part's
        for i in range(buckets):
            counts[i] += cuts[i + 1] - cuts[i]
    return Marks(ends.first, ends.end, counts)


def places(store: Store, stream: str, chosen: Filter, after: int, limit: int) -> tuple[list[int], int | None]:
    """The seqs of the next matches after a cursor, at most `limit`, and the cursor to go on from (None: no more)."""
    found: list[int] = []
    for batch in matches(store, stream, chosen, after, texts=False):
        found += batch.seqs[: limit + 1 - len(found)]
        if len(found) > limit:
            return found[:limit], found[limit - 1]
    return found, None
