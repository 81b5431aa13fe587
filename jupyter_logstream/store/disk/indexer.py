"""Indexing of a log: lines and published records to index entries with level, source and step. Runner and server.

stdlib. Used by the writer for new output and by the repair for output that has no entries. A failed call (disk full)
leaves all state as it was, so the caller can repeat it.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from ...text.lines import Lines, Splitter
from .index import IndexWriter
from .layout import ENTRY, ESTIMATED, FLAG_SHIFT, OUTPUT, STEP_BEGIN, STEP_END, fill_sizes, fill_steps
from .notes import Notes, parse_note
from .running_totals import RunningTotals
from .sidecars import Steps

if TYPE_CHECKING:
    from .entry_meta import MetaBuilder


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

    def add_notes(self, start: int, notes: Notes, append: Callable[[], None]) -> None:
        """Index published records whose JSON lines lie in `notes` from offset `start`; `append` writes these first.

        OSError: no record is indexed.
        """
        step = self.step
        try:
            words = self._words_of_notes(start, notes)
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
            return self._words_of_notes(start, Notes(map(parse_note, lines), lines))
        lines_found = Splitter(start).feed(data)
        words = self._words_of(lines_found, ts_us)
        words[3::4] = self._builder(name).build(lines_found, ESTIMATED, self.step, self._step_number).metas
        return words

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

    def _words_of_notes(self, start: int, notes: Notes) -> array[int]:
        """Entries of published records; a change of their step begins or ends one, if `notes` marks steps."""
        words = array("Q", bytes(ENTRY * len(notes)))
        words[0::4] = array("Q", list(accumulate(notes.lengths[:-1], initial=start))[: len(notes)])
        words[1::4] = notes.times
        fill_sizes(words, notes.lengths, notes.lengths)
        metas, at = array("Q", notes.metas), 0
        for name, is_system, count in notes.runs:
            step = 0 if name is None else self._step_number(name)
            fill_steps(metas, at, at + count, step)
            if notes.marks_steps and step != self.step and (step or not is_system):
                metas[at] |= (STEP_BEGIN if step else STEP_END) << FLAG_SHIFT
                self.step = step
            at += count
        words[3::4] = metas
        return words
