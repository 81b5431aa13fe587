"""What is visible of bytes: without escape sequences and zero-width characters, and where each byte of it comes from.

A colour code or a zero-width space inside a secret hides it from a search, not from a reader. Any process; stdlib.
"""

from __future__ import annotations

import re
from bisect import bisect_right

_ESCAPE = rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)|[()][0-9A-Za-z]|[78=>])"
# U+00AD, U+034F, U+200B to U+200F, U+202A to U+202E, U+2060 to U+206F, U+FE00 to U+FE0F, U+FEFF
_ZERO_WIDTH = rb"\xe2(?:\x80[\x8b-\x8f\xaa-\xae]|\x81[\xa0-\xaf])|\xef(?:\xbb\xbf|\xb8[\x80-\x8f])|\xc2\xad|\xcd\x8f"
_ESCAPES = re.compile(_ESCAPE)
_INVISIBLE = re.compile(rb"\x00|" + _ESCAPE + rb"|" + _ZERO_WIDTH)
_HINTS = {
    b"\xe2": re.compile(rb"\xe2[\x80\x81][\x8b-\x8f\xa0-\xaf]"),
    b"\xef": re.compile(rb"\xef[\xbb\xb8]"),
    b"\xc2": re.compile(rb"\xc2\xad"),
    b"\xcd": re.compile(rb"\xcd\x8f"),
}
_MAX_ESCAPE_BYTES = 4100
_UNFINISHED = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]{0,4096}\x1b?|[()])?\Z")
_UNFINISHED_CHARACTER = re.compile(rb"(?:\xe2[\x80\x81]?|\xef[\xbb\xb8]?|\xc2|\xcd)\Z")
_COLOURS = re.compile(rb"\x1b\[[0-9;:]*m")


class Visible:
    """The visible bytes of some data. `text`: these; `is_all`: whether nothing is invisible.

    `at_end`: leave out also an unfinished sequence at the end of the data, which begins at `finished`.
    """

    __slots__ = ("_cuts", "_data", "_pattern", "_shifts", "finished", "is_all", "text")

    def __init__(self, data: bytes, *, at_end: bool = False) -> None:
        self._data = data
        self._pattern = _pattern_for(data)
        self._cuts: list[int] | None = None
        self._shifts: list[int] = []
        self.text = data if self._pattern is None else self._pattern.sub(b"", data)
        cut = len(self.text) - _finished(self.text) if at_end else 0
        self.finished = len(data) - cut
        if cut:
            self.text = self.text[:-cut]
        self.is_all = len(self.text) == len(data)

    def place(self, at: int) -> int:
        """Where the visible byte `at` is in the data, or where the data ends."""
        if self._pattern is None:
            return at
        if self._cuts is None:
            self._find_cuts()
        return at + self._shifts[bisect_right(self._cuts or [], at)]

    def span(self, start: int, stop: int) -> tuple[int, int]:
        """A span of the visible bytes as a span of the data."""
        return self.place(start), self.place(stop - 1) + 1

    def _find_cuts(self) -> None:
        assert self._pattern is not None  # noqa: S101 - checked by the caller
        self._cuts, self._shifts, removed = [], [0], 0
        for found in self._pattern.finditer(self._data):
            self._cuts.append(found.start() - removed)
            removed += len(found[0])
            self._shifts.append(removed)


def may_hide(data: bytes) -> bool:
    """Whether something in the data can be invisible; False for plain ASCII."""
    return b"\x1b" in data or b"\0" in data or not data.isascii()


def colours(data: bytes) -> bytes:
    """The colour codes in some data: they stay where the rest is replaced, since they act on what follows."""
    return b"".join(_COLOURS.findall(data)) if b"\x1b" in data else b""


def _finished(text: bytes) -> int:
    """Where an unfinished escape sequence or zero-width character at the end begins; the length if none does."""
    for begin in b"\x1b]", b"\x1b":  # a string first, since its end is an escape sequence, too
        at = text.rfind(begin, -_MAX_ESCAPE_BYTES)
        if at >= 0 and _UNFINISHED.match(text, at):
            return at
    if not text[-2:].isascii() and (found := _UNFINISHED_CHARACTER.search(text, max(len(text) - 2, 0))):
        return found.start()
    return len(text)


def _pattern_for(data: bytes) -> re.Pattern[bytes] | None:
    """The pattern of what is invisible in the data; None if nothing is."""
    if b"\0" in data or (
        not data.isascii() and any(first in data and hint.search(data) for first, hint in _HINTS.items())
    ):
        return _INVISIBLE
    return _ESCAPES if b"\x1b" in data else None
