"""Verification of an index against the bytes of its log. Runner and server; changes nothing.

After a crash or damage no entry is trusted: each must begin where the one before it in its file ends, and be exactly
one line of the bytes, so that a wrong offset is never served. Where the entries continue a file but the bytes are no
line, either is wrong: if a later entry of the file fits again, the bytes are damaged and only their records are lost;
otherwise the index is wrong from there on.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from ...model.records import LEVELS, SOURCES
from ...model.slots import SLOTS
from ...text.lines import OPEN, PART
from ..disk.index import Index
from ..disk.layout import FILES, FLAG_SHIFT, LOST, SEGMENT, extent, file_of, level_of, source_of
from ..disk.segments import read_range
from ..disk.sidecars import RetainedRange
from ..errors import BadIndex

_BLOCK_ENTRIES = 1 << 14
_LF, _CR = b"\n\r"

Ranges = list[tuple[int, int, int]]
"""Ranges of seqs that hold records of one file: first, last, and the number of these records."""


@dataclass(frozen=True, **SLOTS)
class Verified:
    """The valid part of an index: up to seq `good`, which ends at `ends` in each file.

    `damaged`: the records in it whose bytes are damaged: all records of the file in each range.
    """

    good: int
    ends: Mapping[str, int]
    damaged: Mapping[str, Ranges]


class _Fit(Enum):
    """How an entry that continues its file fits the bytes. UNCLEAR: the bytes or the entry are damaged."""

    LINE = 1
    UNCLEAR = 2
    WRONG = 3


def verify(folder: Path, index: Index, retained: RetainedRange) -> Verified:
    """The valid part of the index, and the damaged records in it.

    Raises BadIndex or FileNotFoundError if no part of the index can be read.
    """
    if index.count() < retained.first - 1:
        raise BadIndex("the index ends before the retained range")
    walk = Walk(folder, retained)
    while words := index.read(walk.good, _BLOCK_ENTRIES):
        if not walk.read(words):
            break
    else:
        walk.finish()
    return walk.result()


@dataclass(**SLOTS)
class _Suspicion:
    """Records of a file whose bytes are no lines: first, last, number, and where all files ended before them."""

    first: int
    last: int
    number: int
    ends: Mapping[str, int]


@dataclass(**SLOTS)
class Walk:
    """Reads entries in order. `suspected`: UNCLEAR records per file, until a later record of the file fits."""

    folder: Path
    retained: RetainedRange
    good: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    damaged: dict[str, Ranges] = field(default_factory=dict)
    suspected: dict[str, _Suspicion] = field(default_factory=dict)
    continued: set[str] = field(default_factory=lambda: set(FILES))  # files whose next record follows no line end

    def __post_init__(self) -> None:
        self.good = self.retained.first - 1
        self.ends = {name: self.retained.ends.get(name, 0) for name in FILES}
        self.sizes = {name: extent(self.folder, name)[1] for name in FILES}

    def read(self, words: array[int]) -> bool:
        """Verify the next entries; returns whether all of them can be valid."""
        kinds = {meta: _kind(meta) for meta in set(words[3::4])}
        data = {name: self._bytes_of(name, words, kinds) for name in FILES}
        ends, continued = self.ends, self.continued
        for offset, size, meta in zip(words[0::4], words[2::4], words[3::4]):
            name, is_open = kinds[meta]
            if not name or offset != ends[name]:
                return False
            fit = _fit(*data[name], offset, size, meta, continued=name in continued)
            if fit is _Fit.WRONG:
                return False
            if fit is _Fit.UNCLEAR:
                self._suspect(name)
            elif name in self.suspected:
                self._confirm(name)
            if is_open:
                continued.add(name)
            elif continued:
                continued.discard(name)
            ends[name] = offset + (size & 0xFFFFFFFF)
            self.good += 1
        return True

    def finish(self) -> None:
        """All entries continue their files: damage at the end of a file is confirmed if they cover all its bytes."""
        for name in list(self.suspected):
            if self.ends[name] == self.sizes[name]:
                self._confirm(name)

    def result(self) -> Verified:
        """What was verified, without records that no later one confirms and everything behind them."""
        good, ends = self.good, self.ends
        if self.suspected:
            first = min(self.suspected.values(), key=lambda suspicion: suspicion.first)
            good, ends = first.first - 1, dict(first.ends)
        return Verified(good, ends, {name: _upto(good, ranges) for name, ranges in self.damaged.items()})

    def _suspect(self, name: str) -> None:
        seq = self.good + 1
        suspicion = self.suspected.setdefault(name, _Suspicion(seq, seq, 0, dict(self.ends)))
        suspicion.last = seq
        suspicion.number += 1

    def _confirm(self, name: str) -> None:
        suspicion = self.suspected.pop(name)
        self.damaged.setdefault(name, []).append((suspicion.first, suspicion.last, suspicion.number))

    def _bytes_of(self, name: str, words: array[int], kinds: Mapping[int, tuple[str, bool]]) -> tuple[int, bytes]:
        """The bytes of a file that these entries cover (as far as they exist), and their offset.

        They begin with the byte before, which must be a line end, unless its segment may be removed.
        """
        length = sum(n & 0xFFFFFFFF for n, meta in zip(words[2::4], words[3::4]) if kinds[meta][0] == name)
        end = self.ends[name]
        start = end - 1 if length and end % SEGMENT else end
        return start, read_range(self.folder, name, start, min(end + length, self.sizes[name]))


def _upto(good: int, ranges: Ranges) -> Ranges:
    return [(first, min(last, good), min(number, good - first + 1)) for first, last, number in ranges if first <= good]


def file_in(meta: int) -> str:
    """The file of a record; "" if the metadata is wrong."""
    return _kind(meta)[0]


def _kind(meta: int) -> tuple[str, bool]:
    """The file of a record ("" if the metadata is wrong), and whether the next record need not follow a line end."""
    if source_of(meta) >= len(SOURCES) or level_of(meta) >= len(LEVELS):
        return "", False
    try:
        return file_of(meta), bool(meta >> FLAG_SHIFT & (PART | OPEN | LOST))
    except BadIndex:
        return "", False


def _fit(start: int, data: bytes, offset: int, size: int, meta: int, *, continued: bool) -> _Fit:
    """Whether an entry describes exactly one line of the bytes, with its text at the end."""
    length, tail, begin = size & 0xFFFFFFFF, size >> 32, offset - start
    end = begin + length
    if not length or end > len(data):
        return _Fit.WRONG
    flags = meta >> FLAG_SHIFT
    if flags & LOST:
        return _Fit.LINE
    if data.find(b"\n", begin, end) != (-1 if flags & (PART | OPEN) else end - 1):
        return _Fit.UNCLEAR
    if begin and data[begin - 1] != _LF and not continued:
        return _Fit.UNCLEAR
    if tail == length or (tail < length and ((not tail and flags & (PART | OPEN)) or data[end - tail - 1] == _CR)):
        return _Fit.LINE
    return _Fit.WRONG
