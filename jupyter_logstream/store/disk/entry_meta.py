"""The marks of output: source, level, step and flags of each line, made in columns. stdlib; for the writer of a log.

One of these per source. This file must not know where lines are kept, nor how steps got their numbers.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...model.records import SOURCES
from ...text.levels import MARKER, Guesser, Tracebacks, places, plain
from ...text.lines import PART, Lines
from ...text.step_markers import marker_in
from ...text.tracebacks import State as TracebackState
from .layout import STEP_BEGIN, STEP_END, STEP_FAILED, mark_column, mark_of, marks_in

State = tuple[int | None, TracebackState | None]

_GUESSER = Guesser()  # what it remembers serves every source


@dataclass(frozen=True, slots=True)
class Marked:
    """The marks of lines; their level codes; the number of the step that is open behind them, and whether it turned."""

    marks: array[int]
    levels: bytes | bytearray
    step: int
    turns: bool = False


class Marks:
    """Makes the marks of one source's lines. `state` is all it remembers: a writer whose disk is full puts it back."""

    __slots__ = ("_part", "_source", "_tracebacks")

    def __init__(self, source: str) -> None:
        self._source = SOURCES.index(source)
        self._tracebacks = Tracebacks()
        self._part: int | None = None  # the level of an over-long line that is not yet at its end

    @property
    def state(self) -> State:
        """To be put back, nothing else."""
        return self._part, self._tracebacks.state

    @state.setter
    def state(self, state: State) -> None:
        self._part, self._tracebacks.state = state

    def mark(self, lines: Lines, flag: int, step: int, number_of: Callable[[str], int]) -> Marked:
        """The marks of the next lines. `flag`: of all of them; `step`: the open one; `number_of`: a step's by its name.

        Raises what `number_of` raises.
        """
        count = len(lines.texts)
        codes = _GUESSER.guess(lines.texts)
        if self._part is not None or (lines.flags and any(flag & PART for flag in lines.flags)):
            codes = self._whole(codes or bytearray(count), lines.flags or [0] * count)
        codes = self._tracebacks.spread(lines.texts, codes)
        plain_mark = mark_of(source=self._source, flags=flag, step=step)
        if codes is None and lines.flags is None:
            return Marked(array("Q", [plain_mark]) * count, bytes(count), step)
        column = mark_column(plain_mark, count)
        if lines.flags is not None:
            column[4::8] = bytes([flag | of_line for of_line in lines.flags])
        if codes is None:
            return Marked(marks_in(column), bytes(count), step)
        markers = places(codes, MARKER) if MARKER in codes else []
        codes = codes.replace(b"%c" % MARKER, b"\0") if markers else codes
        column[3::8] = codes
        turns = False
        for at, following in zip(markers, [*markers[1:], count], strict=False):
            flags, of_marker, step = _turn(lines.texts[at], step, number_of)
            turns = turns or flags > 0
            _fill(column, at, at + 1, of_marker)
            column[8 * at + 4] |= flags
            _fill(column, at + 1, following, step)
        return Marked(marks_in(column), codes, step, turns)

    def _whole(self, codes: bytearray, flags: Sequence[int]) -> bytearray:
        """All parts of an over-long line have the level of its first."""
        for i, flag in enumerate(flags):
            if self._part is not None:
                codes[i] = self._part
            self._part = (codes[i] if codes[i] != MARKER else 0) if flag & PART else None
        return codes


def _turn(text: bytes, step: int, number_of: Callable[[str], int]) -> tuple[int, int, int]:
    """What a marker line does: its flags, the step that it belongs to, the step behind it."""
    marker = marker_in(plain(text))
    if marker is None or (marker.name is None and not step):
        return 0, step, step
    if marker.name is None:
        return STEP_END | (STEP_FAILED if marker.failed else 0), step, 0
    number = number_of(marker.name)
    return STEP_BEGIN if number else STEP_END, number, number  # one beyond the most only ends the one before


def _fill(column: bytearray, start: int, stop: int, step: int) -> None:
    """Give lines their step."""
    for byte, value in enumerate(step.to_bytes(2, "little")):
        column[8 * start + byte : 8 * stop : 8] = bytes([value]) * (stop - start)
