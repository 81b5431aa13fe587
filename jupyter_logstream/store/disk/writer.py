"""The one writer of a log: appends bytes and index entries. Runs in the runner, or in the server for what is published.

Rules: bytes go to disk the moment they come, unchanged, before their index entries; a failed append (disk full) leaves
the log as it was and raises, so that the caller can try the same again; opening a log mends what a crash left. stdlib
only: it must not know Tornado, HTTP, who wrote the bytes, nor what was masked in them.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from array import array
from collections.abc import Callable, Iterable
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...model.records import SOURCES, Record, level_code
from ...text.lines import PART, Lines, Splitter
from ..errors import BadIndex, Unreadable
from ..protocol import Tally
from ..repair.damage import kept_by_files, known_lines, mark_lost
from ..repair.loss_journal import Losses
from ..repair.verify import proven
from .folder import OPEN
from .index import IndexWriter
from .layout import (
    ENTRY,
    ESTIMATED,
    FILES,
    NOTE,
    OUTPUT,
    SEGMENT,
    STEP_BEGIN,
    STEP_END,
    Damaged,
    file_of,
    fill_sizes,
    mark_of,
)
from .running_totals import Count
from .segments import SegmentedFile, read_range
from .sidecars import BadKept, Kept, Steps, read_masked, write_masked

if TYPE_CHECKING:
    from .entry_meta import Marks


class LogWriter:
    """Appends to the log in `folder`. Only one may be open on a folder; its owner holds the folder's lock.

    `keep` bounds the log's bytes on disk, index included: beyond it the oldest segments go, and `kept` says so.
    """

    def __init__(self, folder: Path, *, keep: int = 1 << 30) -> None:
        self._folder, self._keep = folder, keep
        self._files = {name: SegmentedFile(folder, name) for name in FILES}
        self._index = IndexWriter(folder)
        self._count = Count()
        self._steps = Steps(folder)
        self._step = 0  # the number of the open one
        self._masked = read_masked(folder)
        self._splitters = {source: Splitter() for source in OUTPUT}
        self._marks: dict[str, Marks] = {}  # by source, from its first line on
        self._next_bound = keep
        self._indexed = True  # else entries were cut, and have to be made anew
        self._losses: Losses | None = None  # what mending has found
        self._untold: list[Record] = []  # what is to be said of damage, once it can be written
        try:
            self._kept = Kept.read(folder)
        except BadKept:
            self._kept = kept_by_files(folder, self._index, self._files)
            self._kept.write(folder)
        if self._index.lines or any(file.size for file in self._files.values()):
            self._mend()

    @property
    def lines(self) -> int:
        """The last seq."""
        return self._index.lines

    @property
    def tally(self) -> Tally:
        """What the log has come to so far."""
        output = sum(self._files[name].size for name in OUTPUT)
        steps = self._count.timeline.steps(dict(enumerate(self._steps.names, 1)))
        return Tally(self.lines, output, self._count.by_level(), self._masked, steps)

    def write(self, source: str, chunk: bytes, masked: int = 0) -> None:
        """Append output of `stdout` or `stderr` as it came. `masked`: secrets that were replaced in it.

        OSError: nothing was appended.
        """
        self._despite_damage(lambda: self._write(source, chunk, masked))

    def _write(self, source: str, chunk: bytes, masked: int) -> None:
        file, splitter = self._files[source], self._splitters[source]
        size, state = file.size, splitter.state
        file.append(chunk)
        try:
            self._add_lines(source, splitter.feed(chunk))
        except OSError:
            splitter.state = state
            file.truncate(size)
            raise
        if masked:
            self._masked += masked
            with contextlib.suppress(OSError):  # a full disk: with the next one, or at the end
                write_masked(self._folder, self._masked)
        self._bound()

    def publish(self, records: Iterable[Record]) -> int:
        """Append records that are not output; return the last seq. OSError: nothing was appended."""
        drafts = list(records)
        self._despite_damage(lambda: self._publish(drafts))
        return self.lines

    def _publish(self, drafts: list[Record]) -> None:
        notes = self._files["notes"]
        size, step = notes.size, self._step
        bodies = [_note(record) for record in drafts]
        words = array("Q")
        starts = accumulate((len(body) for body in bodies), initial=size)
        try:
            for start, body, record in zip(starts, bodies, drafts, strict=False):
                words.extend((start, round(record.ts * 1000), len(body) | len(body) << 32, self._note_mark(record)))
            notes.append(b"".join(bodies))
            try:
                self._index.append(words)
            except OSError:
                notes.truncate(size)
                raise
        except OSError:
            self._step = step
            raise
        self._count.add(words)
        self._bound()

    def close(self) -> Tally:
        """End the log: what has no line end becomes a line, nothing follows. Returns what it came to."""
        self._despite_damage(self._check)
        self._tell()
        for source in OUTPUT:
            self._finish_line(source)
        if self._masked:
            write_masked(self._folder, self._masked)
        os.close(os.open(self._folder / "end", os.O_WRONLY | os.O_CREAT | OPEN, 0o600))
        self.release()
        return self.tally

    def _finish_line(self, source: str, flag: int = 0) -> None:
        splitter = self._splitters[source]
        state = splitter.state
        try:
            self._add_lines(source, splitter.finish(), flag)
        except OSError:
            splitter.state = state
            raise

    def release(self) -> None:
        """Close the files; the log stays open for a next writer."""
        for file in self._files.values():
            file.close()
        self._index.close()

    def _add_lines(self, source: str, lines: Lines, flag: int = 0) -> None:
        count = len(lines.lengths)
        if not count:
            return
        step, marker = self._step, self._marks_of(source)
        state = marker.state
        words = array("Q", bytes(ENTRY * count))
        words[0::4] = array("Q", list(accumulate(lines.lengths[:-1], initial=lines.start)))
        words[1::4] = array("Q", [time.time_ns() // 1000]) * count
        fill_sizes(words, lines.lengths, lines.tails)
        try:
            marked = marker.mark(lines, flag, step, self._number_of)
            words[3::4] = marked.marks
            self._index.append(words)
        except OSError:
            marker.state = state
            raise
        self._step = marked.step
        if marked.turns:
            self._count.add(words)
        else:
            self._count.add_levels(marked.levels)

    def _marks_of(self, source: str) -> Marks:
        """Made at a source's first line: a child need not wait for all the rules of levels to be compiled."""
        from .entry_meta import Marks  # noqa: PLC0415 - as said

        return self._marks.setdefault(source, Marks(source))

    def _number_of(self, step: str) -> int:
        return self._steps.index(self._folder, step)

    def _note_mark(self, record: Record) -> int:
        """Steps begin and end where what is published names another one; the system's own records end none."""
        flags = NOTE | (PART if record.part else 0)
        step = 0 if record.step is None else self._number_of(record.step)
        if step != self._step and (step or record.source != "system"):
            flags |= STEP_BEGIN if step else STEP_END
            self._step = step
        return mark_of(source=SOURCES.index(record.source), level=level_code(record.level), flags=flags, step=step)

    # --- retention ----------------------------------------------------------------------------------------------------

    def _bound(self) -> None:
        """Where the log is longer than it may be, its oldest segment goes; what was lost is written down first."""
        used = sum(file.size - file.first for file in self._files.values()) + (self.lines - self._kept.first) * ENTRY
        if used <= self._next_bound:
            return
        name, file = max(self._files.items(), key=lambda item: item[1].size - item[1].first)
        cut = (file.first // SEGMENT + 1) * SEGMENT
        self._next_bound = used + SEGMENT  # should nothing come of it: the last segment of a log never goes
        if cut >= file.size:
            return
        kept = self._kept_after(name, cut)
        with contextlib.suppress(OSError):  # a full disk: the next time then
            kept.write(self._folder)
            self._kept = kept
            file.drop_before(cut)
            self._index.drop_before(kept.first)
            self._next_bound = self._keep

    def _kept_after(self, name: str, cut: int) -> Kept:
        """What is left when a file is cut: nothing of what is kept lies before the cut."""
        at, ends = self._kept.first - 1, dict(self._kept.ends)
        first, first_ends = self._kept.first, dict(ends)
        while words := self._index.read(at, 1 << 16):
            for i in range(0, len(words), 4):
                here = file_of(words[i + 3])
                if here == name and words[i] >= cut:
                    return Kept(first, first_ends)
                ends[here] = words[i] + (words[i + 2] & 0xFFFFFFFF)
                if here == name:
                    first, first_ends = at + i // 4 + 2, dict(ends)
            at += len(words) // 4
        return Kept(first, first_ends)

    # --- when somebody else has a hand in it --------------------------------------------------------------------------

    def _check(self) -> None:
        """Raise Damaged if a file that is being written is not as we left it."""
        for file in self._files.values():
            file.check(now=True)
        self._index.check()

    def _despite_damage(self, append: Callable[[], None]) -> None:
        """Append; where a file was removed, cut or replaced underneath us, restore what can be and try again."""
        for _ in range(len(FILES) + 1):
            try:
                if not self._indexed:
                    self._restore()
                append()
            except Damaged:
                self._restore()
                self._tell()
            else:
                return
        append()

    def _restore(self) -> None:
        """Give every file that is being written its name and length again; mark what is lost, and tell it.

        OSError (a full disk): it is still damaged, so that it is tried again.
        """
        known, cut = self.lines, False
        self._indexed &= self._index.restore()
        for name, file in self._files.items():
            try:
                file.check(now=True)
            except Damaged:
                gone = file.size - file.left
                cut |= gone > 0
                if gone and self._indexed and name in OUTPUT:
                    self._finish_line(name)  # bytes of the line being written are gone, too
                records = self._lost_in(name, file.left, file.size) if gone else 0
                file.restore()
                whose = f"of {records} records" if self._indexed else f"and which of records 1 to {known} they were"
                loss = f"{gone} bytes are lost, {whose}" if gone else "nothing of it is lost"
                text = f"{name} was removed, cut or replaced while it was written: {loss}"
                self._untold.append(_said(text, "error" if gone else "warn"))
        if not self._indexed:
            if cut:  # numbers are for good: they go on behind all that there were
                self._kept = Kept(known + 1, {name: file.size for name, file in self._files.items()})
                self._kept.write(self._folder)
            self._index.close()
            self._index = IndexWriter(self._folder)
            self._mend()
            self._indexed = True

    def _tell(self) -> None:
        """Say what damage has cost, once there is room for it."""
        with contextlib.suppress(OSError):
            if self._losses is not None:
                self._losses.tell(lambda: self._files["notes"].size, lambda text: self._publish([_said(text)]))
                self._losses = None
            while self._untold:
                self._publish(self._untold[:1])
                del self._untold[0]

    # --- after a crash ------------------------------------------------------------------------------------------------

    def _mend(self) -> None:
        """Cut the index to what fits the log, then complete it from the bytes (or make it anew); tell what is lost."""
        holes = {name: file.holes() for name, file in self._files.items()}
        losses = self._losses = Losses(self._folder, known_lines(self._index, self._kept.first), holes)
        for name, file in self._files.items():
            file.fill(holes[name])
        self._fit_kept()
        for name, start, end in losses.holes:
            losses.costs(name, self._lost_in(name, start, end))
        try:
            good, ends, self._count = proven(self._folder, self._index, self._kept)
            losses.keep_behind(good)
            self._index.truncate(good)
        except Unreadable:  # that says nothing about the index
            raise
        except (BadIndex, FileNotFoundError):
            losses.keep_behind(self._kept.first - 1)
            ends = {name: max(self._kept.ends.get(name, 0), file.first) for name, file in self._files.items()}
            self._count = Count()
            self._count.skip(self._kept.first - 1)
            self._index.restart(self._kept.first - 1)
        proven_step = self._count.timeline.open or 0
        for source in OUTPUT:
            self._step = proven_step  # which lines of the other source came before a marker, nobody knows
            self._splitters[source] = Splitter(ends[source])
            at, size = ends[source], self._files[source].size
            while at < size:
                chunk = read_range(self._folder, source, at, min(at + (1 << 20), size))
                self._add_lines(source, self._splitters[source].feed(chunk), ESTIMATED)
                at += len(chunk) or size  # cut meanwhile: seen when the next is written
        self._step = self._count.timeline.open or 0
        self._mend_notes(ends["notes"])
        if (self._folder / "end").exists():
            for source in OUTPUT:
                self._finish_line(source, ESTIMATED)
        losses.mended(self.lines, self._files["notes"].size)
        self._tell()

    def _lost_in(self, name: str, start: int, end: int) -> int:
        """Mark what has bytes in a hole as lost; an index that cannot say it is made anew in any case."""
        try:
            return mark_lost(self._index, self._kept.first, name, start, end)
        except (BadIndex, FileNotFoundError):
            return 0

    def _fit_kept(self) -> None:
        """Nothing that retention left can begin behind the end of its file: that was cut."""
        ends = {name: min(end, self._files[name].size) for name, end in self._kept.ends.items() if name in FILES}
        if ends != self._kept.ends:
            self._kept = Kept(self._kept.first, ends)
            self._kept.write(self._folder)

    def _mend_notes(self, start: int) -> None:
        notes = self._files["notes"]
        data = read_range(self._folder, "notes", start, notes.size)
        whole = data.rfind(b"\n") + 1
        notes.truncate(start + whole)
        for line in data[:whole].splitlines(keepends=True):
            try:
                record = Record(seq=0, **json.loads(line))
            except (ValueError, TypeError):  # damaged: its bytes stay, there is no record to make of them
                record = Record(0, time.time() * 1000, "unknown", "", source="system")
            words = array("Q", (start, round(record.ts * 1000), len(line) | len(line) << 32, self._note_mark(record)))
            self._index.append(words)
            self._count.add(words)
            start += len(line)


def _said(text: str, level: str = "error") -> Record:
    return Record(0, time.time_ns() // 1000 / 1000, level, text, source="system")


def _note(record: Record) -> bytes:
    value: dict[str, Any] = record.to_json()
    del value["seq"]
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"
