"""Width of characters in terminal cells: 0, 1 or 2. Server and kernels; stdlib, no I/O.

By Unicode's East Asian width (UAX #11), as wcwidth does.
"""

from __future__ import annotations

from functools import lru_cache
from unicodedata import category, east_asian_width

ZERO_WIDTH_JOINER = "\u200d"


@lru_cache(maxsize=4096)
def cell_width(char: str) -> int:
    """The number of cells that a character takes; combining marks, controls and formatting take none."""
    if char < "\u0300":
        return int(char >= "\xa0" or " " <= char <= "~")
    if category(char) in {"Mn", "Me", "Cf"} or "\u1160" <= char <= "\u11ff":
        return 0
    return 2 if east_asian_width(char) in {"W", "F"} else 1
