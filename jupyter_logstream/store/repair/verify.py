"""Proof of an index: how far the bytes say what its entries say. stdlib; for whoever opens a log that may be damaged.

A wrong offset is never served, so after a crash nothing is believed: every entry must be one line of the bytes, behind
the one before it. This file changes nothing.
"""

from __future__ import annotations

from array import array
from pathlib import Path

from ...model.records import LEVELS, SOURCES
from ...text.lines import OPEN, PART
from ..disk.index import Index
from ..disk.layout import FILES, FLAG_SHIFT, LOST, extent, file_of, level_of, source_of
from ..disk.running_totals import Count
from ..disk.segments import read_range
from ..disk.sidecars import Kept
from ..errors import BadIndex

_AT_ONCE = 1 << 14  # entries


def proven(folder: Path, index: Index, kept: Kept) -> tuple[int, dict[str, int], Count]:
    """The last seq up to which the index is right, where that ends in each file, and what it comes to.

    Raises BadIndex and FileNotFoundError where nothing of the index can be read.
    """
    good = kept.first - 1
    if index.count() < good:
        raise BadIndex("the index ends before what retention has left")
    ends = {name: kept.ends.get(name, 0) for name in FILES}
    sizes = {name: extent(folder, name)[1] for name in FILES}
    count = Count()
    if good:
        count.skip(good)
    while words := index.read(good, _AT_ONCE):
        before = good
        proof = {name: _bytes_of(folder, name, words, ends[name], sizes[name]) for name in FILES}
        for offset, size, mark in zip(words[0::4], words[2::4], words[3::4], strict=True):
            if source_of(mark) >= len(SOURCES) or level_of(mark) >= len(LEVELS):
                break
            name = file_of(mark)
            if offset != ends[name] or not _is_line(*proof[name], offset, size, mark):
                break
            ends[name] = offset + (size & 0xFFFFFFFF)
            good += 1
        count.add(words[: 4 * (good - before)])
        if good < before + len(words) // 4:
            break
    return good, ends, count


def _bytes_of(folder: Path, name: str, words: array[int], start: int, size: int) -> tuple[int, bytes]:
    """The bytes of a file that entries speak of (no more than there are), and where they begin."""
    length = sum(n & 0xFFFFFFFF for n, mark in zip(words[2::4], words[3::4], strict=True) if _names(mark, name))
    return start, read_range(folder, name, start, min(start + length, size))


def _names(mark: int, name: str) -> bool:
    try:
        return file_of(mark) == name
    except BadIndex:
        return False


def _is_line(start: int, data: bytes, offset: int, size: int, mark: int) -> bool:
    """Whether the bytes say what an entry says: one line up to its end, and its text where it shall be."""
    length, tail, begin = size & 0xFFFFFFFF, size >> 32, offset - start
    if mark >> FLAG_SHIFT & LOST:
        return begin + length <= len(data) and data.find(b"\0", begin, begin + length) >= 0
    unended = bool(mark >> FLAG_SHIFT & (PART | OPEN))
    line_end = data.find(b"\n", begin, begin + length)
    if begin + length > len(data) or line_end != (-1 if unended else begin + length - 1):
        return False
    text = begin + length - tail
    return tail == length or (tail < length and ((tail == 0 and unended) or data[text - 1 : text] == b"\r"))
