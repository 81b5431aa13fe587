"""The layout of a log on disk: names, segments, the index's entries. stdlib; runner and server.

    stdout.000 stderr.000 ...  exact bytes, in segments of SEGMENT; offsets are global, so a download concatenates
    notes.000                  JSON lines: published and system records
    index.000 ...              a header, then one entry of 32 bytes per record; INDEX_SEGMENT entries a file
    steps                      JSON lines: the names of steps, in order
    masked                     how many secrets were replaced in it, in digits (absent: none)
    kept                       {"first": seq, "ends": {file: offset}}: what retention took away lies before `first`,
                               and in each file before its offset (absent: nothing)
    losses                     what mending was about to lose, until the log tells it (absent: nothing)
    end                        empty; its being there says that nothing will follow
    *.aside                    what another hand put in the place of one of these: never read, never deleted alone

An entry is four little-endian 64-bit words: offset; time in microseconds; length | tail << 32; mark. The
tail is how many of the line's bytes, at its end, hold its text and line end. Where bytes of a record were lost, zeros
stand in their place, and its mark says LOST. This file must not know who reads or writes.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
from array import array
from pathlib import Path

from ...model.records import SOURCES
from ...text.lines import CR, OPEN, PART
from ..errors import BadIndex

LAYOUT = 1
"""The layout's version, in every index header and beside the store; a store of another version is refused."""

SEGMENT = 64 * 1024 * 1024
INDEX_SEGMENT = 1 << 20
ENTRY = 32
OUTPUT = ("stdout", "stderr")
FILES = (*OUTPUT, "notes")

STEP_BITS = 0xFFFF
SOURCE_SHIFT, LEVEL_SHIFT, FLAG_SHIFT = 16, 24, 32
ESTIMATED = 8
"""Flag, beside those of a line (PART, CR, OPEN): the entry was made after a crash, so its time is when it was found."""
NOTE = 16
"""Flag: it is a line of `notes`, whatever its source."""
STEP_BEGIN, STEP_END, STEP_FAILED = 32, 64, 128
"""Flags: the line begins its step (which ends the one before); it ends the open one; which has failed."""
LEVEL_BYTE, STEP_FLAG_BYTE = 27, 28
"""Where in an entry's bytes the level and the flags of steps stand."""

LOST = 256
"""Flag: its bytes are gone. Its source is then `system`; the file they were in stands in the bits behind the flags."""
_FILE_SHIFT = 9
_SYSTEM = SOURCES.index("system")

_HEADER = struct.Struct("<8sHHI8sQ")
_MAGIC = b"JLSINDEX"


class Damaged(OSError):
    """A file is not as its one writer left it: removed, cut or replaced from outside. `name`: which."""

    def __init__(self, name: str) -> None:
        super().__init__(errno.ESTALE, f"{name} is not as its writer left it")
        self.name = name


def mark_of(*, source: int, level: int = 0, flags: int = 0, step: int = 0) -> int:
    """Pack a mark."""
    return step | source << SOURCE_SHIFT | level << LEVEL_SHIFT | flags << FLAG_SHIFT


def source_of(mark: int) -> int:
    """The code of the source in a mark."""
    return mark >> SOURCE_SHIFT & 0xFF


def level_of(mark: int) -> int:
    """The code of the level in a mark."""
    return mark >> LEVEL_SHIFT & 0xFF


def flags_of(mark: int) -> int:
    """The flags in a mark."""
    return mark >> FLAG_SHIFT


def lost(mark: int) -> int:
    """The mark of a record whose bytes are gone: of the same level and step. BadIndex for a mark that is none."""
    if mark >> FLAG_SHIFT & LOST:
        return mark
    flags = flags_of(mark) & ~(PART | CR | OPEN | NOTE) | LOST | FILES.index(file_of(mark)) << _FILE_SHIFT
    return mark_of(source=_SYSTEM, level=level_of(mark), flags=flags, step=mark & STEP_BITS)


def file_of(mark: int) -> str:
    """The file that a record's bytes lie in. BadIndex for a mark that is none."""
    flags = mark >> FLAG_SHIFT
    if flags & LOST and flags >> _FILE_SHIFT < len(FILES) and source_of(mark) == _SYSTEM:
        return FILES[flags >> _FILE_SHIFT]
    if flags & NOTE:
        return "notes"
    if source_of(mark) >= len(FILES) - 1:
        raise BadIndex(f"an index names the source {source_of(mark)}")
    return FILES[source_of(mark)]


def segment_path(folder: Path, name: str, number: int) -> Path:
    """The path of a file's segment."""
    return folder / f"{name}.{number:03d}"


def segments(folder: Path, name: str) -> list[int]:
    """The numbers of a file's segments that are there, in order."""
    prefix = name + "."
    found = [entry.name.removeprefix(prefix) for entry in os.scandir(folder) if entry.name.startswith(prefix)]
    # Only names that we give: "000" and "1000", not "0001", which would be looked for in vain.
    return sorted(int(n) for n in found if n.isascii() and n.isdigit() and f"{int(n):03d}" == n)


def extent(folder: Path, name: str) -> tuple[int, int]:
    """Where a file's bytes begin and end, in global offsets."""
    numbers = segments(folder, name)
    if not numbers:
        return 0, 0
    last = numbers[-1]
    size = segment_path(folder, name, last).stat(follow_symlinks=False).st_size
    return numbers[0] * SEGMENT, last * SEGMENT + min(size, SEGMENT)


def header(log_id: str, first_seq: int) -> bytes:
    """The header of an index segment: whose it is and where it begins, so that a foreign or older one is seen."""
    return _HEADER.pack(_MAGIC, LAYOUT, ENTRY, 0, log_id.encode()[-8:].rjust(8), first_seq)


def check_header(data: bytes, log_id: str, first_seq: int) -> None:
    """BadIndex if an index segment is not this log's."""
    if data != header(log_id, first_seq):
        raise BadIndex(f"the index of {log_id} is of another log or layout")


def mark_column(mark: int, count: int) -> bytearray:
    """So many marks in bytes, to be changed in columns: of each 8, two hold the step, then source, level, flags."""
    return bytearray(mark.to_bytes(8, "little") * count)


def marks_in(column: bytearray) -> array[int]:
    """The marks of a column."""
    marks = array("Q", bytes(column))
    if sys.byteorder == "big":
        marks.byteswap()
    return marks


def fill_sizes(words: array[int], lengths: list[int], tails: list[int]) -> None:
    """Give entries their sizes: lengths and tails are the halves of each third word, written in columns."""
    halves = memoryview(words).cast("B").cast("I")
    low, high = (4, 5) if sys.byteorder == "little" else (5, 4)
    halves[low::8] = column = array("I", lengths)
    halves[high::8] = column if tails is lengths else array("I", tails)


def tails_in(words: array[int]) -> list[int]:
    """The tails of entries."""
    halves = memoryview(words).cast("B").cast("I")
    return halves[5 if sys.byteorder == "little" else 4 :: 8].tolist()


def pack(words: array[int]) -> bytes:
    """Entries as they lie on disk."""
    if sys.byteorder == "big":
        words = words[:]
        words.byteswap()
    return words.tobytes()


def unpack(data: bytes) -> array[int]:
    """Entries from disk, four words each; an unfinished one at the end is left out."""
    words = array("Q", data[: len(data) - len(data) % ENTRY])
    if sys.byteorder == "big":
        words.byteswap()
    return words
