"""Metadata of index entries: source, level, step and flags of each line, built in columns. Runner and server; stdlib.

One builder per source.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...model.records import SOURCES
from ...model.slots import SLOTS
from ...text.levels import MARKER, Guesser, Tracebacks, places, plain
from ...text.lines import PART, Lines
from ...text.step_markers import marker_in
from ...text.tracebacks import State as TracebackState
from .layout import STEP_BEGIN, STEP_END, STEP_FAILED, meta_column, metas_in, pack_meta

State = tuple["int | None", "TracebackState | None"]  # quoted for the runner's Python 3.9

_GUESSER = Guesser()  # its cache serves every source


@dataclass(frozen=True, **SLOTS)
class EntryMetas:
    """Packed metadata and level codes of lines; the open step behind them, and whether a step began or ended."""

    metas: array[int]
    levels: bytes | bytearray
    step: int
    changes_steps: bool = False


class MetaBuilder:
    """Builds the metadata of one source's lines. Saving and restoring `state` undoes a `build` (disk full)."""

    __slots__ = ("_part", "_source", "_tracebacks")

    def __init__(self, source: str) -> None:
        self._source = SOURCES.index(source)
        self._tracebacks = Tracebacks()
        self._part: int | None = None  # level of an over-long line whose end has not come yet

    @property
    def state(self) -> State:
        """Opaque; only to be restored."""
        return self._part, self._tracebacks.state

    @state.setter
    def state(self, state: State) -> None:
        self._part, self._tracebacks.state = state

    def build(self, lines: Lines, flag: int, step: int, number_of: Callable[[str], int]) -> EntryMetas:
        """Metadata of the next lines. `flag`: set on each; `step`: the open one; `number_of`: number of a step name.

        Raises what `number_of` raises.
        """
        count = len(lines.texts)
        codes = _GUESSER.guess(lines.texts)
        if self._part is not None or (lines.flags and any(flag & PART for flag in lines.flags)):
            codes = self._whole(codes or bytearray(count), lines.flags or [0] * count)
        codes = self._tracebacks.spread(lines.texts, codes)
        plain_meta = pack_meta(source=self._source, flags=flag, step=step)
        if codes is None and lines.flags is None:
            return EntryMetas(array("Q", [plain_meta]) * count, bytes(count), step)
        column = meta_column(plain_meta, count)
        if lines.flags is not None:
            column[4::8] = bytes([flag | of_line for of_line in lines.flags])
        if codes is None:
            return EntryMetas(metas_in(column), bytes(count), step)
        markers = places(codes, MARKER) if MARKER in codes else []
        codes = codes.replace(b"%c" % MARKER, b"\0") if markers else codes
        column[3::8] = codes
        changes = False
        for at, following in zip(markers, [*markers[1:], count]):
            flags, of_marker, step = _turn(lines.texts[at], step, number_of)
            changes = changes or flags > 0
            _fill(column, at, at + 1, of_marker)
            column[8 * at + 4] |= flags
            _fill(column, at + 1, following, step)
        return EntryMetas(metas_in(column), codes, step, changes)

    def _whole(self, codes: bytearray, flags: Sequence[int]) -> bytearray:
        """Give all parts of an over-long line the level of its first part."""
        for i, flag in enumerate(flags):
            if self._part is not None:
                codes[i] = self._part
            self._part = (codes[i] if codes[i] != MARKER else 0) if flag & PART else None
        return codes


def _turn(text: bytes, step: int, number_of: Callable[[str], int]) -> tuple[int, int, int]:
    """Effect of a step marker line: its flags, the step it belongs to, the open step behind it."""
    marker = marker_in(plain(text))
    if marker is None or (marker.name is None and not step):
        return 0, step, step
    if marker.name is None:
        return STEP_END | (STEP_FAILED if marker.failed else 0), step, 0
    number = number_of(marker.name)
    return (
        STEP_BEGIN if number else STEP_END,
        number,
        number,
    )  # beyond the maximum number of steps it only ends the one before


def _fill(column: bytearray, start: int, stop: int, step: int) -> None:
    """Set the step number of lines."""
    for byte, value in enumerate(step.to_bytes(2, "little")):
        column[8 * start + byte : 8 * stop : 8] = bytes([value]) * (stop - start)
