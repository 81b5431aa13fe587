"""Reads a log: pages of records from index and bytes. Server side, beside a runner that goes on writing.

Open files are not kept: opening costs microseconds, and nothing has to be told when retention or deletion takes a
segment. A wrong offset is never served: what the index says is checked against the bytes it points at. This file must
not know workloads, HTTP or who waits for news.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..records import LEVELS, LONGEST_TEXT, clean, final_text
from .batch import FLAG_SHIFT, SOURCE_SHIFT, Batch, Messages, Partial, Tally
from .index import BadIndex, Index
from .layout import FILES, extent, pack
from .segments import read_range
from .writer import OUTPUT, kept_first

BATCH_BYTES = 256 * 1024
"""About how many bytes of text a batch holds at most (one record may be longer)."""

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
        count = len(words) // 4
        sizes = words[2::4]
        kept = _within(sizes, budget)
        return Batch(
            seqs=range(after + 1, after + 1 + kept),
            times=words[1 : 4 * kept : 4],
            marks=words[3 : 4 * kept : 4],
            load=self._load,
            steps=_read_steps(self._folder) if any(mark & 0xFFFF for mark in set(words[3::4])) else (),
            first=first,
            end=end,
            closed=closed,
            tally=self.tally,
            partials=self.partials,
            spans=list(zip(words[0 : 4 * kept : 4], sizes[:kept], strict=True)) if kept < count or count else (),
        )

    # --- texts --------------------------------------------------------------------------------------------------------

    def _load(self, batch: Batch) -> Messages:
        """The texts of a batch: source by source, since the lines of one source adjoin each other."""
        sources = [mark >> SOURCE_SHIFT & 0xFF for mark in batch.marks]
        present = set(sources)
        fields: dict[int, Mapping[str, Any]] = {}
        if len(present) == 1:
            return self._texts(FILES[sources[0]], batch, range(len(batch)), fields), fields
        messages = [""] * len(batch)
        for name in {FILES[source] for source in present}:
            positions = [i for i, source in enumerate(sources) if FILES[source] == name]
            for i, text in zip(positions, self._texts(name, batch, positions, fields), strict=True):
                messages[i] = text
        return messages, fields

    def _texts(
        self, name: str, batch: Batch, positions: Sequence[int], fields: dict[int, Mapping[str, Any]]
    ) -> list[str]:
        spans = [batch.spans[i] for i in positions]
        flags = 0
        for mark in {batch.marks[i] for i in positions}:
            flags |= mark
        start, end = spans[0][0], spans[-1][0] + (spans[-1][1] & 0xFFFFFFFF)
        adjoin = end - start == sum([size & 0xFFFFFFFF for _, size in spans])
        if name != "notes" and adjoin and not flags >> FLAG_SHIFT & 7:
            return self._plain_texts(name, start, end, len(spans))
        bodies = self._bodies(name, spans, start, end)
        if name != "notes":
            return [clean(final_text(body).decode("utf-8", "replace")) for body in bodies]
        notes = [json.loads(body) for body in bodies]
        fields.update((i, note["fields"]) for i, note in zip(positions, notes, strict=True) if "fields" in note)
        return [note["message"] for note in notes]

    def _plain_texts(self, name: str, start: int, end: int, count: int) -> list[str]:
        """The common case, in C: whole lines without a CR."""
        text = read_range(self._folder, name, start, end).decode("utf-8", "replace")
        lines = text.split("\n")
        if len(lines) != count + 1 or lines.pop():
            raise BadIndex(f"the index of {self._folder.name} does not fit its {name}")
        return [clean(line) for line in lines] if "\x1b" in text else lines

    def _bodies(self, name: str, spans: list[tuple[int, int]], start: int, end: int) -> list[bytes]:
        at_once = end - start <= _AT_ONCE
        data = read_range(self._folder, name, start, end) if at_once else b""
        bodies: list[bytes] = []
        for offset, size in spans:
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
    if sum(sizes) >> 32 <= budget:  # the sum of the tails, and a little more
        return len(sizes)
    total = 0
    for count, size in enumerate(sizes):
        total += size >> 32
        if total > budget and count:
            return count
    return len(sizes)


def _read_steps(folder: Path) -> list[str]:
    try:
        return [json.loads(name) for name in (folder / "steps").read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError:
        return []
