"""Search in the bytes of a batch: whole blocks of lines at once, mapped to records by counting lines. Server.

Parts of over-long lines, published records, lost lines, and lines that need the terminal emulation are searched text by
text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from ...text.lines import CR, PART
from ...text.plain_lines import PlainLines, plain_lines
from ..errors import Unreadable
from ..text_search import positions_of
from .batch import DiskBatch, distinct
from .layout import FLAG_SHIFT, LOST, file_of
from .segments import read_range

if TYPE_CHECKING:
    from ..pattern import Check, Pattern

_MAX_BLOCK_BYTES = 32 * 1024 * 1024


def matching_positions(folder: Path, batch: DiskBatch, pattern: Pattern, check: Check) -> Sequence[int]:
    """Positions of the records that match. Raises FileNotFoundError (removed by retention), BadIndex, Unreadable.

    `check`: see `Batch.holding`.
    """
    parts: list[Sequence[int]] = []
    for name, positions in _files(batch).items():
        if name == "notes":
            parts.append(in_texts(batch, positions, pattern, check))
            continue
        odd = _odd(batch, positions)
        parts += [_in_run(folder, name, batch, run, pattern, check) for run in _runs(positions, odd)]
        parts.append(in_texts(batch, odd, pattern, check))
    found = [part for part in parts if part]
    return found[0] if len(found) == 1 else sorted(chain.from_iterable(found))


def in_texts(batch: DiskBatch, positions: Sequence[int], pattern: Pattern, check: Check) -> list[int]:
    """The same for some positions, text by text."""
    if not positions:
        return []
    texts = (batch if len(positions) == len(batch) else batch.pick(positions)).messages
    return [positions[i] for i in positions_of(pattern, texts, check)]


def _files(batch: DiskBatch) -> dict[str, Sequence[int]]:
    """The positions of the records in each file."""
    names = {meta: file_of(meta) for meta in distinct(batch.metas)}
    if len(set(names.values())) == 1:
        return dict.fromkeys(names.values(), range(len(batch)))
    found: dict[str, list[int]] = {name: [] for name in names.values()}
    for i, meta in enumerate(batch.metas):
        found[names[meta]].append(i)
    return dict(found)


def _odd(batch: DiskBatch, positions: Sequence[int]) -> list[int]:
    """Parts and lost lines: they are no whole lines."""
    odd = {meta for meta in distinct(batch.metas) if meta >> FLAG_SHIFT & (PART | LOST)}
    return [i for i in positions if batch.metas[i] in odd] if odd else []


def _runs(positions: Sequence[int], odd: Sequence[int]) -> Iterator[Sequence[int]]:
    """Adjacent positions between the odd ones."""
    if not odd:
        yield positions
        return
    apart, run = set(odd), []
    for i in positions:
        if i not in apart:
            run.append(i)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _in_run(
    folder: Path, name: str, batch: DiskBatch, run: Sequence[int], pattern: Pattern, check: Check
) -> Sequence[int]:
    lines = _lines(folder, name, batch, run)
    if lines is None:
        return in_texts(batch, run, pattern, check)
    parts = [run[numbers.start : numbers.stop] for numbers in pattern.lines_in(lines.block, len(run), check)]
    found = parts[0] if len(parts) == 1 else list(chain.from_iterable(parts))
    emulated = sorted({*(run[i] for i in lines.emulated), *_shortened(batch, run)})
    if not emulated:
        return found
    return sorted({*set(found).difference(emulated), *in_texts(batch, emulated, pattern, check)})


def _lines(folder: Path, name: str, batch: DiskBatch, run: Sequence[int]) -> PlainLines | None:
    """The lines of a run; None if loading their texts has to find out what is wrong with them."""
    start, last = batch.offsets[run[0]], run[-1]
    end = batch.offsets[last] + (batch.sizes[last] & 0xFFFFFFFF)
    if end - start > _MAX_BLOCK_BYTES:
        return None
    try:
        data = read_range(folder, name, start, end)
    except Unreadable:
        return None
    data = data if data.endswith(b"\n") else data + b"\n"
    lines = plain_lines(data)
    return lines if lines.block.count(b"\n") == len(run) else None


def _shortened(batch: DiskBatch, run: Sequence[int]) -> list[int]:
    """Lines whose text begins behind their first byte: redraws, or control sequences of more than a part."""
    if not any(meta >> FLAG_SHIFT & CR for meta in distinct(batch.metas)):
        return []
    return [i for i in run if (size := batch.sizes[i]) >> 32 != size & 0xFFFFFFFF]
