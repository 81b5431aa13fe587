"""Which lines of a log hold a text: whole blocks of bytes are searched in C, no line is made of them. Server side.

Plain lines (no carriage return, no control sequence) are what their bytes are, so for them the answer is sure; of other
blocks nothing is said. This file must not know filters or patterns.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

from ...text.lines import PART
from ..disk.batch import Batch
from ..disk.layout import FLAG_SHIFT, LOST, NOTE, Unreadable, file_of
from ..disk.segments import read_range

_LARGEST = 32 * 1024 * 1024  # bytes searched in one go


def holding(folder: Path, batch: Batch, text: str, *, fold: bool) -> list[int] | None:
    """The positions in the batch whose lines hold an ASCII text (`fold`: in any case); None: look at each line.

    Raises FileNotFoundError where retention was quicker.
    """
    marks = set(batch.marks)
    if not text.isascii() or "\n" in text or any(mark >> FLAG_SHIFT & (PART | NOTE | LOST) for mark in marks):
        return None
    files = {mark: file_of(mark) for mark in marks}
    found: list[int] = []
    for name in set(files.values()):
        alone = len(set(files.values())) == 1
        positions = range(len(batch)) if alone else [i for i, mark in enumerate(batch.marks) if files[mark] == name]
        part = _search(folder, name, batch, positions, text.encode(), fold=fold)
        if part is None:
            return None
        found += part
    return sorted(found)


def _search(
    folder: Path, name: str, batch: Batch, positions: Sequence[int], text: bytes, *, fold: bool
) -> list[int] | None:
    starts = [batch.offsets[i] for i in positions]
    first, end = starts[0], starts[-1] + (batch.sizes[positions[-1]] & 0xFFFFFFFF)
    if end - first > _LARGEST:
        return None
    try:
        data = read_range(folder, name, first, end)
    except Unreadable:  # whoever reads the texts knows better which
        return None
    if b"\x1b" in data or b"\r" in data:
        return None
    if fold:
        data = data.lower()
    hits: list[int] = []
    at = data.find(text)
    while at >= 0:
        line = bisect_right(starts, first + at)
        hits.append(positions[line - 1])
        at = data.find(text, starts[line] - first) if line < len(starts) else -1
    return hits
