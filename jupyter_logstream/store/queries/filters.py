"""Filters over a stream: matches, pages of matches, the last N matches. Server; no HTTP.

All are functions over `Store.read`. A filter by level, source or step reads only the index; one with text reads the
log. A regular expression has a time limit, because a pattern can take exponential time.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, compress
from typing import TypeVar

import regex

from ...model.records import LEVELS, SOURCES, Record
from ..errors import BadIndex, Unreadable
from ..protocol import Batch, Store
from .budget import Budget, SlowPattern

SCAN_RECORDS = 8192
"""Records per read of a filter with text; bounds the memory of a scan."""

MAX_PAGE_BYTES = 4 << 20
"""Text of one page: a page of long lines ends before its limit, and `next` continues it."""

_MAX_RETRIES = 5
_REPAIRED_RECORDS = 2000
_PATTERN_LIMIT_S = 1.0  # for a regular expression over one batch


Found = TypeVar("Found")


class BadPattern(ValueError):
    """A regular expression is malformed."""


@dataclass(frozen=True, slots=True)
class Filter:
    """The records to match; None matches all. `level`: this level and above, not unknown; `levels`: exactly these.

    `q`: text or /regular expression/ that the message contains; `without`: one that it does not contain.
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

    def compile(self) -> Callable[[Batch], list[int]]:
        """A function from a batch to the positions that match. Raises BadPattern; the function SlowPattern."""
        codes = set(range(len(LEVELS)))
        if self.level is not None:
            codes &= set(range(LEVELS.index(self.level), len(LEVELS))) - {0}
        if self.levels is not None:
            codes &= {LEVELS.index(level) for level in self.levels}
        source = None if self.source is None else SOURCES.index(self.source)
        tests = [(q, _text_test(q), wanted) for q, wanted in ((self.q, True), (self.without, False)) if q is not None]

        def match(batch: Batch) -> list[int]:
            found = batch.matching(codes, source, self.step)
            end = time.monotonic() + _PATTERN_LIMIT_S
            for q, contains, wanted in tests:
                if not found:
                    break
                exact = None if _is_pattern(q) else batch.holding(q, fold=q == q.lower())
                if exact is not None:
                    hits = set(exact)
                    found = [i for i in found if (i in hits) is wanted]
                    continue
                texts = batch.pick(found).messages
                found = list(compress(found, [contains(text, end - time.monotonic()) is wanted for text in texts]))
            return found

        return match


def _is_pattern(q: str) -> bool:
    return len(q) > 1 and q.startswith("/") and q.endswith("/")


def _text_test(q: str) -> Callable[[str, float], bool]:
    """Smart case: `/.../` is a regular expression; a text with a capital letter is matched with its case."""
    if _is_pattern(q):
        try:
            pattern = regex.compile(q[1:-1])
        except (regex.error, RecursionError, OverflowError) as error:
            raise BadPattern(str(error)) from None

        def search(text: str, limit: float) -> bool:
            try:
                return pattern.search(text, timeout=max(limit, 0.001), concurrent=True) is not None  # releases the GIL
            except TimeoutError:
                raise SlowPattern("the regular expression takes too long on this log") from None

        return search
    if q != q.lower():
        return lambda text, _: q in text
    return lambda text, _: q in text.lower()


def matches(
    store: Store,
    stream: str,
    chosen: Filter,
    after: int = 0,
    *,
    at_once: int = SCAN_RECORDS,
    texts: bool = True,
    budget: Budget | None = None,
) -> Iterator[Batch]:
    """The matches from the cursor to the current end, in non-empty batches of `at_once` records read.

    `texts`: whether the caller needs the messages; False lets a filter without text read only the index. Raises
    UnknownStream, BadIndex, Unreadable, SlowPattern, SearchCancelled.
    """
    match = None if chosen.empty else chosen.compile()
    budget = budget or Budget()

    def pick(batch: Batch) -> Batch:
        found = batch if match is None else batch.pick(match(batch))
        if texts and len(found):
            found.loaded()
        return found

    while found := _scan(store, stream, after, at_once, pick):
        after = found[0].last
        budget.check(after)
        if len(found[1]):
            yield found[1]


def _scan(
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


def count(store: Store, stream: str, chosen: Filter, budget: Budget | None = None) -> int:
    """The number of records that match."""
    if chosen.empty:
        ends = store.read(stream, 0, 0)
        return ends.end - ends.first + 1
    return sum(map(len, matches(store, stream, chosen, texts=False, budget=budget)))


def tail_cursor(store: Store, stream: str, chosen: Filter, wanted: int, budget: Budget | None = None) -> int:
    """The cursor before the last `wanted` matches (before all, if there are fewer)."""
    ends = store.read(stream, 0, 0)
    if chosen.empty or wanted == 0:
        return max(ends.end - wanted, ends.first - 1)
    match = chosen.compile()
    budget = budget or Budget()
    upto, found = ends.end, 0
    while upto >= ends.first:
        start = after = max(upto - SCAN_RECORDS, ends.first - 1)
        seqs: list[int] = []
        while after < upto and (scanned := _scan(store, stream, after, upto - after, match)):
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


@dataclass(frozen=True, slots=True)
class Page:
    """A page of matches. `total`: matches in the whole log; `next`: the cursor behind the page, None at the end."""

    batches: Sequence[Batch]
    total: int
    next: int | None

    def records(self) -> list[Record]:
        """The records as values. Raises FileNotFoundError, BadIndex, Unreadable."""
        return [record for batch in self.batches for record in batch.records()]

    def encode(self) -> bytes:
        """The records as items of a JSON array, without its brackets. Raises as `records` does."""
        return b",".join(batch.encode() for batch in self.batches)


def page(
    store: Store, stream: str, chosen: Filter, *, after: int, offset: int, limit: int, budget: Budget | None = None
) -> Page:
    """At most `limit` matches and MAX_PAGE_BYTES of text after a cursor, skipping `offset` matches.

    Raises UnknownStream, BadPattern, SlowPattern, SearchCancelled, BadIndex, Unreadable.
    """
    budget = budget or Budget()
    ends = store.read(stream, 0, 0)
    skip = offset
    if chosen.empty:  # the k-th match is the k-th record
        after, skip = max(after, ends.first - 1) + offset, 0
    batches: list[Batch] = []
    capacity, capacity_bytes, more = limit, MAX_PAGE_BYTES, False
    at_once = limit + 1 if chosen.empty else SCAN_RECORDS
    for found in matches(store, stream, chosen, after, at_once=at_once, budget=budget):
        wanted = range(skip, min(skip + capacity, len(found)))
        skip -= min(skip, len(found))
        wanted, size = _fitting(found, wanted, capacity_bytes, at_least=0 if batches else 1)
        capacity_bytes -= size
        more = wanted.stop < len(found)
        if wanted:
            batches.append(found.pick(wanted))
            capacity -= len(wanted)
        if more or (capacity == 0 and found.last < ends.end):
            # Only a filter with text needs texts to know whether more follows.
            more = more or chosen.empty or _has_more(store, stream, chosen, found.last, budget)
            break
    return Page(batches, count(store, stream, chosen, budget), batches[-1].last if more and batches else None)


def _has_more(store: Store, stream: str, chosen: Filter, after: int, budget: Budget) -> bool:
    return next(matches(store, stream, chosen, after, texts=False, budget=budget), None) is not None


def _fitting(batch: Batch, wanted: range, capacity_bytes: int, at_least: int) -> tuple[range, int]:
    """The first of the wanted positions whose texts fit, but `at_least` so many; and the bytes of their texts."""
    sizes = batch.text_bytes[wanted.start : wanted.stop]
    if (size := sum(sizes)) <= capacity_bytes:
        return wanted, size
    ends = list(accumulate(sizes))
    fitting = max(bisect_right(ends, capacity_bytes), at_least)
    return range(wanted.start, wanted.start + fitting), ends[fitting - 1] if fitting else 0
