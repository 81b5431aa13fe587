"""Verification of an index against the bytes of its log. Runner and server; changes nothing.

After a crash no entry is trusted: each must be exactly one line of the bytes, directly behind the one before it, so
that a wrong offset is never served.
"""

from __future__ import annotations

from array import array
from pathlib import Path

from ...model.records import LEVELS, SOURCES
from ...text.lines import OPEN, PART
from ..disk.index import Index
from ..disk.layout import FILES, FLAG_SHIFT, LOST, extent, file_of, level_of, source_of
from ..disk.running_totals import RunningTotals
from ..disk.segments import read_range
from ..disk.sidecars import RetainedRange
from ..errors import BadIndex

_BLOCK_ENTRIES = 1 << 14


def verified_prefix(folder: Path, index: Index, retained: RetainedRange) -> tuple[int, dict[str, int], RunningTotals]:
    """The last seq up to which the index is valid, where that ends in each file, and the totals up to there.

    Raises BadIndex or FileNotFoundError if no part of the index can be read.
    """
    good = retained.first - 1
    if index.count() < good:
        raise BadIndex("the index ends before the retained range")
    ends = {name: retained.ends.get(name, 0) for name in FILES}
    sizes = {name: extent(folder, name)[1] for name in FILES}
    totals = RunningTotals()
    if good:
        totals.skip(good)
    while words := index.read(good, _BLOCK_ENTRIES):
        before = good
        data = {name: _bytes_of(folder, name, words, ends[name], sizes[name]) for name in FILES}
        for offset, size, meta in zip(words[0::4], words[2::4], words[3::4], strict=True):
            if source_of(meta) >= len(SOURCES) or level_of(meta) >= len(LEVELS):
                break
            name = file_of(meta)
            if offset != ends[name] or not _is_line(*data[name], offset, size, meta):
                break
            ends[name] = offset + (size & 0xFFFFFFFF)
            good += 1
        totals.add(words[: 4 * (good - before)])
        if good < before + len(words) // 4:
            break
    return good, ends, totals


def _bytes_of(folder: Path, name: str, words: array[int], start: int, size: int) -> tuple[int, bytes]:
    """The bytes of a file that these entries cover (as far as they exist), and their offset."""
    length = sum(n & 0xFFFFFFFF for n, meta in zip(words[2::4], words[3::4], strict=True) if _names(meta, name))
    return start, read_range(folder, name, start, min(start + length, size))


def _names(meta: int, name: str) -> bool:
    try:
        return file_of(meta) == name
    except BadIndex:
        return False


def _is_line(start: int, data: bytes, offset: int, size: int, meta: int) -> bool:
    """Whether an entry describes exactly one line of the bytes, with its text at the end."""
    length, tail, begin = size & 0xFFFFFFFF, size >> 32, offset - start
    if meta >> FLAG_SHIFT & LOST:
        return begin + length <= len(data) and data.find(b"\0", begin, begin + length) >= 0
    unended = bool(meta >> FLAG_SHIFT & (PART | OPEN))
    line_end = data.find(b"\n", begin, begin + length)
    if begin + length > len(data) or line_end != (-1 if unended else begin + length - 1):
        return False
    text = begin + length - tail
    return tail == length or (tail < length and ((tail == 0 and unended) or data[text - 1 : text] == b"\r"))
