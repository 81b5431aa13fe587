"""Pages of the matching records of a stream, with the number of all matches. Server; no HTTP."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from ...model.records import Record
from ..errors import BadIndex, Unreadable
from ..protocol import Batch, Store
from .budget import Budget, SlowPattern
from .filters import Filter, behind_unreadable, scan

MAX_PAGE_BYTES = 4 << 20
"""Text of one page: a page of long lines ends before its limit, and `next` continues it."""

PAGE_BEHIND_DAMAGE = 100
"""Records at most of a page that begins behind damage of a log that is being written."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of matches. `total`: matches in the whole log; `next`: the cursor behind the page, None at the end.

    `stopped`: the last line that was searched, if the query ran out of processor time; what follows is not in `total`.
    """

    batches: Sequence[Batch]
    total: int
    next: int | None
    stopped: int | None = None

    def records(self) -> list[Record]:
        """The records as values. Raises FileNotFoundError, BadIndex, Unreadable."""
        return [record for batch in self.batches for record in batch.records()]

    def encode(self) -> bytes:
        """The records as items of a JSON array, without its brackets. Raises as `records` does."""
        return b",".join(batch.encode() for batch in self.batches)


def page(
    store: Store, stream: str, chosen: Filter, *, after: int, offset: int, limit: int, budget: Budget | None = None
) -> Page:
    """At most `limit` matches and MAX_PAGE_BYTES of text after a cursor, skipping `offset` matches; texts are loaded.

    A query that runs out of processor time returns what it has, if that is more than nothing. Raises UnknownStream,
    BadPattern, SlowPattern, SearchCancelled, BadIndex, Unreadable.
    """
    if chosen.empty:
        return _readable_page(store, stream, after, offset, limit)
    budget = budget or Budget()
    match, made, before = chosen.compile(budget), _PageBuilder(offset, limit), 0
    try:
        for _ in scan(store, stream, lambda batch: made.add(batch, match(batch)), after, budget=budget):
            pass  # to the end, for the total
    except SlowPattern as slow:
        if slow.after <= after:
            raise
        return Page(made.batches, made.total, made.last if made.has_more else slow.after, slow.after)
    following = made.last if made.has_more else None
    try:
        for batch, found in scan(store, stream, match, budget=budget) if after else ():
            before += bisect_right(found, after, key=batch.seqs.__getitem__)
            if batch.last >= after:
                break
    except SlowPattern as slow:
        return Page(made.batches, before + made.total, following, slow.after)
    return Page(made.batches, before + made.total, following)


def _readable_page(store: Store, stream: str, after: int, offset: int, limit: int) -> Page:
    """The page, shorter if a log that is being written is damaged: it ends in front of the damage, or begins behind it.

    Such a log is repaired when its writer has ended. Raises Unreadable, and BadIndex if nothing follows the damage.
    """
    while True:
        try:
            return _page_of_all(store, stream, after, offset, limit)
        except Unreadable:
            raise
        except BadIndex:
            if limit > 1:
                limit //= 2
                continue
            at = max(after, store.read(stream, 0, 0).first - 1) + offset
            behind = behind_unreadable(store, stream, at)
            if behind >= store.read(stream, 0, 0).end:
                raise
            after, offset, limit = behind, 0, PAGE_BEHIND_DAMAGE


def _page_of_all(store: Store, stream: str, after: int, offset: int, limit: int) -> Page:
    """Without a filter the k-th match is the k-th record. No record behind the page is read: it can be damaged."""
    ends = store.read(stream, 0, 0)
    after = max(after, ends.first - 1) + offset
    made = _PageBuilder(0, limit)
    for _ in scan(store, stream, lambda batch: made.add(batch, range(len(batch))), after, at_once=limit):
        if made.is_full or made.has_more:
            break
    has_more = made.has_more or (made.is_full and made.last < ends.end)
    return Page(made.batches, ends.end - ends.first + 1, made.last if has_more else None)


class _PageBuilder:
    """Takes the matches of successive batches; counts all, and loads those of the page."""

    def __init__(self, skip: int, limit: int) -> None:
        self._skip, self._capacity, self._capacity_bytes = skip, limit, MAX_PAGE_BYTES
        self.batches: list[Batch] = []
        self.total = 0
        self.has_more = False

    @property
    def is_full(self) -> bool:
        """Whether the page has `limit` records."""
        return not self._capacity

    @property
    def last(self) -> int:
        """The seq of the page's last record. Only with a page that has records."""
        return self.batches[-1].last

    def add(self, batch: Batch, found: Sequence[int]) -> None:
        """Add the next matches, given by position. Raises as `Batch.loaded` does, and changes nothing then."""
        skipped = min(self._skip, len(found))
        if not self.has_more and skipped < len(found):
            fitting = self._fitting(batch.pick(found[skipped : skipped + self._capacity]))
            if len(fitting):
                fitting.loaded()
                self.batches.append(fitting)
                self._capacity -= len(fitting)
                self._capacity_bytes -= sum(fitting.text_bytes)
            self.has_more = len(fitting) < len(found) - skipped
        self.total += len(found)
        self._skip -= skipped

    def _fitting(self, batch: Batch) -> Batch:
        """The first records whose texts fit into the page; at least one, if it is the page's first."""
        sizes = batch.text_bytes
        if sum(sizes) <= self._capacity_bytes:
            return batch
        number = max(bisect_right(list(accumulate(sizes)), self._capacity_bytes), 0 if self.batches else 1)
        return batch.pick(range(number))
