"""Grid of terminal cells on which one line is drawn. Server and kernels; stdlib, no I/O.

Bounds: moves end at COLUMNS (or the end of the text), rows at MAX_ROWS around the first; further ones overlap there.
"""

from __future__ import annotations

from collections.abc import Sequence

from . import sgr
from .cell_width import ZERO_WIDTH_JOINER, cell_width

COLUMNS = 120
"""Columns of the terminals that workloads have; a cursor moves no further unless the text is longer."""

MAX_ROWS = 40
_ABSOLUTE = 1000  # row numbers of `CSI H` lie behind all that are relative to the line
_MAX_MARKS = 16  # zero-width characters in one cell
_MAX_FOLDED = 8  # visits to the alternate screen that are kept
ROW_GAP = "  "
"""Stands between texts of different rows in one record."""

ALTERNATE_LABEL = "[full screen] "

_LINES = dict(zip(map(ord, "`abcdefghijklmnopqrstuvwxyz{|}~"), "◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·", strict=True))

Pen = tuple[sgr.Style, str]  # and the address of a link
Cell = tuple[str, Pen] | None  # None: never written, or erased; "" is the second cell of a wide character
_BLANK: Pen = (sgr.PLAIN, "")


class Screen:
    """Rows of cells with a cursor; `link` is the address that text gets from now on."""

    def __init__(self) -> None:
        self.link = ""
        self._style = sgr.PLAIN
        self._rows: dict[int, list[Cell]] = {}
        self._row = self._column = 0
        self._saved = (0, 0)
        self._main: tuple[dict[int, list[Cell]], int, int] | None = None  # while the alternate screen is shown
        self._folded: list[str] = []
        self._charsets = ["B", "B"]
        self._shift = 0

    # --- text ---------------------------------------------------------------------------------------------------------

    def put(self, text: str) -> None:
        """Write at the cursor, over what is there."""
        if self._charsets[self._shift] == "0":
            text = text.translate(_LINES)
        cells, pen = self._cells(), (self._style, self.link)
        if text.isascii() and text.isprintable():
            self._write(cells, [(char, pen) for char in text])
            return
        for char in text:
            width = 0 if self._before(cells)[1].endswith(ZERO_WIDTH_JOINER) else cell_width(char)
            if width:
                self._write(cells, [(char, pen), ("", pen)][:width])
            else:
                self._combine(cells, char)

    def _write(self, cells: list[Cell], written: Sequence[Cell]) -> None:
        start, stop = self._column, self._column + len(written)
        _split_wide(cells, start)
        _split_wide(cells, stop)
        cells[start:stop] = written
        self._column = stop

    def _combine(self, cells: list[Cell], char: str) -> None:
        at, before = self._before(cells)
        if before and len(before) < _MAX_MARKS and (cell := cells[at]):
            cells[at] = (before + char, cell[1])

    def _before(self, cells: list[Cell]) -> tuple[int, str]:
        """The character before the cursor, and its cell; "" if there is none."""
        at = self._column - 1
        if at > 0 and (cell := cells[at]) and cell[0] == "":
            at -= 1
        cell = cells[at] if at >= 0 else None
        return at, cell[0] if cell else ""

    def _cells(self) -> list[Cell]:
        """The cells of the cursor's row, at least up to the cursor."""
        cells = self._rows.setdefault(self._row, [])
        cells.extend([None] * (self._column - len(cells)))
        return cells

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
            self._charsets[sequence[0] == ")"] = sequence[1]
        elif sequence == "7":
            self._saved = (self._row, self._column)
        elif sequence == "8":
            self._row, self._column = self._saved
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
        elif not parameters.strip("0123456789;"):
            first, _, second = parameters.partition(";")
            self._move(final, _number(first), _number(second.partition(";")[0]))

    def _move(self, final: str, first: int, second: int) -> None:
        count = max(1, first)
        match final:
            case "A" | "F" | "B" | "E" | "e":
                self._move_rows(-count if final in "AF" else count)
                self._column = 0 if final in "EF" else self._column
            case "C" | "a":
                self._move_to(self._column + count)
            case "D":
                self._move_to(self._column - count)
            case "G" | "`":
                self._move_to(count - 1)
            case "I" | "Z":
                self._move_to((self._column // 8 + count) * 8 if final == "I" else (-(-self._column // 8) - count) * 8)
            case "H" | "f":
                self._place(first, second)
            case "d":
                self._row = _ABSOLUTE + min(count, MAX_ROWS)
            case "s":
                self._saved = (self._row, self._column)
            case "u":
                self._row, self._column = self._saved
            case _:
                self._edit(final, first, count)

    def _edit(self, final: str, mode: int, count: int) -> None:
        match final:
            case "K":
                self._erase_in_line(mode)
            case "J":
                self._erase_in_display(mode)
            case "P":
                self._delete(count)
            case "X":
                self._blank(self._column, self._column + count)
            case "@":
                self._insert(count)

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
        cells = self._cells()
        if mode == 2:
            cells.clear()
        elif mode == 1:
            self._blank(0, self._column + 1)
        elif mode == 0:
            _split_wide(cells, self._column)
            del cells[self._column :]

    def _erase_in_display(self, mode: int) -> None:
        if mode in {2, 3}:
            self._rows.clear()
        elif mode in {0, 1}:
            self._erase_in_line(mode)
            for row in [row for row in self._rows if (row > self._row if mode == 0 else row < self._row)]:
                del self._rows[row]

    def _blank(self, start: int, stop: int) -> None:
        cells = self._cells()
        stop = min(stop, len(cells))
        if start < stop:
            _split_wide(cells, start)
            _split_wide(cells, stop)
            cells[start:stop] = [None] * (stop - start)

    def _delete(self, count: int) -> None:
        cells, stop = self._cells(), self._column + count
        _split_wide(cells, self._column)
        _split_wide(cells, stop)
        del cells[self._column : stop]

    def _insert(self, count: int) -> None:
        cells = self._cells()
        if self._column < len(cells):
            _split_wide(cells, self._column)
            limit = max(COLUMNS, len(cells))
            cells[self._column : self._column] = [None] * min(count, limit - self._column)
            del cells[limit:]

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
        rows = (_styled(self._rows[row]) for row in sorted(self._rows))
        return ROW_GAP.join(row for row in rows if row)


def _number(digits: str) -> int:
    return int(digits[:6]) if digits else 0


def _split_wide(cells: list[Cell], at: int) -> None:
    """Blank both halves of a wide character that would be cut before cell `at`."""
    if 0 < at < len(cells) and (cell := cells[at]) and cell[0] == "":
        cells[at - 1] = cells[at] = None


def _styled(cells: list[Cell]) -> str:
    """The cells as text with SGR and OSC 8, without blanks at the end; "" if only blanks are there."""
    end = len(cells)
    while end and ((cell := cells[end - 1]) is None or (cell[0] == " " and not _is_visible(cell[1]))):
        end -= 1
    made: list[str] = []
    style, link = _BLANK
    for cell in cells[:end]:
        char, (new_style, new_link) = cell or (" ", _BLANK)
        if new_link != link:
            made.append(f"\x1b]8;;{new_link}\x1b\\")
        if new_style != style:
            made.append(sgr.change(style, new_style))
        style, link = new_style, new_link
        made.append(char)
    made += ["\x1b[0m"] if style != sgr.PLAIN else []
    made += ["\x1b]8;;\x1b\\"] if link else []
    return "".join(made)


def _is_visible(pen: Pen) -> bool:
    """Whether a space shows in this style."""
    style = pen[0]
    return style.bg is not None or style.inverse or style.underline or style.strike
