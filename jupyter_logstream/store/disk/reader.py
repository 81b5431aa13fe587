"""Reader of a log: pages of records from index and bytes, beside a runner that goes on writing. Server.

Files are opened for each read (microseconds), so retention and deletion need not notify readers. A wrong offset is
never served: index entries are checked against the bytes they point at.
"""

from __future__ import annotations

import json
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import Any

from ...model.records import LEVELS, SOURCES
from ...text.lines import MAX_TEXT_BYTES, OPEN, PART
from ...text.terminal import (
    HEAD_BYTES,
    MAX_REDRAWN_BYTES,
    line_text,
    open_line_text,
    terminal_texts,
)
from ..errors import BadIndex, Unreadable
from ..protocol import LOST as LOST_FIELD
from ..protocol import Messages, Partial, Tally
from .batch import DiskBatch, distinct, uniform
from .batch_cache import BatchCache
from .byte_search import matching_positions
from .folder import is_own
from .index import Index
from .layout import (
    FILES,
    FLAG_SHIFT,
    LOST,
    OUTPUT,
    SEGMENT,
    STEP_BITS,
    extent,
    file_of,
    level_of,
    lost_meta,
    source_of,
    tails_in,
)
from .line_spans import LineSpans
from .running_totals import RunningTotals
from .segments import read_range
from .sidecars import RetainedRange, Steps, read_masked

BATCH_BYTES = 256 * 1024
"""Approximate maximum of a batch as JSON; one record can be longer."""

_RECORD_BYTES = 90  # JSON of a record besides its message

_MIN_CACHED_RECORDS = 100
_ALIGN_SEQS = 10_000  # cached batches end at multiples of it, so readers that began elsewhere share the next one

LOST_FIELDS: Mapping[str, Any] = {LOST_FIELD: True}
UNREADABLE_FIELDS: Mapping[str, Any] = {"unreadable": True}

_BLOCK_ENTRIES = 4096
_NOTE = json.JSONDecoder()
_MAX_READ_BYTES = 32 * 1024 * 1024  # a batch that spans more is read line by line


class LogReader:
    """Reads the log in `folder`. Cheap to create; keeps running totals."""

    def __init__(self, folder: Path, cache: BatchCache) -> None:
        self._folder = folder
        self._cache = cache
        self._index = Index(folder)
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
            load=self._load,
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

    # --- texts --------------------------------------------------------------------------------------------------------

    def _load(self, batch: DiskBatch) -> Messages:
        """The texts of a batch, source by source: lines of one source are adjacent in its file."""
        fields: dict[int, Mapping[str, Any]] = {}
        if batch.metas and uniform(batch.metas):
            return self._texts(file_of(batch.metas[0]), batch, range(len(batch)), fields), fields
        names = [file_of(meta) for meta in batch.metas]
        messages = [""] * len(batch)
        for name in set(names):
            positions = [i for i, other in enumerate(names) if other == name]
            for i, text in zip(positions, self._texts(name, batch, positions, fields), strict=True):
                messages[i] = text
        return messages, fields

    def _texts(
        self, name: str, batch: DiskBatch, positions: Sequence[int], fields: dict[int, Mapping[str, Any]]
    ) -> list[str]:
        whole = len(positions) == len(batch)
        lines = LineSpans(
            batch.offsets if whole else [batch.offsets[i] for i in positions],
            batch.sizes if whole else [batch.sizes[i] for i in positions],
            batch.metas if whole else [batch.metas[i] for i in positions],
        )
        try:
            return self._texts_of(name, batch, positions, lines, fields)
        except Unreadable as error:
            if error.is_temporary or error.is_foreign:
                raise
        lines = self._with_unreadable_marked(name, batch, positions, lines)
        texts = self._texts_of(name, batch, positions, lines, fields)
        for i in lines.unreadable or ():
            texts[i], fields[positions[i]] = texts[i].replace("lost", "unreadable", 1), UNREADABLE_FIELDS
        return texts

    def _with_unreadable_marked(
        self, name: str, batch: DiskBatch, positions: Sequence[int], lines: LineSpans
    ) -> LineSpans:
        """The lines with those in unreadable blocks marked as lost, in the batch too."""
        from ..repair.bad_blocks import unreadable_lines  # noqa: PLC0415 - only after an I/O error

        bad = unreadable_lines(self._folder, name, lines.offsets, lines.sizes)
        self._cache.forget(self._folder.name)  # a later read can succeed
        return replace(self._with_marked(bad, batch, positions, lines), unreadable=bad)

    @staticmethod
    def _with_marked(bad: Sequence[int], batch: DiskBatch, positions: Sequence[int], lines: LineSpans) -> LineSpans:
        """The lines with some of them marked as lost, in the batch too."""
        metas, of_batch = array("Q", lines.metas), array("Q", batch.metas)
        for i in bad:
            metas[i] = of_batch[positions[i]] = lost_meta(metas[i])
        batch.metas = of_batch
        return replace(lines, metas=metas)

    def _texts_of(
        self,
        name: str,
        batch: DiskBatch,
        positions: Sequence[int],
        lines: LineSpans,
        fields: dict[int, Mapping[str, Any]],
    ) -> list[str]:
        consecutive = isinstance(batch.seqs, range)
        if name != "notes" and lines.are_plain() and lines.unreadable is None:
            return self._plain_texts(name, lines, batch.seqs[positions[0]])
        if consecutive and not lines.are_adjacent():
            raise self._mismatch(name)
        bodies = self._bodies(name, lines)
        if name != "notes":
            texts = [line_text(*body) for body in bodies]
        else:
            notes = [_read_note(body) for body, _, _ in bodies]
            if damaged := [i for i, note in enumerate(notes) if not note]:
                lines = self._with_marked(damaged, batch, positions, lines)
            fields.update((i, note["fields"]) for i, note in zip(positions, notes, strict=True) if "fields" in note)
            texts = [note.get("message", "") for note in notes]
        for i, text in lines.lost(name):
            texts[i], fields[positions[i]] = text, LOST_FIELDS
        return texts

    def _plain_texts(self, name: str, lines: LineSpans, seq: int) -> list[str]:
        """The common case, in C: adjacent whole lines without a CR."""
        start = lines.start
        before = 1 if start % SEGMENT else 0  # the byte before it must be a line end
        data = read_range(self._folder, name, start - before, lines.end)
        if before and data[:1] != b"\n" and not self._follows_part(name, seq):
            raise self._mismatch(name)
        texts = terminal_texts(data[before:].decode("utf-8", "replace"))
        if len(texts) != len(lines.sizes) + 1 or texts.pop():
            raise self._mismatch(name)
        return texts

    def _follows_part(self, name: str, seq: int) -> bool:
        """Whether the record before `seq` in its file is a part; True if none is within reach."""
        after = min(max(seq - 1 - _BLOCK_ENTRIES, RetainedRange.read(self._folder).first - 1), seq - 1)
        words = self._index.read(after, seq - 1 - after)
        for meta in reversed(words[3::4]):
            if file_of(meta) == name:
                return bool(meta >> FLAG_SHIFT & (PART | LOST))
        return True

    def _bodies(self, name: str, lines: LineSpans) -> list[tuple[bytes, bytes, bytes]]:
        """The arguments of `line_text` for each line; for notes only the first is of use."""
        start, end = lines.start, lines.end
        at_once = end - start <= _MAX_READ_BYTES and lines.unreadable is None
        data = read_range(self._folder, name, start, end) if at_once else b""

        def read(begin: int, stop: int) -> bytes:
            return data[begin - start : stop - start] if at_once else read_range(self._folder, name, begin, stop)

        bodies: list[tuple[bytes, bytes, bytes]] = []
        for offset, size, meta in zip(lines.offsets, lines.sizes, lines.metas, strict=True):
            if meta >> FLAG_SHIFT & LOST:
                bodies.append((b"", b"", b""))
                continue
            length, tail = size & 0xFFFFFFFF, size >> 32
            begin = offset + length - tail
            stop = (
                begin + min(tail, MAX_TEXT_BYTES + 2) if name != "notes" else begin + tail
            )  # a million CRs can follow the text
            body = read(begin, stop)
            ended = stop < begin + tail or meta >> FLAG_SHIFT & (PART | OPEN) or body[-1:] == b"\n"
            if len(body) != stop - begin or tail > length or not ended:
                raise self._mismatch(name)
            before = read(max(offset, begin - MAX_REDRAWN_BYTES), begin) if begin > offset else b""
            head = read(offset, offset + HEAD_BYTES) if begin - offset > MAX_REDRAWN_BYTES else b""
            bodies.append((body, before, head))
        return bodies

    def _mismatch(self, name: str) -> BadIndex:
        return BadIndex(f"the index of {self._folder.name} does not match its {name}")

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


def _read_note(body: bytes) -> dict[str, Any]:
    """The published record in a line of `notes`; {} if its bytes are damaged."""
    try:
        note = _NOTE.decode(body.decode())
    except (ValueError, RecursionError):
        note = None
    return note if isinstance(note, dict) and isinstance(note.get("message"), str) else {}


def _within(words: array[int], budget: int) -> int:
    """How many of the entries' lines fit the budget; at least one."""
    tails = tails_in(words)
    if sum(tails) + len(tails) * _RECORD_BYTES <= budget:
        return len(tails)
    so_far = list(accumulate(tails))
    fits = bisect_right(range(len(tails)), budget, key=lambda i: so_far[i] + (i + 1) * _RECORD_BYTES)
    return max(fits, 1)
