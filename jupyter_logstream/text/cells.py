"""Cells of one row of a terminal: the characters and how they are drawn. Server and kernels; stdlib, no I/O.

Two columns, characters and pens, so that runs of text are written and read by slices instead of cell by cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from . import sgr
from .cell_width import ZERO_WIDTH_JOINER

Pen = tuple[sgr.Style, str]
"""How a cell is drawn, and the address that it links to."""

BLANK: Pen = (sgr.PLAIN, "")
_MAX_MARKS = 16  # zero-width characters in one cell


class Cells:
    """A row. "" is the second cell of a wide character; a cell that was never written, or erased, is blank."""

    __slots__ = ("_chars", "_pens")

    def __init__(self) -> None:
        self._chars: list[str] = []
        self._pens: list[Pen] = []

    def __len__(self) -> int:
        return len(self._chars)

    def write(self, at: int, chars: Sequence[str], pen: Pen) -> None:
        """Write characters ("" for the second cell of a wide one) over what is there; `at`: at most the end."""
        stop = at + len(chars)
        self._split_wide(at)
        self._split_wide(stop)
        self._chars[at:stop] = chars
        self._pens[at:stop] = [pen] * len(chars)

    def combine(self, at: int, char: str) -> None:
        """Add a zero-width character to the character before cell `at`."""
        cell = self._start_before(at)
        if cell >= 0 and len(self._chars[cell]) < _MAX_MARKS:
            self._chars[cell] += char

    def joins(self, at: int) -> bool:
        """Whether the character before cell `at` ends with a zero-width joiner, so that it takes the next one."""
        cell = self._start_before(at)
        return cell >= 0 and self._chars[cell].endswith(ZERO_WIDTH_JOINER)

    def extend(self, at: int) -> None:
        """Extend the row with blanks up to cell `at`."""
        missing = at - len(self._chars)
        if missing > 0:
            self._chars += [" "] * missing
            self._pens += [BLANK] * missing

    def truncate(self, at: int) -> None:
        """Remove all cells from `at` on."""
        self._split_wide(at)
        del self._chars[at:], self._pens[at:]

    def erase(self, start: int, stop: int) -> None:
        """Make the cells from `start` to `stop` blank."""
        stop = min(stop, len(self._chars))
        if start < stop:
            self._split_wide(start)
            self._split_wide(stop)
            self._chars[start:stop] = [" "] * (stop - start)
            self._pens[start:stop] = [BLANK] * (stop - start)

    def delete(self, at: int, count: int) -> None:
        """Remove `count` cells at `at`; the rest moves to the left."""
        self._split_wide(at)
        self._split_wide(at + count)
        del self._chars[at : at + count], self._pens[at : at + count]

    def insert(self, at: int, count: int, limit: int) -> None:
        """Insert `count` blanks at `at`; what moves beyond `limit` is dropped."""
        self._split_wide(at)
        count = min(count, limit - at)
        self._chars[at:at] = [" "] * count
        self._pens[at:at] = [BLANK] * count
        del self._chars[limit:], self._pens[limit:]

    def text(self) -> str:
        """The row as text with SGR and OSC 8, without blanks at its end; "" if only blanks are there."""
        chars, pens, end = self._chars, self._pens, len(self._chars)
        while end and chars[end - 1] == " " and not _is_visible(pens[end - 1]):
            end -= 1
        made: list[str] = []
        (style, link), at = BLANK, 0
        for (new_style, new_link), run in groupby(pens[:end]):
            stop = at + len(list(run))
            if new_link != link:
                made.append(f"\x1b]8;;{new_link}\x1b\\")
            if new_style != style:
                made.append(sgr.change(style, new_style))
            made += chars[at:stop]
            style, link, at = new_style, new_link, stop
        made += ["\x1b[0m"] if style != sgr.PLAIN else []
        made += ["\x1b]8;;\x1b\\"] if link else []
        return "".join(made)

    def _start_before(self, at: int) -> int:
        """The cell in which the character before cell `at` begins; -1 if there is none."""
        return at - 2 if at > 1 and self._chars[at - 1] == "" else at - 1

    def _split_wide(self, at: int) -> None:
        """Make both halves of a wide character blank that would be cut before cell `at`."""
        if 0 < at < len(self._chars) and self._chars[at] == "":
            self._chars[at - 1 : at + 1] = [" ", " "]
            self._pens[at - 1 : at + 1] = [BLANK, BLANK]


def _is_visible(pen: Pen) -> bool:
    """Whether a space shows in this style."""
    style = pen[0]
    return style.bg is not None or style.inverse or style.underline or style.strike
