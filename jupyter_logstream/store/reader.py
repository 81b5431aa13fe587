"""Reads a log: pages of records from index and bytes. Server side, beside a runner that goes on writing.

Open files are not kept: opening costs microseconds, and nothing has to be told when retention or deletion takes a
segment. A wrong offset is never served: what the index says is checked against the bytes it points at. This file must
not know workloads, HTTP or who waits for news.
"""

from __future__ import annotations

import json
from array import array
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from ..records import CR, LEVELS, LONGEST_TEXT, OPEN, PART, clean, final_text
from .batch import FLAG_SHIFT, SOURCE_SHIFT, STEP_BITS, Batch, Messages, Partial, Tally, uniform
from .index import BadIndex, Index
from .layout import FILES, extent, pack
from .segments import read_range
from .writer import OUTPUT, kept_first

BATCH_BYTES = 256 * 1024
"""About how many bytes a batch holds at most, as JSON (one record may be longer)."""

_RECORD_BYTES = 90  # what a record's JSON takes beside its message

_AT_ONCE = 32 * 1024 * 1024  # bytes between a batch's first and last line that are read in one go


class LogReader:
    """The log in `folder`, read by one process. Cheap to make; remembers how far it has counted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._index = Index(folder)
        self._counted = 0
        self._levels = [0] * len(LEVELS)
        self._ends: dict[str, int] = {}

    def read(self, after: int, limit: int, budget: int = BATCH_BYTES) -> Batch:
        """At most `limit` records after `after`, of about `budget` bytes. FileNotFoundError: the log is gone."""
        closed = (self._folder / "end").exists()  # before the count: nothing comes between
        end = self._index.count()
        first = kept_first(self._folder) if end else 1
        after = max(after, first - 1)
        words = self._index.read(after, min(limit, end - after)) if after < end and limit > 0 else array("Q")
        sizes = words[2::4]
        kept = _within(sizes, budget)
        return Batch(
            seqs=range(after + 1, after + 1 + kept),
            times=words[1 : 4 * kept : 4],
            marks=words[3 : 4 * kept : 4],
            load=self._load,
            steps=_read_steps(self._folder) if _has_steps(words[3::4]) else (),
            first=first,
            end=end,
            closed=closed,
            tally=self.tally,
            partials=self.partials,
            offsets=words[0 : 4 * kept : 4],
            sizes=sizes[:kept],
        )

    # --- texts --------------------------------------------------------------------------------------------------------

    def _load(self, batch: Batch) -> Messages:
        """The texts of a batch: source by source, since the lines of one source adjoin each other."""
        fields: dict[int, Mapping[str, Any]] = {}
        if batch.marks and uniform(batch.marks):
            name = FILES[batch.marks[0] >> SOURCE_SHIFT & 0xFF]
            return self._texts(name, batch, range(len(batch)), fields), fields
        names = [FILES[mark >> SOURCE_SHIFT & 0xFF] for mark in batch.marks]
        messages = [""] * len(batch)
        for name in set(names):
            positions = [i for i, other in enumerate(names) if other == name]
            for i, text in zip(positions, self._texts(name, batch, positions, fields), strict=True):
                messages[i] = text
        return messages, fields

    def _texts(
        self, name: str, batch: Batch, positions: Sequence[int], fields: dict[int, Mapping[str, Any]]
    ) -> list[str]:
        every = len(positions) == len(batch)
        offsets = batch.offsets if every else [batch.offsets[i] for i in positions]
        sizes = batch.sizes if every else [batch.sizes[i] for i in positions]
        start, end = offsets[0], offsets[-1] + (sizes[-1] & 0xFFFFFFFF)
        # Whole lines without a CR have length == tail, and adjoining ones add up to the span.
        if name != "notes" and sum(sizes) == (end - start) * (1 << 32 | 1) and not self._odd(batch, positions, every):
            return self._plain_texts(name, start, end, len(sizes))
        bodies = self._bodies(name, offsets, sizes, start, end)
        if name != "notes":
            return [clean(final_text(body).decode("utf-8", "replace")) for body in bodies]
        notes = [json.loads(body) for body in bodies]
        fields.update((i, note["fields"]) for i, note in zip(positions, notes, strict=True) if "fields" in note)
        return [note["message"] for note in notes]

    @staticmethod
    def _odd(batch: Batch, positions: Sequence[int], every: bool) -> bool:
        """Whether a line is a part, rewritten or unended."""
        marks = batch.marks if every else [batch.marks[i] for i in positions]
        chosen = marks[:1] if uniform(marks) else set(marks)
        return any(mark >> FLAG_SHIFT & (PART | CR | OPEN) for mark in chosen)

    def _plain_texts(self, name: str, start: int, end: int, count: int) -> list[str]:
        """The common case, in C: whole lines without a CR."""
        text = read_range(self._folder, name, start, end).decode("utf-8", "replace")
        lines = text.split("\n")
        if len(lines) != count + 1 or lines.pop():
            raise BadIndex(f"the index of {self._folder.name} does not fit its {name}")
        return [clean(line) for line in lines] if "\x1b" in text else lines

    def _bodies(self, name: str, offsets: Sequence[int], sizes: Sequence[int], start: int, end: int) -> list[bytes]:
        at_once = end - start <= _AT_ONCE
        data = read_range(self._folder, name, start, end) if at_once else b""
        bodies: list[bytes] = []
        for offset, size in zip(offsets, sizes, strict=True):
            length, tail = size & 0xFFFFFFFF, size >> 32
            begin = offset + length - tail
            stop = begin + min(tail, LONGEST_TEXT + 2)  # behind the text there may be a million CRs
            body = data[begin - start : stop - start] if at_once else read_range(self._folder, name, begin, stop)
            if len(body) != stop - begin:
                raise BadIndex(f"the index of {self._folder.name} does not fit its {name}")
            bodies.append(body)
        return bodies

    # --- the whole ----------------------------------------------------------------------------------------------------

    def tally(self) -> Tally:
        """What the log comes to; counts on from where it last stopped."""
        self._count()
        output = sum(extent(self._folder, name)[1] for name in OUTPUT)
        return Tally(self._counted, output, {name: n for name, n in zip(LEVELS, self._levels, strict=True) if n})

    def partials(self) -> list[Partial]:
        """The lines being written: what lies behind the last indexed byte of each source."""
        self._count()
        found: list[Partial] = []
        for name in OUTPUT:
            size = extent(self._folder, name)[1]
            start = self._ends.get(name, 0)
            if size > start:
                body = read_range(self._folder, name, max(start, size - LONGEST_TEXT - 2), size)
                # A line ended meanwhile will be a record in a moment: what follows it is what is being written.
                body = body[body.rfind(b"\n") + 1 :]
                if body:
                    found.append(Partial(name, clean(final_text(body).decode("utf-8", "replace")), b"\r" in body))
        return found

    def _count(self) -> None:
        first = kept_first(self._folder)
        if self._counted < first - 1:
            self._levels[0] += first - 1 - self._counted  # their levels went with them
            self._counted = first - 1
        end = self._index.count()
        while self._counted < end:
            words = self._index.read(self._counted, min(end - self._counted, 1 << 16))
            if not words:
                return
            data = pack(words)
            levels, sources = data[27::32], data[26::32]
            for code in range(len(LEVELS)):
                self._levels[code] += levels.count(code)
            for code, name in enumerate(OUTPUT):
                if (last := sources.rfind(code)) >= 0:
                    self._ends[name] = words[4 * last] + (words[4 * last + 2] & 0xFFFFFFFF)
            self._counted += len(words) // 4


def _within(sizes: array[int], budget: int) -> int:
    """How many of the lines fit the budget; one always does."""
    if (sum(sizes) >> 32) + len(sizes) * _RECORD_BYTES <= budget:  # the sum of the tails, and a little more
        return len(sizes)
    so_far = list(accumulate(sizes))
    fits = bisect_right(range(len(sizes)), budget, key=lambda i: (so_far[i] >> 32) + (i + 1) * _RECORD_BYTES)
    return max(fits, 1)


def _has_steps(marks: array[int]) -> bool:
    return any(mark & STEP_BITS for mark in (marks[:1] if uniform(marks) else set(marks)))


def _read_steps(folder: Path) -> list[str]:
    try:
        return [json.loads(name) for name in (folder / "steps").read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError:
        return []
