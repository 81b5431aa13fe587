"""Reads a log: pages of records from index and bytes. Server side, beside a runner that goes on writing.

Open files are not kept: opening costs microseconds, and nothing has to be told when retention or deletion takes a
segment. A wrong offset is never served: what the index says is checked against the bytes it points at. This file must
not know workloads, HTTP or who waits for news.
"""

from __future__ import annotations

import json
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import Any

from ...model.records import LEVELS, SOURCES
from ...text.lines import CR, LONGEST_TEXT, OPEN, PART, clean, final_text
from ..errors import BadIndex, Unreadable
from ..protocol import Messages, Partial, Tally
from .batch import DiskBatch, distinct, uniform
from .batch_cache import Recent
from .byte_search import holding
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
    lost,
    source_of,
    tails_in,
)
from .running_totals import Count
from .segments import read_range, unreadable
from .sidecars import Kept, Steps, read_masked

BATCH_BYTES = 256 * 1024
"""About how many bytes a batch holds at most, as JSON (one record may be longer)."""

_RECORD_BYTES = 90  # what a record's JSON takes beside its message

_SHARED = 100  # batches of so many records or more are worth sharing
_MEETING = 10_000  # seqs at whose multiples such a batch ends: there readers meet that began elsewhere

LOST_FIELDS: Mapping[str, Any] = {"lost": True}
UNREADABLE_FIELDS: Mapping[str, Any] = {"unreadable": True}

_LOOK_BACK = 4096  # entries
_AT_ONCE = 32 * 1024 * 1024  # bytes between a batch's first and last line that are read in one go


class LogReader:
    """The log in `folder`, read by one process. Cheap to make; remembers how far it has counted."""

    def __init__(self, folder: Path, recent: Recent) -> None:
        self._folder = folder
        self._recent = recent
        self._index = Index(folder)
        self._counting = Lock()
        self._counted = 0
        self._count = Count()

    def read(self, after: int, limit: int, budget: int = BATCH_BYTES) -> DiskBatch:
        """At most `limit` records after `after`, of about `budget` bytes. FileNotFoundError: the log is gone."""
        closed = (self._folder / "end").exists()  # before the count: nothing comes between
        end = self._index.count()
        first = Kept.read(self._folder).first if end else 1
        after = max(after, first - 1)
        shared = budget <= BATCH_BYTES and limit >= _SHARED
        if shared:
            limit = min(limit, _MEETING - after % _MEETING)
            if known := self._recent.get(self._folder.name, after, limit, end):
                return known.seen_at(first, end, closed=closed)
        words = self._index.read(after, min(limit, end - after)) if after < end and limit > 0 else array("Q")
        fit = _within(words, budget)
        batch = DiskBatch(
            seqs=range(after + 1, after + 1 + fit),
            times=words[1 : 4 * fit : 4],
            metas=words[3 : 4 * fit : 4],
            load=self._load,
            steps=Steps(self._folder).names if self._have_steps(words[3::4]) else (),
            first=first,
            end=end,
            closed=closed,
            tally=self.tally,
            partials=self.partials,
            offsets=words[0 : 4 * fit : 4],
            sizes=words[2 : 4 * fit : 4],
            search=lambda batch, text, fold: holding(self._folder, batch, text, fold=fold),
        )
        if shared and fit:
            self._recent.add(self._folder.name, after, limit, batch)
        return batch

    def _have_steps(self, marks: array[int]) -> bool:
        """Whether any mark names a step. BadIndex where one names a level or source that there is not."""
        kinds = distinct(marks)
        if any(level_of(mark) >= len(LEVELS) or source_of(mark) >= len(SOURCES) for mark in kinds):
            raise BadIndex(f"the index of {self._folder.name} names a level or source that there is not")
        return any(mark & STEP_BITS for mark in kinds)

    # --- texts --------------------------------------------------------------------------------------------------------

    def _load(self, batch: DiskBatch) -> Messages:
        """The texts of a batch: source by source, since the lines of one source adjoin each other."""
        fields: dict[int, Mapping[str, Any]] = {}
        if batch.metas and uniform(batch.metas):
            return self._texts(file_of(batch.metas[0]), batch, range(len(batch)), fields), fields
        names = [file_of(mark) for mark in batch.metas]
        messages = [""] * len(batch)
        for name in set(names):
            positions = [i for i, other in enumerate(names) if other == name]
            for i, text in zip(positions, self._texts(name, batch, positions, fields), strict=True):
                messages[i] = text
        return messages, fields

    def _texts(
        self, name: str, batch: DiskBatch, positions: Sequence[int], fields: dict[int, Mapping[str, Any]]
    ) -> list[str]:
        every = len(positions) == len(batch)
        lines = _Lines(
            batch.offsets if every else [batch.offsets[i] for i in positions],
            batch.sizes if every else [batch.sizes[i] for i in positions],
            batch.metas if every else [batch.metas[i] for i in positions],
        )
        try:
            return self._texts_of(name, batch, positions, lines, fields)
        except Unreadable as error:
            if error.is_temporary:
                raise
        lines = self._without_unreadable(name, batch, positions, lines)
        texts = self._texts_of(name, batch, positions, lines, fields)
        for i in lines.unreadable or ():
            texts[i], fields[positions[i]] = texts[i].replace("lost", "unreadable", 1), UNREADABLE_FIELDS
        return texts

    def _without_unreadable(self, name: str, batch: DiskBatch, positions: Sequence[int], lines: _Lines) -> _Lines:
        """The lines, of which those that the disk does not give back are the system's, in the batch as well."""
        blocks = unreadable(self._folder, name, lines.start, lines.end)
        bad = [
            i
            for i, (offset, size) in enumerate(zip(lines.offsets, lines.sizes, strict=True))
            if any(start < offset + (size & 0xFFFFFFFF) and offset < end for start, end in blocks)
        ]
        marks, told = array("Q", lines.marks), array("Q", batch.metas)
        for i in bad:
            marks[i] = told[positions[i]] = lost(marks[i])
        batch.metas = told
        self._recent.forget(self._folder.name)  # the next time the disk may be better
        return replace(lines, marks=marks, unreadable=bad)

    def _texts_of(
        self, name: str, batch: DiskBatch, positions: Sequence[int], lines: _Lines, fields: dict[int, Mapping[str, Any]]
    ) -> list[str]:
        neighbours = isinstance(batch.seqs, range)
        if name != "notes" and lines.plain() and lines.unreadable is None:
            return self._plain_texts(name, lines, batch.seqs[positions[0]])
        if neighbours and not lines.adjoin():
            raise self._unfit(name)
        bodies = self._bodies(name, lines)
        if name != "notes":
            texts = [clean(final_text(body).decode("utf-8", "replace")) for body in bodies]
        else:
            notes = [_read_note(body) for body in bodies]
            fields.update((i, note["fields"]) for i, note in zip(positions, notes, strict=True) if "fields" in note)
            texts = [note["message"] for note in notes]
        for i, text in lines.lost(name):
            texts[i], fields[positions[i]] = text, LOST_FIELDS
        return texts

    def _plain_texts(self, name: str, lines: _Lines, seq: int) -> list[str]:
        """The common case, in C: whole lines without a CR that adjoin each other."""
        start = lines.start
        before = 1 if start % SEGMENT else 0  # the byte before must end a line
        data = read_range(self._folder, name, start - before, lines.end)
        if before and data[:1] != b"\n" and not self._follows_part(name, seq):
            raise self._unfit(name)
        texts = data[before:].decode("utf-8", "replace").split("\n")
        if len(texts) != len(lines.sizes) + 1 or texts.pop():
            raise self._unfit(name)
        return [clean(text) for text in texts] if b"\x1b" in data else texts

    def _follows_part(self, name: str, seq: int) -> bool:
        """Whether the record before `seq` in its file is a part (one out of sight may be)."""
        after = min(max(seq - 1 - _LOOK_BACK, Kept.read(self._folder).first - 1), seq - 1)
        words = self._index.read(after, seq - 1 - after)
        for mark in reversed(words[3::4]):
            if file_of(mark) == name:
                return bool(mark >> FLAG_SHIFT & (PART | LOST))
        return True

    def _bodies(self, name: str, lines: _Lines) -> list[bytes]:
        start, end = lines.start, lines.end
        at_once = end - start <= _AT_ONCE and lines.unreadable is None
        data = read_range(self._folder, name, start, end) if at_once else b""
        bodies: list[bytes] = []
        for offset, size, mark in zip(lines.offsets, lines.sizes, lines.marks, strict=True):
            if mark >> FLAG_SHIFT & LOST:
                bodies.append(b"")
                continue
            length, tail = size & 0xFFFFFFFF, size >> 32
            begin = offset + length - tail
            stop = (
                begin + min(tail, LONGEST_TEXT + 2) if name != "notes" else begin + tail
            )  # there may be a million CRs
            body = data[begin - start : stop - start] if at_once else read_range(self._folder, name, begin, stop)
            ended = stop < begin + tail or mark >> FLAG_SHIFT & (PART | OPEN) or body[-1:] == b"\n"
            if len(body) != stop - begin or tail > length or not ended:
                raise self._unfit(name)
            bodies.append(body)
        return bodies

    def _unfit(self, name: str) -> BadIndex:
        return BadIndex(f"the index of {self._folder.name} does not fit its {name}")

    # --- the whole ----------------------------------------------------------------------------------------------------

    def tally(self) -> Tally:
        """What the log comes to; counts on from where it last stopped."""
        with self._counting:  # scans run in threads
            self._count_on()
            levels, timeline, lines = self._count.by_level(), self._count.timeline, self._counted
            steps = timeline.steps(dict(enumerate(Steps(self._folder).names, 1))) if timeline else ()
        output = sum(extent(self._folder, name)[1] for name in OUTPUT)
        return Tally(lines, output, levels, read_masked(self._folder), steps)

    def partials(self) -> list[Partial]:
        """The lines being written: what lies behind the last indexed byte of each source."""
        try:
            return list(self._unended(self._last_ends()))
        except FileNotFoundError:  # deletion was quicker: the next reading says so
            return []

    def _unended(self, ends: Mapping[str, int]) -> Iterator[Partial]:
        for name in OUTPUT:
            size, start = extent(self._folder, name)[1], ends[name]
            if size > start:
                body = read_range(self._folder, name, max(start, size - LONGEST_TEXT - 2), size)
                # A line ended meanwhile will be a record in a moment: what follows it is what is being written.
                body = body[body.rfind(b"\n") + 1 :]
                if body:
                    yield Partial(name, clean(final_text(body).decode("utf-8", "replace")), b"\r" in body)

    def covers(self) -> bool:
        """Whether the index goes to the end of the bytes, as that of an ended log must."""
        ends = self._last_ends()
        return all(extent(self._folder, name)[1] == ends[name] for name in FILES)

    def _last_ends(self) -> dict[str, int]:
        """Where the last indexed line of each file ends; looked up from the back."""
        kept = Kept.read(self._folder)
        ends: dict[str, int] = {}
        before = self._index.count()
        wanted = [name for name in FILES if extent(self._folder, name)[1]]
        while before >= kept.first and len(ends) < len(wanted):
            after = max(before - _LOOK_BACK, kept.first - 1)
            words = self._index.read(after, before - after)
            for i in range(len(words) - 4, -1, -4):
                name = file_of(words[i + 3])
                if name not in ends:
                    ends[name] = words[i] + (words[i + 2] & 0xFFFFFFFF)
                    if len(ends) == len(wanted):
                        break
            before = after
        return {name: ends.get(name, kept.ends.get(name, 0)) for name in FILES}

    def _count_on(self) -> None:
        first = Kept.read(self._folder).first
        if self._counted < first - 1:
            self._count.skip(first - 1 - self._counted)
            self._counted = first - 1
        end = self._index.count()
        while self._counted < end:
            words = self._index.read(self._counted, min(end - self._counted, 1 << 16))
            if not words:
                return
            self._count.add(words)
            self._counted += len(words) // 4


@dataclass(frozen=True, slots=True)
class _Lines:
    """Lines of one file in a batch: where they lie."""

    offsets: Sequence[int]
    sizes: Sequence[int]  # length | tail << 32
    marks: Sequence[int]
    unreadable: Sequence[int] | None = None  # their positions; None: nobody had to ask

    @property
    def start(self) -> int:
        return self.offsets[0]

    @property
    def end(self) -> int:
        return self.offsets[-1] + (self.sizes[-1] & 0xFFFFFFFF)

    def plain(self) -> bool:
        """Whether they are whole lines without a CR (so length == tail) that adjoin each other."""
        if sum(self.sizes) != (self.end - self.start) * (1 << 32 | 1):
            return False
        return not any(mark >> FLAG_SHIFT & (PART | CR | OPEN | LOST) for mark in distinct(self.marks))

    def lost(self, name: str) -> Iterator[tuple[int, str]]:
        """Which of them have no bytes any more, and what is said in their place."""
        if max(self.marks) < LOST << FLAG_SHIFT:
            return
        kind = "a record" if name == "notes" else f"a line of {name}"
        for i, mark in enumerate(self.marks):
            if mark >> FLAG_SHIFT & LOST:
                yield i, f"lost: {kind} ({self.sizes[i] & 0xFFFFFFFF} bytes)"

    def adjoin(self) -> bool:
        """Whether each begins where the one before it ends."""
        ends = [offset + (size & 0xFFFFFFFF) for offset, size in zip(self.offsets, self.sizes, strict=True)]
        return ends[:-1] == list(self.offsets[1:])


def _read_note(body: bytes) -> dict[str, Any]:
    try:
        note = json.loads(body)
    except ValueError:
        note = None
    return note if isinstance(note, dict) and isinstance(note.get("message"), str) else {"message": ""}


def _within(words: array[int], budget: int) -> int:
    """How many of the entries' lines fit the budget; one always does."""
    tails = tails_in(words)
    if sum(tails) + len(tails) * _RECORD_BYTES <= budget:
        return len(tails)
    so_far = list(accumulate(tails))
    fits = bisect_right(range(len(tails)), budget, key=lambda i: so_far[i] + (i + 1) * _RECORD_BYTES)
    return max(fits, 1)
