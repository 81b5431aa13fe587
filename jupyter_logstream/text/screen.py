"""Grid of terminal cells on which one line is drawn. Server and kernels; stdlib, no I/O.

Bounds: moves end at COLUMNS (or the end of the text), rows at MAX_ROWS around the first; further ones overlap there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from . import sgr
from .cell_width import NARROW, WIDE, ZERO_WIDTH_JOINER, cell_width
from .cells import BLANK, Cells

COLUMNS = 120
"""Columns of the terminals that workloads have; a cursor moves no further unless the text is longer."""

MAX_ROWS = 40
_ABSOLUTE = 1000  # row numbers of `CSI H` lie behind all that are relative to the line
_MAX_EDITED_CELLS = 2_000_000  # that erasing, inserting and deleting may touch in one line: bounds their time
_MAX_FOLDED = 8  # visits to the alternate screen that are kept
ROW_GAP = "  "
"""Stands between texts of different rows in one record."""

ALTERNATE_LABEL = "[full screen] "

_LINES = dict(zip(map(ord, "_`abcdefghijklmnopqrstuvwxyz{|}~"), " ◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·"))

_RUNS = re.compile(rf"(?P<narrow>[{NARROW}]+)|(?P<wide>[{WIDE}]+)|(?P<other>.)", re.DOTALL)


class Screen:
    """Rows of cells with a cursor; `link` is the address that text gets from now on."""

    def __init__(self) -> None:
        self.link = ""
        self._style, self._pen = sgr.PLAIN, BLANK
        self._rows: dict[int, Cells] = {}
        self._row = self._column = 0
        self._saved: tuple[int, int, sgr.Style, tuple[str, str], int] = (0, 0, sgr.PLAIN, ("B", "B"), 0)
        self._main: tuple[dict[int, Cells], int, int] | None = None  # while the alternate screen is shown
        self._folded: list[str] = []
        self._charsets = ("B", "B")
        self._shift = 0
        self._edits_left = _MAX_EDITED_CELLS
        self._has_joiners = False

    # --- text ---------------------------------------------------------------------------------------------------------

    def put(self, text: str) -> None:
        """Write at the cursor, over what is there."""
        if self._charsets[self._shift] == "0":
            text = text.translate(_LINES)
        if self._pen[0] is not self._style or self._pen[1] != self.link:
            self._pen = (self._style, self.link)
        cells = self._cells()
        self._has_joiners = self._has_joiners or ZERO_WIDTH_JOINER in text
        if not self._has_joiners and text.isascii() and text.isprintable():
            self._write(cells, text)
            return
        for run in _RUNS.finditer(text):
            found = run[0]
            if self._has_joiners and cells.joins(self._column):
                cells.combine(self._column, found[0])
                found = found[1:]
            if run.lastgroup == "narrow":
                self._write(cells, found)
            elif run.lastgroup == "wide":
                self._write(cells, [half for char in found for half in (char, "")])
            elif found:
                self._put_one(cells, found)

    def _put_one(self, cells: Cells, char: str) -> None:
        width = cell_width(char)
        if width:
            self._write(cells, [char, ""][:width])
        else:
            cells.combine(self._column, char)

    def _write(self, cells: Cells, chars: Sequence[str]) -> None:
        cells.write(self._column, chars, self._pen)
        self._column += len(chars)

    def _cells(self) -> Cells:
        """The cells of the cursor's row, at least up to the cursor."""
        cells = self._rows.get(self._row)
        if cells is None:
            cells = self._rows[self._row] = Cells()
        cells.extend(self._column)
        return cells

    def _edited(self) -> Cells | None:
        """The cells of the cursor's row; None once the line had too many edits."""
        cells = self._cells()
        self._edits_left -= len(cells)
        return cells if self._edits_left > 0 else None

    # --- control ------------------------------------------------------------------------------------------------------

    def control(self, char: str) -> None:
        """CR, BS, TAB, SO or SI."""
        if char == "\r":
            self._column = 0
        elif char == "\b":
            self._column = max(0, self._column - 1)
        elif char == "\t":
            self._move_to((self._column // 8 + 1) * 8)
        else:
            self._shift = int(char == "\x0e")

    def escape(self, sequence: str) -> None:
        """What follows ESC: character sets, the saved cursor, moves by a row."""
        if len(sequence) == 2 and sequence[0] in "()":
            first, second = self._charsets
            self._charsets = (sequence[1], second) if sequence[0] == "(" else (first, sequence[1])
        elif sequence == "7":
            self._save()
        elif sequence == "8":
            self._restore()
        elif sequence in {"D", "E", "M"}:
            self._move_rows(-1 if sequence == "M" else 1)
            self._column = 0 if sequence == "E" else self._column

    def csi(self, sequence: str) -> None:
        """What follows `ESC [`; unknown and unfinished sequences do nothing."""
        final, parameters = sequence[-1:], sequence[:-1]
        if final == "m" and not parameters.strip("0123456789;:"):
            self._style = sgr.apply(self._style, parameters)
        elif parameters[:1] == "?" and final in {"h", "l"}:
            if parameters[1:] in {"47", "1047", "1049"}:
                self._switch(alternate=final == "h")
        elif parsed := _numbers(parameters):
            self._move(final, *parsed)

    def _move(self, final: str, first: int, second: int) -> None:
        count = max(1, first)
        if final in {"A", "F", "B", "E", "e"}:
            self._move_rows(-count if final in "AF" else count)
            self._column = 0 if final in "EF" else self._column
        elif final in {"C", "a"}:
            self._move_to(self._column + count)
        elif final == "D":
            self._move_to(self._column - count)
        elif final in {"G", "`"}:
            self._move_to(count - 1)
        elif final in {"I", "Z"}:
            self._move_to((self._column // 8 + count) * 8 if final == "I" else (-(-self._column // 8) - count) * 8)
        elif final in {"H", "f"}:
            self._place(first, second)
        elif final == "d":
            self._row = _ABSOLUTE + min(count, MAX_ROWS)
        elif final == "s":
            self._save()
        elif final == "u":
            self._restore()
        else:
            self._edit(final, first, count)

    def _edit(self, final: str, mode: int, count: int) -> None:
        if final == "J":
            self._erase_in_display(mode)
        elif final == "K":
            self._erase_in_line(mode)
        elif final in {"P", "X", "@"} and (cells := self._edited()) is not None:
            if final == "P":
                cells.delete(self._column, count)
            elif final == "X":
                cells.erase(self._column, self._column + count)
            elif self._column < len(cells):
                cells.insert(self._column, count, max(COLUMNS, len(cells)))

    def _save(self) -> None:
        self._saved = (self._row, self._column, self._style, self._charsets, self._shift)

    def _restore(self) -> None:
        self._row, self._column, self._style, self._charsets, self._shift = self._saved

    def _move_to(self, column: int) -> None:
        limit = max(COLUMNS - 1, self._column, len(self._rows.get(self._row, ())))
        self._column = max(0, min(column, limit))

    def _move_rows(self, count: int) -> None:
        base = _ABSOLUTE if self._row > _ABSOLUTE // 2 else 0
        self._row = max(base - MAX_ROWS, min(base + MAX_ROWS, self._row + count))

    def _place(self, row: int, column: int) -> None:
        self._row = _ABSOLUTE + min(max(1, row), MAX_ROWS)
        self._move_to(max(1, column) - 1)

    def _erase_in_line(self, mode: int) -> None:
        if mode == 1:
            if (cells := self._edited()) is not None:
                cells.erase(0, self._column + 1)
        elif mode in {0, 2}:
            self._cells().truncate(self._column if mode == 0 else 0)

    def _erase_in_display(self, mode: int) -> None:
        if mode in {2, 3}:
            self._rows.clear()
        elif mode in {0, 1}:
            self._erase_in_line(mode)
            for row in [row for row in self._rows if (row > self._row if mode == 0 else row < self._row)]:
                del self._rows[row]

    def _switch(self, *, alternate: bool) -> None:
        if alternate and self._main is None:
            self._main = (self._rows, self._row, self._column)
            self._rows = {}
        elif not alternate:
            if (text := self._joined().strip()) and len(self._folded) < _MAX_FOLDED:
                self._folded.append(ALTERNATE_LABEL + text)
            self._rows, self._row, self._column = self._main or ({}, 0, 0)
            self._main = None

    # --- result -------------------------------------------------------------------------------------------------------

    def text(self) -> str:
        """The rows that hold text, from top to bottom, as one line; what the alternate screen showed behind them."""
        if self._main is not None:
            self._switch(alternate=False)
        return ROW_GAP.join([row for row in (self._joined(), *self._folded) if row])

    def _joined(self) -> str:
        rows = (self._rows[row].text() for row in sorted(self._rows))
        return ROW_GAP.join(row for row in rows if row)


@lru_cache(maxsize=1024)
def _numbers(parameters: str) -> tuple[int, int] | None:
    """The first two parameters of a sequence, 0 where they are left out; None for a private sequence."""
    if parameters.strip("0123456789;"):
        return None
    first, second, *_ = (*parameters.split(";"), "")
    return int(first[:6] or 0), int(second[:6] or 0)
