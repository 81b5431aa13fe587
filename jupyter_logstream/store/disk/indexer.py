"""Indexing of a log: lines and published records to index entries with level, source and step. Runner and server.

stdlib. Used by the writer for new output and by the repair for output that has no entries. A failed call (disk full)
leaves all state as it was, so the caller can repeat it.
"""

from __future__ import annotations

import json
import time
from array import array
from collections.abc import Callable, Iterable
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from ...model.records import SOURCES, Record, level_code
from ...text.lines import PART, Lines, Splitter
from .index import IndexWriter
from .layout import ENTRY, ESTIMATED, NOTE, OUTPUT, STEP_BEGIN, STEP_END, fill_sizes, pack_meta
from .running_totals import RunningTotals
from .sidecars import Steps

if TYPE_CHECKING:
    from .entry_meta import MetaBuilder


def parse_note(line: bytes) -> Record:
    """The record in a line of `notes`. Raises ValueError if it is damaged."""
    try:
        return Record(seq=0, **json.loads(line))
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from None


class Indexer:
    """The index of the log in `folder` and the state needed to continue it.

    `totals`: what the entries add up to; `step`: the number of the open step, 0 if none is open.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.index = IndexWriter(folder)
        self.totals = RunningTotals()
        self.steps = Steps(folder)
        self.step = 0
        self._splitters = {source: Splitter() for source in OUTPUT}
        self._builders: dict[str, MetaBuilder] = {}

    def resume(self, source: str, offset: int) -> None:
        """Expect the next output of a source at this offset, where a line begins."""
        self._splitters[source] = Splitter(offset)

    def feed(self, source: str, chunk: bytes, flags: int = 0) -> None:
        """Index the lines that the next bytes of a source complete; `flags` are set on each. OSError: nothing done."""
        splitter = self._splitters[source]
        state = splitter.state
        try:
            self._add_lines(source, splitter.feed(chunk), flags)
        except OSError:
            splitter.state = state
            raise

    def finish_line(self, source: str, flags: int = 0) -> None:
        """Index an unfinished line as a record. OSError: nothing done."""
        splitter = self._splitters[source]
        state = splitter.state
        try:
            self._add_lines(source, splitter.finish(), flags)
        except OSError:
            splitter.state = state
            raise

    def add_notes(self, start: int, records: Iterable[Record], sizes: list[int], append: Callable[[], None]) -> None:
        """Index published records whose JSON lines lie in `notes` from offset `start`; `append` writes these first.

        OSError: no record is indexed.
        """
        step, words = self.step, array("Q")
        try:
            for offset, size, record in zip(accumulate(sizes, initial=start), sizes, records):
                words.extend((offset, round(record.ts * 1000), size | size << 32, self._note_meta(record)))
            append()
            self.index.append(words)
        except OSError:
            self.step = step
            raise
        self.totals.add(words)

    def entries_of(self, name: str, start: int, data: bytes, ts_us: int) -> array[int]:
        """Entries of the whole lines in the bytes of a file at an offset, which are not appended. Times are estimates.

        Raises ValueError if a line of `notes` is no record.
        """
        if name == "notes":
            lines = data.splitlines(keepends=True)
            starts = accumulate(map(len, lines), initial=start)
            return array("Q", [word for line, at in zip(lines, starts) for word in self._note(line, at)])
        lines_found = Splitter(start).feed(data)
        words = self._words_of(lines_found, ts_us)
        words[3::4] = self._builder(name).build(lines_found, ESTIMATED, self.step, self._step_number).metas
        return words

    def _note(self, line: bytes, start: int) -> tuple[int, int, int, int]:
        record = parse_note(line)
        size = len(line) | len(line) << 32
        return start, round(record.ts * 1000), size, self._note_meta(record)

    def reopen(self) -> None:
        """Read the index and the step names from disk again, after another writer or a repair changed them."""
        self.index.close()
        self.index = IndexWriter(self._folder)

    def _add_lines(self, source: str, lines: Lines, flags: int) -> None:
        count = len(lines.lengths)
        if not count:
            return
        builder = self._builder(source)
        state = builder.state
        words = self._words_of(lines, time.time_ns() // 1000)
        try:
            built = builder.build(lines, flags, self.step, self._step_number)
            words[3::4] = built.metas
            self.index.append(words)
        except OSError:
            builder.state = state
            raise
        self.step = built.step
        if built.changes_steps:
            self.totals.add(words)
        else:
            self.totals.add_levels(built.levels)

    @staticmethod
    def _words_of(lines: Lines, ts_us: int) -> array[int]:
        """Entries without metadata."""
        count = len(lines.lengths)
        words = array("Q", bytes(ENTRY * count))
        words[0::4] = array("Q", list(accumulate(lines.lengths[:-1], initial=lines.start))[:count])
        words[1::4] = array("Q", [ts_us]) * count
        fill_sizes(words, lines.lengths, lines.tails)
        return words

    def _builder(self, source: str) -> MetaBuilder:
        """Created at the first line of a source, so that a child need not wait until the level rules are compiled."""
        if source not in self._builders:
            from .entry_meta import MetaBuilder  # noqa: PLC0415 - see above

            self._builders[source] = MetaBuilder(source)
        return self._builders[source]

    def _step_number(self, name: str) -> int:
        return self.steps.number(self._folder, name)

    def _note_meta(self, record: Record) -> int:
        """Metadata of a published record; a change of its step begins or ends one, except in a system record."""
        flags = NOTE | (PART if record.part else 0)
        step = 0 if record.step is None else self._step_number(record.step)
        if step != self.step and (step or record.source != "system"):
            flags |= STEP_BEGIN if step else STEP_END
            self.step = step
        return pack_meta(source=SOURCES.index(record.source), level=level_code(record.level), flags=flags, step=step)
