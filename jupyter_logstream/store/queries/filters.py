"""Filters over a stream: matches, their number, the last N matches. Server; no HTTP.

All are functions over `Store.read`. A filter by level, source or step reads only the index; one with text searches the
log's bytes in blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from ...model.records import LEVELS, SOURCES
from ..errors import BadIndex, Unreadable
from ..pattern import Check, Pattern
from ..protocol import Batch, Store
from .budget import Budget

SCAN_RECORDS = 1 << 16
"""Records per read of a scan, which is bounded in bytes too; between two reads a query can be cancelled."""

_MAX_RETRIES = 5
_REPAIRED_RECORDS = 2000
_SPARSE = 8  # if less than one record in 8 of a batch is left, only those are searched

Match = Callable[[Batch], Sequence[int]]
"""From a batch to the positions that match. Raises what `Batch.loaded` raises."""

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Filter:
    """The records to match; None matches all. `level`: this level and above, not unknown; `levels`: exactly these.

    `q`: text or /regular expression/ that the message contains; `without`: one that it does not contain. Both match the
    text without styles; see `Pattern`.
    """

    level: str | None = None
    levels: frozenset[str] | None = None
    step: str | None = None
    source: str | None = None
    q: str | None = None
    without: str | None = None

    @property
    def empty(self) -> bool:
        """Whether every record matches."""
        return self == Filter()

    @property
    def only_source(self) -> bool:
        """Whether only the source is filtered, so that a match of an unfinished line is known already."""
        return replace(self, source=None).empty

    @property
    def reads_texts(self) -> bool:
        """Whether matching needs texts; otherwise the index is enough."""
        return self.q is not None or self.without is not None

    def compile(self, budget: Budget | None = None) -> Match:
        """The function that matches, within the budget. Raises BadPattern."""
        codes = set(range(len(LEVELS)))
        if self.level is not None:
            codes &= set(range(LEVELS.index(self.level), len(LEVELS))) - {0}
        if self.levels is not None:
            codes &= {LEVELS.index(level) for level in self.levels}
        source = None if self.source is None else SOURCES.index(self.source)
        tests = [(Pattern(q), wanted) for q, wanted in ((self.q, True), (self.without, False)) if q is not None]

        def match(batch: Batch) -> Sequence[int]:
            found = batch.matching(codes, source, self.step)
            check = _no_check if budget is None or not found else partial(budget.check, batch.seqs[0] - 1)
            for pattern, wanted in tests:
                found = _tested(batch, found, pattern, check, wanted=wanted)
            return found

        return match


def _no_check() -> None:
    """Without a budget a search ends by itself."""


def _tested(batch: Batch, found: Sequence[int], pattern: Pattern, check: Check, *, wanted: bool) -> Sequence[int]:
    """Those of the positions whose text contains the pattern, or does not."""
    if not found:
        return found
    hits: Sequence[int]
    if len(found) * _SPARSE < len(batch):
        hits = [found[i] for i in batch.pick(found).holding(pattern, check)]
    else:
        hits = batch.holding(pattern, check)
    if wanted and len(found) == len(batch):
        return hits
    contained = set(hits)
    return [i for i in found if (i in contained) is wanted]


def scan(
    store: Store,
    stream: str,
    use: Callable[[Batch], Found],
    after: int = 0,
    *,
    at_once: int = 0,
    budget: Budget | None = None,
) -> Iterator[tuple[Batch, Found]]:
    """Each batch from the cursor to the current end, and what `use` makes of it.

    `at_once`: records per read, default SCAN_RECORDS. Raises UnknownStream, BadIndex, Unreadable, SlowPattern,
    SearchCancelled, and what `use` raises.
    """
    budget = budget or Budget()
    while True:
        budget.check(after)
        scanned = _read(store, stream, after, at_once or SCAN_RECORDS, use)
        if scanned is None:
            return
        yield scanned
        after = scanned[0].last


def _read(
    store: Store, stream: str, after: int, at_once: int, use: Callable[[Batch], Found]
) -> tuple[Batch, Found] | None:
    """The next batch and what `use` makes of it; None at the end. Both again if texts cannot be loaded at first.

    Raises what `use` raises.
    """
    attempts = 0
    while len(batch := store.read(stream, after, at_once)):
        attempts += 1
        try:
            return batch, use(batch)
        except FileNotFoundError:  # retention removed the segment meanwhile: read again what is left
            if attempts > _MAX_RETRIES:
                raise
            store.read(stream, after, 1)
        except BadIndex as error:
            if attempts > _MAX_RETRIES or isinstance(error, Unreadable):
                raise
            for at in range(after, batch.last, _REPAIRED_RECORDS):  # reads of this size repair the log
                store.read(stream, at, _REPAIRED_RECORDS)
    return None


def matches(
    store: Store, stream: str, chosen: Filter, after: int = 0, *, at_once: int = 0, budget: Budget | None = None
) -> Iterator[Batch]:
    """The matches from the cursor to the current end, in non-empty batches whose texts are not loaded; see `scan`."""
    budget = budget or Budget()
    for batch, found in scan(store, stream, chosen.compile(budget), after, at_once=at_once, budget=budget):
        if found:
            yield batch if len(found) == len(batch) else batch.pick(found)


def count(store: Store, stream: str, chosen: Filter, budget: Budget | None = None) -> int:
    """The number of records that match."""
    if chosen.empty:
        ends = store.read(stream, 0, 0)
        return ends.end - ends.first + 1
    budget = budget or Budget()
    return sum(len(found) for _, found in scan(store, stream, chosen.compile(budget), budget=budget))


def tail_cursor(store: Store, stream: str, chosen: Filter, wanted: int, budget: Budget | None = None) -> int:
    """The cursor before the last `wanted` matches (before all, if there are fewer)."""
    ends = store.read(stream, 0, 0)
    if chosen.empty or wanted == 0:
        return max(ends.end - wanted, ends.first - 1)
    budget = budget or Budget()
    match = chosen.compile(budget)
    upto, found = ends.end, 0
    while upto >= ends.first:
        start = after = max(upto - SCAN_RECORDS, ends.first - 1)
        seqs: list[int] = []
        while after < upto and (scanned := _read(store, stream, after, upto - after, match)):
            budget.check(after)
            batch, hits = scanned
            seqs += [batch.seqs[i] for i in hits]
            after = batch.last
        found += len(seqs)
        if found >= wanted:
            return seqs[found - wanted] - 1
        upto = start
    return ends.first - 1


def behind_unreadable(store: Store, stream: str, after: int) -> int:
    """The cursor behind an unreadable range that begins after `after`; at worst the end of the stream.

    Found in doubling steps, then by bisection: records between two unreadable ones are assumed to be unreadable too, so
    a log of N records costs at most 2 * log2(N) reads. Raises Unreadable if the error is temporary.
    """
    end = store.read(stream, 0, 0).end
    bad, good, step = after + 1, end + 1, 1
    while bad < end:
        seq = min(bad + step, end)
        if _readable(store, stream, seq):
            good = seq
            break
        bad, step = seq, 2 * step
    while good - bad > 1:
        middle = (bad + good) // 2
        if _readable(store, stream, middle):
            good = middle
        else:
            bad = middle
    return min(bad, end)


def _readable(store: Store, stream: str, seq: int) -> bool:
    try:
        store.read(stream, seq - 1, 1)
    except Unreadable as error:
        if error.is_temporary:
            raise
        return False
    except BadIndex:
        return False
    return True
