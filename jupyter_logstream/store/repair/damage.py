"""What can still be said of a log that was damaged: which records are lost, how many there were, which is the first.

For its one writer, in the runner or the server; stdlib. Damage stays local: a record is lost if bytes of it are gone,
and no other; it keeps its number, time, level and step. This file must not know what damaged the log, nor mend it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from ..disk.index import Index, IndexWriter
from ..disk.layout import FILES, INDEX_SEGMENT, file_of, lost, segments
from ..disk.segments import SegmentedFile
from ..disk.sidecars import Kept
from ..errors import BadIndex

_AT_ONCE = 1 << 14  # entries


def mark_lost(index: IndexWriter, first: int, name: str, start: int, end: int) -> int:
    """Mark the records (from seq `first` on) as lost that have bytes between two offsets of a file; how many those are.

    Twice is as once. Raises BadIndex, FileNotFoundError.
    """
    found, upto, passed = 0, index.lines, False
    while upto >= first and not passed:
        after = max(upto - _AT_ONCE, first - 1)
        words, hit = index.read(after, upto - after), 0
        for i in range(0, len(words), 4):
            if file_of(words[i + 3]) != name:
                continue
            if words[i] + (words[i + 2] & 0xFFFFFFFF) <= start:
                passed = True  # and what lies before it is not looked at
            elif words[i] < end:
                words[i + 3] = lost(words[i + 3])
                hit += 1
        if hit:
            index.replace(after, words)
        found, upto = found + hit, after
    return found


def known_lines(index: Index, first: int) -> int:
    """The last seq that the index tells of; entries of nothing but zeros are what a power cut leaves."""
    known = index.count()
    with contextlib.suppress(BadIndex, FileNotFoundError):
        while known >= first:
            after = max(known - 4096, first - 1)
            words = index.read(after, known - after)
            if len(words) // 4 < known - after:
                return 0  # a hole in the index: it tells nothing of the end
            for size in reversed(words[2::4]):
                if size:
                    return known
                known -= 1
    return 0


def kept_by_files(folder: Path, index: Index, files: Mapping[str, SegmentedFile]) -> Kept:
    """What retention must have left, where nobody says it: the records behind the last one before a file's bytes."""
    first, ends = 1, {name: file.first for name, file in files.items()}
    passed = dict.fromkeys(FILES, 0)
    numbers = segments(folder, "index")
    at = numbers[0] * INDEX_SEGMENT if numbers else 0
    try:
        while words := index.read(at, 1 << 16):
            for i in range(0, len(words), 4):
                name, at = file_of(words[i + 3]), at + 1
                passed[name] = words[i] + (words[i + 2] & 0xFFFFFFFF)
                if words[i] < files[name].first:
                    first, ends = at + 1, dict(passed)
    except (BadIndex, FileNotFoundError):
        return Kept(1, {name: file.first for name, file in files.items()})
    return Kept(first, {name: max(end, files[name].first) for name, end in ends.items()})
