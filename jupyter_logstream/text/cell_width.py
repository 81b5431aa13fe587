"""Width of characters in terminal cells: 0, 1 or 2. Server and kernels; stdlib, no I/O.

By Unicode's East Asian width (UAX #11), as wcwidth does. The page has its own table (js/src/text/cell-width.ts);
tests/text/test_cell_width.py compares both.
"""

from __future__ import annotations

from functools import lru_cache
from unicodedata import category, east_asian_width

ZERO_WIDTH_JOINER = "\u200d"

NARROW = r" -~\xa0-\xac\xae-\u02ff\u2010-\u2027\u2190-\u21ff\u2500-\u259f"
"""Characters that take one cell each, as the inside of a character class; the commonest only."""

WIDE = r"\u3041-\u3096\u30a1-\u30fa\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3"
"""Characters that take two cells each; the commonest only."""


@lru_cache(maxsize=4096)
def cell_width(char: str) -> int:
    """The number of cells that a character takes; combining marks, controls and formatting take none."""
    if char < "\u0300":
        return int(char >= "\xa0" or " " <= char <= "~")
    kind = category(char)
    if kind in {"Mn", "Me", "Cf"} or "\u1160" <= char <= "\u11ff":
        return 0
    if kind == "Cn":  # later versions of Unicode have emoji and ideographs there
        return 2 if "\U0001f300" <= char <= "\U0001faff" or "\U00020000" <= char <= "\U0003ffff" else 1
    return 2 if east_asian_width(char) in {"W", "F"} else 1
