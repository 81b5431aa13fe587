"""The one writer of a log: appends bytes and index entries. Runs in the runner, or in the server for what is published.

Rules: bytes go to disk the moment they come, unchanged, before their index entries; a failed append (disk full) leaves
the log as it was and raises, so that the caller can try the same again; opening a log mends what a crash left. stdlib
only: it must not know Tornado, HTTP or who wrote the bytes.
"""

from __future__ import annotations

import json
import os
import time
from array import array
from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path
from typing import Any

from ..folder import write_json
from ..records import LEVELS, SOURCES, Lines, Record, Splitter, guess_levels, level_code
from .batch import ESTIMATED, FLAG_SHIFT, LEVEL_SHIFT, Tally, mark_of
from .index import BadIndex, IndexWriter
from .layout import ENTRY, FILES, SEGMENT
from .segments import SegmentedFile, read_range

OUTPUT = ("stdout", "stderr")


class LogWriter:
    """Appends to the log in `folder`. Only one may be open on a folder; its owner holds the folder's lock.

    `keep` bounds the log's bytes on disk, index included: beyond it the oldest segments go, and `kept` says so.
    """

    def __init__(self, folder: Path, *, keep: int = 1 << 30) -> None:
        self._folder, self._keep = folder, keep
        self._files = {name: SegmentedFile(folder, name) for name in dict.fromkeys(FILES)}
        self._index = IndexWriter(folder)
        self._levels = [0] * len(LEVELS)
        self._steps = _read_steps(folder)
        self._splitters = {source: Splitter() for source in OUTPUT}
        self._next_bound = keep
        self._first = kept_first(folder)
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
        return Tally(self.lines, output, {name: n for name, n in zip(LEVELS, self._levels, strict=True) if n})

    def write(self, source: str, chunk: bytes) -> None:
        """Append output of `stdout` or `stderr` as it came. OSError: nothing was appended."""
        file, splitter = self._files[source], self._splitters[source]
        size, state = file.size, splitter.state
        file.append(chunk)
        try:
            self._add_lines(source, splitter.feed(chunk))
        except OSError:
            splitter.state = state
            file.truncate(size)
            raise
        self._bound()

    def publish(self, records: Iterable[Record]) -> int:
        """Append records that are not output; return the last seq. OSError: nothing was appended."""
        notes = self._files["notes"]
        size = notes.size
        drafts = list(records)
        bodies = [_note(record) for record in drafts]
        words = array("Q")
        starts = accumulate((len(body) for body in bodies), initial=size)
        for start, body, record in zip(starts, bodies, drafts, strict=False):
            words.extend((start, int(record.ts * 1000), len(body) | len(body) << 32, self._note_mark(record)))
        notes.append(b"".join(bodies))
        try:
            self._index.append(words)
        except OSError:
            notes.truncate(size)
            raise
        for record in drafts:
            self._levels[level_code(record.level)] += 1
        self._bound()
        return self.lines

    def close(self) -> Tally:
        """End the log: what has no line end becomes a line, nothing follows. Returns what it came to."""
        for source, splitter in self._splitters.items():
            self._add_lines(source, splitter.finish())
        os.close(os.open(self._folder / "end", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self.release()
        return self.tally

    def release(self) -> None:
        """Close the files; the log stays open for a next writer."""
        for file in self._files.values():
            file.close()
        self._index.close()

    def _add_lines(self, source: str, lines: Lines, flag: int = 0) -> None:
        count = len(lines.lengths)
        if not count:
            return
        plain = mark_of(source=SOURCES.index(source), flags=flag)
        levels = guess_levels(lines.texts)
        words = array("Q", bytes(ENTRY * count))
        words[0::4] = array("Q", list(accumulate(lines.lengths[:-1], initial=lines.start)))
        words[1::4] = array("Q", [time.time_ns() // 1000]) * count
        words[2::4] = array("Q", [n | tail << 32 for n, tail in zip(lines.lengths, lines.tails, strict=True)])
        if levels is None and lines.flags is None:
            words[3::4] = array("Q", [plain]) * count
        else:
            columns = zip(levels or bytes(count), lines.flags or bytes(count), strict=True)
            words[3::4] = array("Q", [plain | level << LEVEL_SHIFT | flags << FLAG_SHIFT for level, flags in columns])
        self._index.append(words)
        for code in range(len(LEVELS)):
            self._levels[code] += levels.count(code) if levels else count * (code == 0)

    def _note_mark(self, record: Record) -> int:
        step = 0
        if record.step is not None:
            step = self._steps.get(record.step, 0) or _add_step(self._folder, self._steps, record.step)
        return mark_of(source=SOURCES.index(record.source), level=level_code(record.level), step=step)

    # --- retention ----------------------------------------------------------------------------------------------------

    def _bound(self) -> None:
        """Where the log is longer than it may be, its oldest segment goes; what was lost is written down first."""
        used = sum(file.size - file.first for file in self._files.values()) + (self.lines - self._first) * ENTRY
        if used <= self._next_bound:
            return
        name, file = max(self._files.items(), key=lambda item: item[1].size - item[1].first)
        cut = (file.first // SEGMENT + 1) * SEGMENT
        if cut >= file.size:  # never the last segment of a log that is being written
            self._next_bound = used + SEGMENT
            return
        self._first = self._first_after(name, cut)
        write_json(self._folder / "kept", {"first": self._first})
        file.drop_before(cut)
        self._index.drop_before(self._first)

    def _first_after(self, name: str, cut: int) -> int:
        """The first seq from which on nothing of a file lies before `cut`."""
        codes = {code for code, file in enumerate(FILES) if file == name}
        at = self._first - 1
        first = self._first
        while words := self._index.read(at, 1 << 16):
            for i in range(0, len(words), 4):
                if words[i + 3] >> 16 & 0xFF in codes:
                    if words[i] >= cut:
                        return first
                    first = at + i // 4 + 2
            at += len(words) // 4
        return first

    # --- after a crash ------------------------------------------------------------------------------------------------

    def _mend(self) -> None:
        """Cut the index to what fits the log, then complete it from the bytes (or make it anew)."""
        try:
            ends, good = self._check()
        except (BadIndex, FileNotFoundError):
            self._index.clear()
            ends, good = {name: file.first for name, file in self._files.items()}, 0
            self._levels = [0] * len(LEVELS)
        self._index.truncate(good)
        for source in OUTPUT:
            self._splitters[source] = Splitter(ends[source])
            at, size = ends[source], self._files[source].size
            while at < size:
                chunk = read_range(self._folder, source, at, min(at + (1 << 20), size))
                self._add_lines(source, self._splitters[source].feed(chunk), ESTIMATED)
                at += len(chunk)
        self._mend_notes(ends["notes"])

    def _check(self) -> tuple[dict[str, int], int]:
        """How far the index is right: where it ends in each file, and its last good seq."""
        good = self._first - 1
        ends = dict.fromkeys(self._files, -1)
        while words := self._index.read(good, 1 << 16):
            for i in range(0, len(words), 4):
                offset, _, sizes, mark = words[i : i + 4]
                source, level = mark >> 16 & 0xFF, mark >> LEVEL_SHIFT & 0xFF
                if source >= len(FILES) or level >= len(LEVELS):
                    return self._ends(ends), good
                name, length = FILES[source], sizes & 0xFFFFFFFF
                follows = ends[name] in (-1, offset) and (offset == 0 or ends[name] >= 0 or self._files[name].first > 0)
                if not follows or sizes >> 32 > length or offset + length > self._files[name].size:
                    return self._ends(ends), good
                ends[name] = offset + length
                self._levels[level] += 1
                good += 1
        return self._ends(ends), good

    def _ends(self, ends: dict[str, int]) -> dict[str, int]:
        return {name: self._files[name].first if end < 0 else end for name, end in ends.items()}

    def _mend_notes(self, start: int) -> None:
        notes = self._files["notes"]
        data = read_range(self._folder, "notes", start, notes.size)
        whole = data.rfind(b"\n") + 1
        notes.truncate(start + whole)
        for line in data[:whole].splitlines(keepends=True):
            record = Record(seq=0, **json.loads(line))
            words = array("Q", (start, int(record.ts * 1000), len(line) | len(line) << 32, self._note_mark(record)))
            self._index.append(words)
            self._levels[level_code(record.level)] += 1
            start += len(line)


def kept_first(folder: Path) -> int:
    """The oldest seq that retention has left."""
    try:
        return int(json.loads((folder / "kept").read_bytes())["first"])
    except FileNotFoundError:
        return 1


def _note(record: Record) -> bytes:
    value: dict[str, Any] = record.to_json()
    del value["seq"]
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def _read_steps(folder: Path) -> dict[str, int]:
    try:
        names = (folder / "steps").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    return {json.loads(name): i for i, name in enumerate(names, 1)}


def _add_step(folder: Path, steps: dict[str, int], name: str) -> int:
    if len(steps) >= 0xFFFF:  # a mark has 16 bits for it; what comes later has no step
        return 0
    with (folder / "steps").open("a", encoding="utf-8") as file:
        file.write(json.dumps(name) + "\n")
    steps[name] = len(steps) + 1
    return steps[name]
