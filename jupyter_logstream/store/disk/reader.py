"""Reader of a log: pages of records from index and bytes, beside a runner that goes on writing. Server.

Files are opened for each read (microseconds), so retention and deletion need not notify readers.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import accumulate
from pathlib import Path
from threading import Lock

from ...model.records import LEVELS, SOURCES
from ...text.lines import MAX_TEXT_BYTES
from ...text.terminal import HEAD_BYTES, open_line_text
from ..errors import BadIndex
from ..protocol import Partial, Tally
from .batch import DiskBatch, distinct
from .batch_cache import BatchCache
from .byte_search import matching_positions
from .files import is_own
from .index import Index
from .layout import FILES, OUTPUT, STEP_BITS, extent, file_of, level_of, source_of, tails_in
from .line_texts import LineTexts
from .running_totals import RunningTotals
from .segments import read_range
from .sidecars import RetainedRange, Steps, read_masked

BATCH_BYTES = 256 * 1024
"""Approximate maximum of a batch as JSON; one record can be longer."""

_RECORD_BYTES = 90  # JSON of a record besides its message

_MIN_CACHED_RECORDS = 100
_ALIGN_SEQS = 10_000  # cached batches end at multiples of it, so readers that began elsewhere share the next one

_BLOCK_ENTRIES = 4096


class LogReader:
    """Reads the log in `folder`. Cheap to create; keeps running totals."""

    def __init__(self, folder: Path, cache: BatchCache) -> None:
        self._folder = folder
        self._cache = cache
        self._index = Index(folder)
        self._texts = LineTexts(folder, self._index, partial(cache.forget, folder.name))
        self._counting = Lock()
        self._counted = 0
        self._totals = RunningTotals()

    def read(self, after: int, limit: int, budget: int = BATCH_BYTES) -> DiskBatch:
        """At most `limit` records after `after`, of about `budget` bytes. Raises FileNotFoundError, BadIndex."""
        closed = is_own(self._folder / "end")  # before the count, so that no record is missed
        end = self._index.count()
        first = RetainedRange.read(self._folder).first if end else 1
        after = max(after, first - 1)
        cacheable = budget <= BATCH_BYTES and limit >= _MIN_CACHED_RECORDS
        if cacheable:
            limit = min(limit, _ALIGN_SEQS - after % _ALIGN_SEQS)
            if cached := self._cache.get(self._folder.name, after, limit, end):
                return cached.seen_at(first, end, closed=closed)
        words = self._index.read(after, min(limit, end - after)) if after < end and limit > 0 else array("Q")
        fit = _within(words, budget)
        batch = DiskBatch(
            seqs=range(after + 1, after + 1 + fit),
            times=words[1 : 4 * fit : 4],
            metas=words[3 : 4 * fit : 4],
            load=self._texts.load,
            steps=Steps(self._folder).names if self._has_steps(words[3::4]) else (),
            first=first,
            end=end,
            closed=closed,
            tally=self.tally,
            partials=self.partials,
            offsets=words[0 : 4 * fit : 4],
            sizes=words[2 : 4 * fit : 4],
            search=partial(matching_positions, self._folder),
        )
        if cacheable and fit:
            self._cache.add(self._folder.name, after, limit, batch)
        return batch

    def _has_steps(self, metas: array[int]) -> bool:
        """Whether any entry has a step. Raises BadIndex for an unknown level or source."""
        kinds = distinct(metas)
        if any(level_of(meta) >= len(LEVELS) or source_of(meta) >= len(SOURCES) for meta in kinds):
            raise BadIndex(f"the index of {self._folder.name} has an unknown level or source")
        return any(meta & STEP_BITS for meta in kinds)

    # --- totals -------------------------------------------------------------------------------------------------------

    def tally(self) -> Tally:
        """Totals of the log; counts only entries that are new."""
        with self._counting:  # scans run in threads
            self._update_totals()
            levels, timeline, lines = self._totals.by_level(), self._totals.timeline, self._counted
            steps = timeline.steps(dict(enumerate(Steps(self._folder).names, 1))) if timeline else ()
        output = sum(extent(self._folder, name)[1] for name in OUTPUT)
        return Tally(lines, output, levels, read_masked(self._folder), steps)

    def partials(self) -> list[Partial]:
        """Unfinished lines: the bytes behind the last indexed line of each source."""
        try:
            return list(self._unfinished_lines(self._last_ends()))
        except FileNotFoundError:  # deleted meanwhile: the next read raises
            return []

    def _unfinished_lines(self, ends: Mapping[str, int]) -> Iterator[Partial]:
        for name in OUTPUT:
            size, start = extent(self._folder, name)[1], ends[name]
            if size > start:
                begin = max(start, size - MAX_TEXT_BYTES - 2)
                body = read_range(self._folder, name, begin, size)
                # A line that ended meanwhile becomes a record; the unfinished line is behind it.
                ended = body.rfind(b"\n") + 1
                body = body[ended:]
                head = read_range(self._folder, name, start, start + HEAD_BYTES) if begin > start and not ended else b""
                if body:
                    yield Partial(name, open_line_text(body, head), b"\r" in body)

    def covers(self) -> bool:
        """Whether the index covers all bytes, as that of an ended log must."""
        ends = self._last_ends()
        return all(extent(self._folder, name)[1] == ends[name] for name in FILES)

    def _last_ends(self) -> dict[str, int]:
        """Where the last indexed line of each file ends; searched backwards."""
        retained = RetainedRange.read(self._folder)
        ends: dict[str, int] = {}
        before = self._index.count()
        wanted = [name for name in FILES if extent(self._folder, name)[1]]
        while before >= retained.first and len(ends) < len(wanted):
            after = max(before - _BLOCK_ENTRIES, retained.first - 1)
            words = self._index.read(after, before - after)
            for i in range(len(words) - 4, -1, -4):
                name = file_of(words[i + 3])
                if name not in ends:
                    ends[name] = words[i] + (words[i + 2] & 0xFFFFFFFF)
                    if len(ends) == len(wanted):
                        break
            before = after
        return {name: ends.get(name, retained.ends.get(name, 0)) for name in FILES}

    def _update_totals(self) -> None:
        first = RetainedRange.read(self._folder).first
        if self._counted < first - 1:
            self._totals.skip(first - 1 - self._counted)
            self._counted = first - 1
        end = self._index.count()
        while self._counted < end:
            words = self._index.read(self._counted, min(end - self._counted, 1 << 16))
            if not words:
                return
            self._totals.add(words)
            self._counted += len(words) // 4


def _within(words: array[int], budget: int) -> int:
    """How many of the entries' lines fit the budget; at least one."""
    tails = tails_in(words)
    if sum(tails) + len(tails) * _RECORD_BYTES <= budget:
        return len(tails)
    so_far = list(accumulate(tails))
    fits = bisect_right(range(len(tails)), budget, key=lambda i: so_far[i] + (i + 1) * _RECORD_BYTES)
    return max(fits, 1)
