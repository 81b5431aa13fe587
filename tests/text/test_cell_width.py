"""The page's table of wide characters agrees with Python's Unicode data."""

from __future__ import annotations

import re
from unicodedata import category

from support.paths import ROOT

from jupyter_logstream.text.cell_width import NARROW, WIDE, cell_width

WIDE_SINCE_UNICODE_16 = {
    *range(0x2630, 0x2638),
    *range(0x268A, 0x2690),
    *range(0x4DC0, 0x4E00),
    *range(0x1D300, 0x1D377),
}


def wide_in_the_page() -> set[int]:
    source = (ROOT / "js/src/text/cell-width.ts").read_text(encoding="utf-8")
    found = re.search(r'WIDE_RANGES =\s+"([^"]+)"', source)
    assert found
    last, wide = 0, set[int]()
    for distance, _, more in (entry.partition(".") for entry in found[1].split(" ")):
        first = last + int(distance, 36)
        last = first + int(more or "0", 36)
        wide.update(range(first, last + 1))
    return wide


def test_the_page_has_the_same_wide_characters() -> None:
    wide = wide_in_the_page()
    of_no_interest = {"Cn", "Cs", "Mn", "Me", "Cf"}  # unassigned, or without a width
    assigned = [code for code in range(0x300, 0x40000) if category(chr(code)) not in of_no_interest]
    stable = [code for code in assigned if code not in WIDE_SINCE_UNICODE_16]
    assert [hex(code) for code in stable if (cell_width(chr(code)) == 2) != (code in wide)] == []


def test_the_commonest_characters_are_of_their_classes() -> None:
    for pattern, cells in (NARROW, 1), (WIDE, 2):
        chars = [char for code in range(0xFFFF) if re.fullmatch(f"[{pattern}]", char := chr(code))]
        assert chars
        assert {cell_width(char) for char in chars} == {cells}
