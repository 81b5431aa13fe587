"""Substring search over blocks of raw bytes, without splitting them into lines. Server.

The text of a plain line (no carriage return, no control sequence) equals its bytes, so the answer is exact there; for
any other block the caller has to compare texts.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

from ...text.lines import PART
from ...text.terminal import equals_its_text
from ..errors import Unreadable
from .batch import DiskBatch
from .layout import FLAG_SHIFT, LOST, NOTE, file_of
from .segments import read_range

_MAX_SEARCH_BYTES = 32 * 1024 * 1024  # of one call


def holding(folder: Path, batch: DiskBatch, text: str, *, fold: bool) -> list[int] | None:
    """Positions in the batch whose lines contain an ASCII text (`fold`: ignoring case); None: compare each text.

    Raises FileNotFoundError if retention removed the bytes.
    """
    metas = set(batch.metas)
    if not text.isascii() or "\n" in text or any(meta >> FLAG_SHIFT & (PART | NOTE | LOST) for meta in metas):
        return None
    files = {meta: file_of(meta) for meta in metas}
    found: list[int] = []
    for name in set(files.values()):
        alone = len(set(files.values())) == 1
        positions = range(len(batch)) if alone else [i for i, meta in enumerate(batch.metas) if files[meta] == name]
        part = _search(folder, name, batch, positions, text.encode(), fold=fold)
        if part is None:
            return None
        found += part
    return sorted(found)


def _search(
    folder: Path, name: str, batch: DiskBatch, positions: Sequence[int], text: bytes, *, fold: bool
) -> list[int] | None:
    starts = [batch.offsets[i] for i in positions]
    first, end = starts[0], starts[-1] + (batch.sizes[positions[-1]] & 0xFFFFFFFF)
    if end - first > _MAX_SEARCH_BYTES:
        return None
    try:
        data = read_range(folder, name, first, end)
    except Unreadable:  # loading the texts reports which lines
        return None
    if not equals_its_text(data):
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
