"""Questions to a store beyond "after a cursor": filters, pages of matches, the last N of them. Server side; no HTTP.

All are functions over `Store.read`. By level, source and step a filter reads the index only; with text it reads the
log. A regular expression has a time limit, since a user's may take for ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import compress

import regex

from ...model.records import LEVELS, SOURCES
from ..disk.batch import Batch, join
from ..disk.layout import STEP_BITS, BadIndex, Unreadable, level_of, source_of
from ..protocol import Store

SCAN = 8192  # records looked at in one read
_TRIES = 5
_TIME_LIMIT = 1.0  # seconds for a regular expression over one batch


class BadPattern(ValueError):
    """A regular expression is malformed."""


class SlowPattern(ValueError):
    """A regular expression takes too long on this log."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records match. None: all do. `level`: that and above, without unknown; `levels`: exactly these.

    `q`: text or /regular expression/ that they hold; `without`: one that they do not.
    """

    level: str | None = None
    levels: frozenset[str] | None = None
    step: str | None = None
    source: str | None = None
    q: str | None = None
    without: str | None = None

    @property
    def empty(self) -> bool:
        """Whether everything matches."""
        return self == Filter()

    @property
    def only_source(self) -> bool:
        """Whether a line's source decides, so that one still being written can be told to match."""
        return replace(self, source=None).empty

    @property
    def reads_texts(self) -> bool:
        """Whether the log must be read for it; for others the index will do."""
        return self.q is not None or self.without is not None

    def compile(self) -> Callable[[Batch], list[int]]:
        """A function from a batch to the positions that match. Raises BadPattern."""
        codes = set(range(len(LEVELS)))
        if self.level is not None:
            codes &= set(range(LEVELS.index(self.level), len(LEVELS))) - {0}
        if self.levels is not None:
            codes &= {LEVELS.index(level) for level in self.levels}
        source = None if self.source is None else SOURCES.index(self.source)
        tests = [(q, _text_test(q), wanted) for q, wanted in ((self.q, True), (self.without, False)) if q is not None]

        def match(batch: Batch) -> list[int]:
            step = None
            if self.step is not None:
                if self.step not in batch.steps:
                    return []
                step = list(batch.steps).index(self.step) + 1
            fits = {
                mark: level_of(mark) in codes and source in (None, source_of(mark)) and step in (None, mark & STEP_BITS)
                for mark in set(batch.marks)
            }
            found = [i for i, mark in enumerate(batch.marks) if fits[mark]]
            end = time.monotonic() + _TIME_LIMIT
            for q, contains, wanted in tests:
                if not found:
                    break
                sure = None if _is_pattern(q) else batch.holding(q, fold=q == q.lower())
                if sure is not None:
                    held = set(sure)
                    found = [i for i in found if (i in held) is wanted]
                    continue
                texts = batch.pick(found).messages
                kept = [contains(text, end - time.monotonic()) is wanted for text in texts]
                found = list(compress(found, kept))
            return found

        return match


def _is_pattern(q: str) -> bool:
    return len(q) > 1 and q.startswith("/") and q.endswith("/")


def _text_test(q: str) -> Callable[[str, float], bool]:
    """`/.../` is a regular expression; else text: a capital in it makes its case matter."""
    if _is_pattern(q):
        try:
            pattern = regex.compile(q[1:-1])
        except regex.error as error:
            raise BadPattern(str(error)) from None

        def search(text: str, limit: float) -> bool:
            try:
                return pattern.search(text, timeout=max(limit, 0.001), concurrent=True) is not None  # without the GIL
            except TimeoutError:
                raise SlowPattern("the regular expression takes too long on this log") from None

        return search
    if q != q.lower():
        return lambda text, _: q in text
    return lambda text, _: q in text.lower()


def matches(
    store: Store, stream: str, chosen: Filter, after: int = 0, *, at_once: int = SCAN, texts: bool = True
) -> Iterator[Batch]:
    """The matches from the cursor to the end as it is now, batch by batch; none is empty.

    `texts`: whether they are wanted; without, a filter that needs none reads the index only.
    """
    match = None if chosen.empty else chosen.compile()
    tries = 0
    while len(batch := store.read(stream, after, at_once)):
        try:
            found = batch if match is None else batch.pick(match(batch))
            if texts and len(found):
                found.loaded()
        except FileNotFoundError:  # retention came in between: what is left is read again
            tries += 1
            if tries > _TRIES:
                raise
            store.read(stream, after, 1)
            continue
        after, tries = batch.last, 0
        if len(found):
            yield found


def count(store: Store, stream: str, chosen: Filter) -> int:
    """How many records match."""
    if chosen.empty:
        ends = store.read(stream, 0, 0)
        return ends.end - ends.first + 1
    return sum(map(len, matches(store, stream, chosen, texts=False)))


def tail_cursor(store: Store, stream: str, chosen: Filter, wanted: int) -> int:
    """The cursor behind which the last `wanted` matches lie (all of them where there are fewer)."""
    ends = store.read(stream, 0, 0)
    if chosen.empty or wanted == 0:
        return max(ends.end - wanted, ends.first - 1)
    match = chosen.compile()
    upto, found = ends.end, 0
    while upto >= ends.first:
        start = after = max(upto - SCAN, ends.first - 1)
        seqs: list[int] = []
        while after < upto and len(batch := store.read(stream, after, upto - after)):
            seqs += [batch.seqs[i] for i in match(batch)]
            after = batch.last
        found += len(seqs)
        if found >= wanted:
            return seqs[found - wanted] - 1
        upto = start
    return ends.first - 1


def behind_unreadable(store: Store, stream: str, after: int) -> int:
    """The cursor behind what cannot be read, where the record after `after` cannot; at worst the stream's end.

    Found in doubling steps, then by halving: what lies between two that cannot be read is taken not to be readable
    either, so that a log of N records costs no more than 2 * log2(N) tries. Raises Unreadable for what passes.
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
        if error.passes:
            raise
        return False
    except BadIndex:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Page:
    """A page of matches. `total`: all in the log; `next`: the cursor behind the page, None if it is the last."""

    batch: Batch
    total: int
    next: int | None


def page(store: Store, stream: str, chosen: Filter, *, after: int, offset: int, limit: int) -> Page:
    """The matches after a cursor, from the `offset`-th of them on. Raises UnknownStream, BadPattern, SlowPattern."""
    ends = store.read(stream, 0, 0)
    skip = offset
    if chosen.empty:  # then the k-th match is simply the k-th record
        after, skip = max(after, ends.first - 1) + offset, 0
    pieces: list[Batch] = []
    room, more = limit, False
    for found in matches(store, stream, chosen, after, at_once=limit + 1 if chosen.empty else SCAN):
        wanted = range(skip, min(skip + room, len(found)))
        skip -= min(skip, len(found))
        more = wanted.stop < len(found)
        if wanted:
            pieces.append(found.pick(wanted))
            room -= len(wanted)
        if more or (room == 0 and found.last < ends.end):
            more = more or next(matches(store, stream, chosen, found.last), None) is not None
            break
    batch = join(pieces, ends)
    return Page(batch, count(store, stream, chosen), batch.last if more and pieces else None)
