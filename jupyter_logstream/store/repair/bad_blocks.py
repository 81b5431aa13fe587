"""Unreadable blocks: which lines of a batch the disk does not return. Server; called only after an I/O error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..disk.segments import read_range
from ..errors import Unreadable

_BLOCK_BYTES = 4096
_MAX_BAD_BLOCKS = 16  # found one by one; a dying disk is slow, so the rest counts as unreadable


def unreadable_lines(folder: Path, name: str, offsets: Sequence[int], sizes: Sequence[int]) -> list[int]:
    """Positions of the lines that have bytes in unreadable blocks of a file.

    `sizes`: length | tail << 32 of each line. Raises FileNotFoundError, and Unreadable if the error is temporary.
    """
    ends = [offset + (size & 0xFFFFFFFF) for offset, size in zip(offsets, sizes, strict=True)]
    blocks = _unreadable_blocks(folder, name, offsets[0], ends[-1])
    lines = enumerate(zip(offsets, ends, strict=True))
    return [i for i, (start, end) in lines if any(begin < end and start < stop for begin, stop in blocks)]


def _unreadable_blocks(folder: Path, name: str, start: int, end: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    while start < end:
        if len(found) == _MAX_BAD_BLOCKS:
            return [*found, (start, end)]
        stop = min((start // _BLOCK_BYTES + 1) * _BLOCK_BYTES, end)
        try:
            read_range(folder, name, start, stop)
        except Unreadable as error:
            if error.is_temporary:
                raise
            found.append((start, stop))
        start = stop
    return found
