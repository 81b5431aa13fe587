"""Damage assessment: mark records that lost bytes, find the known end and the retained range. Runner and server.

stdlib. A record is lost only if bytes of it are gone; it keeps its number, time, level and step.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..disk.index import Index, IndexWriter
from ..disk.layout import FILES, INDEX_SEGMENT, file_of, lost_meta, segments
from ..disk.running_totals import RunningTotals
from ..disk.segments import SegmentedFile
from ..disk.sidecars import RetainedRange
from ..errors import BadIndex

_BLOCK_ENTRIES = 1 << 14
_TOTALS_ENTRIES = 1 << 16


def mark_lost(index: IndexWriter, first: int, name: str, start: int, end: int) -> int:
    """Mark records (from seq `first` on) with bytes between two offsets of a file as lost; returns their number.

    Idempotent. Raises BadIndex, FileNotFoundError.
    """
    found, upto, passed = 0, index.lines, False
    while upto >= first and not passed:
        after = max(upto - _BLOCK_ENTRIES, first - 1)
        words, hit = index.read(after, upto - after), 0
        for i in range(0, len(words), 4):
            if file_of(words[i + 3]) != name:
                continue
            if words[i] + (words[i + 2] & 0xFFFFFFFF) <= start:
                passed = True  # entries before it lie before the range
            elif words[i] < end:
                words[i + 3] = lost_meta(words[i + 3])
                hit += 1
        if hit:
            index.replace(after, words)
        found, upto = found + hit, after
    return found


def mark_damaged(index: IndexWriter, name: str, ranges: Sequence[tuple[int, int, int]]) -> None:
    """Mark all records of a file in ranges of seqs (first, last, number) as lost. Idempotent. Raises OSError."""
    for first, last, _ in ranges:
        for after in range(first - 1, last, _BLOCK_ENTRIES):
            words = index.read(after, min(_BLOCK_ENTRIES, last - after))
            for i in range(3, len(words), 4):
                if file_of(words[i]) == name:
                    words[i] = lost_meta(words[i])
            index.replace(after, words)


def totals_of(index: Index, first: int, last: int) -> RunningTotals:
    """The totals of the records `first` to `last`; what lies before them was removed by retention."""
    totals, at = RunningTotals(), first - 1
    if at:
        totals.skip(at)
    while at < last and (words := index.read(at, min(_TOTALS_ENTRIES, last - at))):
        totals.add(words)
        at += len(words) // 4
    return totals


def known_end(index: Index, first: int) -> int:
    """The last seq that the index has; trailing zero entries, which a power cut leaves, do not count."""
    known = index.count()
    with contextlib.suppress(BadIndex, FileNotFoundError):
        while known >= first:
            after = max(known - 4096, first - 1)
            words = index.read(after, known - after)
            if len(words) // 4 < known - after:
                return 0  # a hole in the index: its end is unknown
            for size in reversed(words[2::4]):
                if size:
                    return known
                known -= 1
    return 0


def retained_by_files(folder: Path, index: Index, files: Mapping[str, SegmentedFile]) -> RetainedRange:
    """The retained range derived from index and files, for a damaged `kept` file."""
    numbers = segments(folder, "index")
    at = numbers[0] * INDEX_SEGMENT if numbers else 0
    first, ends = at + 1, {name: file.first for name, file in files.items()}
    passed = dict.fromkeys(FILES, 0)
    try:
        while words := index.read(at, 1 << 16):
            for i in range(0, len(words), 4):
                name, at = file_of(words[i + 3]), at + 1
                if not passed[name] and words[i] >= files[name].first:
                    ends[name] = words[i]  # the records before its first entry were removed
                passed[name] = words[i] + (words[i + 2] & 0xFFFFFFFF)
                if words[i] < files[name].first:
                    first, ends = at + 1, dict(passed)
    except (BadIndex, FileNotFoundError):
        return RetainedRange(1, {name: file.first for name, file in files.items()})
    return RetainedRange(first, {name: max(end, files[name].first) for name, end in ends.items()})
