"""On-disk layout of a log: file names, segments, index entries. Runner and server; stdlib.

    stdout.000 stderr.000 ...  exact bytes in segments of SEGMENT bytes; offsets are global, so a download concatenates
    notes.000                  JSON lines: published and system records
    index.000 ...              a header, then one entry of 32 bytes per record; INDEX_SEGMENT entries a file
    steps                      JSON lines: the names of steps, in order
    masked                     number of secrets replaced, in digits (absent: none)
    kept                       {"first": seq, "ends": {file: offset}}: the retained range (absent: everything)
    losses                     write-ahead journal of data loss, until the log reports it (absent: nothing)
    positions                  journal of the positions in followed files, while they are followed (runner/)
    end                        empty; if it exists, nothing follows
    acknowledged               {file: offset}, on the machine of a mirrored runner: what the server has
    *.aside                    quarantined: found in the place of one of these files; never read, removed with the log

An entry is four little-endian 64-bit words: offset; time in microseconds; length | tail << 32; metadata. The tail is
the number of bytes at the end of the line that hold its text and line end. Lost bytes are a hole of zeros, and the
metadata of the record has the flag LOST.

Migration: a new layout increments LAYOUT, and `FileStore` gets a function per older version, `{1: migrate_1_to_2}`,
that it calls on the locked store before it writes the new number to `layout`. A newer layout is refused. Until then
every version reads and writes layout 1, and unknown files in a log's folder are ignored.
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
"""Version of the layout, in every index header and in the file `layout` of the store; others are refused."""

SEGMENT = 64 * 1024 * 1024
INDEX_SEGMENT = 1 << 20
ENTRY = 32
MIN_LOG_BYTES = 3 * SEGMENT + 2 * INDEX_SEGMENT * ENTRY
"""Smallest limit of a log that retention can enforce: the newest segment of each file, and two of the index, stay."""
MIRROR_FACTOR = 2
"""A mirrored log can use its limit this many times while its oldest bytes are not acknowledged by the server."""
OUTPUT = ("stdout", "stderr")
FILES = (*OUTPUT, "notes")
SIDECARS = ("steps", "masked", "kept", "losses", "end")

STEP_BITS = 0xFFFF
SOURCE_SHIFT, LEVEL_SHIFT, FLAG_SHIFT = 16, 24, 32
ESTIMATED = 8
"""Flag, beside those of a line (PART, CR, OPEN): the entry was made by a repair, so its time is that of the repair."""
NOTE = 16
"""Flag: the record is a line of `notes`, whatever its source."""
STEP_BEGIN, STEP_END, STEP_FAILED = 32, 64, 128
"""Flags: the line begins its step (ending the one before); it ends the open step; that step failed."""
LEVEL_BYTE, STEP_FLAG_BYTE = 27, 28
"""Position of the level and of the step flags in the 32 bytes of an entry."""

LOST = 256
"""Flag: the bytes are lost. The source is then `system`, and the bits above the flags name the file."""
_FILE_SHIFT = 9
_SYSTEM = SOURCES.index("system")

_HEADER = struct.Struct("<8sHHI8sQ")
_MAGIC = b"JLSINDEX"


class Damaged(OSError):
    """Another process removed, truncated or replaced a file that is being written. `name`: which."""

    def __init__(self, name: str) -> None:
        super().__init__(errno.ESTALE, f"{name} was changed by another process while it was written")
        self.name = name


def pack_meta(*, source: int, level: int = 0, flags: int = 0, step: int = 0) -> int:
    """Pack the metadata word of an entry."""
    return step | source << SOURCE_SHIFT | level << LEVEL_SHIFT | flags << FLAG_SHIFT


def source_of(meta: int) -> int:
    """Source code of an entry's metadata."""
    return meta >> SOURCE_SHIFT & 0xFF


def level_of(meta: int) -> int:
    """Level code of an entry's metadata."""
    return meta >> LEVEL_SHIFT & 0xFF


def flags_of(meta: int) -> int:
    """Flags of an entry's metadata."""
    return meta >> FLAG_SHIFT


def lost_meta(meta: int) -> int:
    """Metadata of the same record with lost bytes: level and step stay. BadIndex if the metadata is invalid."""
    if meta >> FLAG_SHIFT & LOST:
        return meta
    flags = flags_of(meta) & ~(PART | CR | OPEN | NOTE) | LOST | FILES.index(file_of(meta)) << _FILE_SHIFT
    return pack_meta(source=_SYSTEM, level=level_of(meta), flags=flags, step=meta & STEP_BITS)


def file_of(meta: int) -> str:
    """Name of the file that holds a record's bytes. BadIndex if the metadata is invalid."""
    flags = meta >> FLAG_SHIFT
    if flags & LOST and flags >> _FILE_SHIFT < len(FILES) and source_of(meta) == _SYSTEM:
        return FILES[flags >> _FILE_SHIFT]
    if flags & NOTE:
        return "notes"
    if source_of(meta) >= len(FILES) - 1:
        raise BadIndex(f"an index names the source {source_of(meta)}")
    return FILES[source_of(meta)]


def segment_path(folder: Path, name: str, number: int) -> Path:
    """The path of a file's segment."""
    return folder / f"{name}.{number:03d}"


def segments(folder: Path, name: str) -> list[int]:
    """Numbers of the existing segments of a file, ascending."""
    prefix = name + "."
    found = [entry.name.removeprefix(prefix) for entry in os.scandir(folder) if entry.name.startswith(prefix)]
    # Only canonical names ("000", "1000"): a segment is opened by its number, so "0001" would not be found.
    return sorted(int(n) for n in found if n.isascii() and n.isdigit() and f"{int(n):03d}" == n)


def extent(folder: Path, name: str) -> tuple[int, int]:
    """Global offsets of the beginning and the end of a file."""
    numbers = segments(folder, name)
    if not numbers:
        return 0, 0
    last = numbers[-1]
    size = os.stat(segment_path(folder, name, last), follow_symlinks=False).st_size
    return numbers[0] * SEGMENT, last * SEGMENT + min(size, SEGMENT)


def header(log_id: str, first_seq: int) -> bytes:
    """Header of an index segment: log and first seq, so that a foreign or older index is detected."""
    return _HEADER.pack(_MAGIC, LAYOUT, ENTRY, 0, log_id.encode()[-8:].rjust(8), first_seq)


def check_header(data: bytes, log_id: str, first_seq: int) -> None:
    """Raise BadIndex if an index segment does not belong to this log."""
    if data != header(log_id, first_seq):
        raise BadIndex(f"the index of {log_id} is of another log or layout")


def meta_column(meta: int, count: int) -> bytearray:
    """`count` equal metadata words as bytes, to be changed by column: 2 bytes step, then source, level, flags."""
    return bytearray(meta.to_bytes(8, "little") * count)


def metas_in(column: bytearray) -> array[int]:
    """The metadata words of a column."""
    metas = array("Q", bytes(column))
    if sys.byteorder == "big":
        metas.byteswap()
    return metas


def fill_sizes(words: array[int], lengths: list[int], tails: list[int]) -> None:
    """Set lengths and tails, the halves of the third word of each entry, by column."""
    halves = memoryview(words).cast("B").cast("I")
    low, high = (4, 5) if sys.byteorder == "little" else (5, 4)
    halves[low::8] = column = array("I", lengths)
    halves[high::8] = column if tails is lengths else array("I", tails)


def fill_steps(metas: array[int], start: int, stop: int, step: int) -> None:
    """Set the step, the lowest 16 bits, of adjacent metadata words."""
    quarters = memoryview(metas).cast("B").cast("H")
    lowest = 0 if sys.byteorder == "little" else 3
    quarters[4 * start + lowest : 4 * stop : 4] = array("H", [step]) * (stop - start)


def tails_in(words: array[int]) -> list[int]:
    """Tails of entries."""
    halves = memoryview(words).cast("B").cast("I")
    return halves[5 if sys.byteorder == "little" else 4 :: 8].tolist()


def pack(words: array[int]) -> bytes:
    """Entries as bytes on disk."""
    if sys.byteorder == "big":
        words = words[:]
        words.byteswap()
    return words.tobytes()


def unpack(data: bytes) -> array[int]:
    """Entries from bytes on disk, four words each, without an incomplete one at the end."""
    words = array("Q", data[: len(data) - len(data) % ENTRY])
    if sys.byteorder == "big":
        words.byteswap()
    return words
