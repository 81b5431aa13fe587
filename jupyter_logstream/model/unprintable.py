"""Characters that act on a reader's screen instead of being shown: controls, bidi, zero width. Any process; stdlib.

The page has the same class (js/src/text/unprintable.ts); tests/vectors/unprintable.json tests both. Sources: Unicode
UAX #9 (bidirectional formatting), UAX #14 (line separators), UTS #39 (default-ignorable characters).
"""

from __future__ import annotations

import re

_CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f"  # tab and line feed are layout
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_SEPARATORS = "\u2028\u2029"
_INVISIBLE = "\u200b\u2060-\u2065\ufeff\ufff9-\ufffb"
_JOINERS = "\u200c\u200d"  # emoji and several scripts need them in text
_MARKS = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
_ACTIVE = _CONTROLS + _BIDI + _SEPARATORS + _INVISIBLE

MAX_STACKED_MARKS = 8
"""Combining marks shown on one letter; more than any language needs would cover the lines above."""

UNPRINTABLE_IN_NAME = re.compile(f"[{_ACTIVE}{_JOINERS}\t\n]")
"""One character that a name (one line, compared by eye) must not hold."""

_UNPRINTABLE = re.compile(f"[{_ACTIVE}]")
_EXCESS_MARKS = re.compile(f"([{_MARKS}]{{{MAX_STACKED_MARKS}}})[{_MARKS}]+")


def printable(text: str) -> str:
    """`text` with a control picture (`␀`) or an escape for each character that acts; excess marks become `…`."""
    if text.isascii() and text.isprintable():
        return text  # nearly always
    return _EXCESS_MARKS.sub(r"\1…", _UNPRINTABLE.sub(lambda match: _stand_in(ord(match[0])), text))


def _stand_in(code: int) -> str:
    if code < 0x20:
        return chr(0x2400 + code)  # the control pictures block
    return "\u2421" if code == 0x7F else f"\\u{code:04x}"
