"""SGR (select graphic rendition): colours and styles of terminal text as values. Server and kernels; stdlib, no I/O.

The vectors are in tests/vectors/terminal.json. Sources: ECMA-48, ITU T.416
(colon forms), xterm's ctlseqs, kitty's underline styles (`4:3`, `58`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, Union

Colour = Union[int, tuple[int, int, int]]
"""An index into the palette of 16 colours, or red, green and blue."""

_MAX_PARAMETERS = 64
_MAX_CHARS = 512


class Style(NamedTuple):
    """How text is drawn. All defaults: plain."""

    fg: Colour | None = None
    bg: Colour | None = None
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    inverse: bool = False
    strike: bool = False


PLAIN = Style()
_FLAGS = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike", 21: "underline"}
_CLEARS = {
    22: ("bold", "dim"),
    23: ("italic",),
    24: ("underline",),
    27: ("inverse",),
    29: ("strike",),
    39: ("fg",),
    49: ("bg",),
}
_CODES = {"bold": "1", "dim": "2", "italic": "3", "underline": "4", "inverse": "7", "strike": "9"}
_COLOURS = {38, 48, 58}  # 58 colours the underline, which is drawn in the colour of the text


@lru_cache(maxsize=1024)
def apply(style: Style, parameters: str) -> Style:
    """`style` after an SGR sequence with these parameters; at most 64 of them count."""
    codes = parameters[:_MAX_CHARS].split(";", _MAX_PARAMETERS)[:_MAX_PARAMETERS]
    at = 0
    while at < len(codes):
        head, *rest = [_number(part) for part in codes[at].split(":")]
        at += 1
        if head in _COLOURS:
            if rest:
                colour = _colon_colour(rest)
            else:
                colour, used = _colour([_number(part) for part in codes[at : at + 4]])
                at += used
            if colour is not None and head != 58:
                style = style._replace(fg=colour) if head == 38 else style._replace(bg=colour)
        elif rest:
            style = style._replace(underline=rest[0] != 0) if head == 4 else style
        else:
            style = _apply_one(style, head)
    return style


@lru_cache(maxsize=1024)
def change(before: Style, style: Style) -> str:
    """The SGR sequence that turns the style `before` into `style`."""
    if style == PLAIN:
        return "\x1b[0m"
    codes = [code for name, code in _CODES.items() if getattr(style, name)]
    for colour, base in ((style.fg, 30), (style.bg, 40)):
        if isinstance(colour, tuple):
            codes.append(f"{base + 8};2;{colour[0]};{colour[1]};{colour[2]}")
        elif colour is not None:
            codes.append(str(base + colour if colour < 8 else base + 52 + colour))
    return f"\x1b[{';'.join(codes if before == PLAIN else ['0', *codes])}m"


def indexed(n: int) -> Colour:
    """The colour `n` of xterm's 256: 16 of the palette, a cube of 6 x 6 x 6, 24 greys."""
    if n < 16:
        return n
    if n >= 232:
        grey = 8 + 10 * (n - 232)
        return (grey, grey, grey)
    red, green, blue = (55 + 40 * step if step else 0 for step in ((n - 16) // 36, (n - 16) // 6 % 6, (n - 16) % 6))
    return (red, green, blue)


def _apply_one(style: Style, code: int) -> Style:
    if code == 0:
        return PLAIN
    if code in _FLAGS:
        return style._replace(**{_FLAGS[code]: True})
    if code in _CLEARS:
        return style._replace(**{name: PLAIN._asdict()[name] for name in _CLEARS[code]})
    if 30 <= code <= 37 or 90 <= code <= 97:
        return style._replace(fg=code - (30 if code < 40 else 82))
    if 40 <= code <= 47 or 100 <= code <= 107:
        return style._replace(bg=code - (40 if code < 50 else 92))
    return style


def _colour(codes: list[int]) -> tuple[Colour | None, int]:
    """The colour of `5;n` or `2;r;g;b`, and the number of codes that it takes."""
    mode, first, second, third = (*(max(0, min(255, code)) for code in codes), 0, 0, 0, 0)[:4]
    if mode == 5:
        return (indexed(first) if len(codes) > 1 else None), 2
    if mode == 2:
        return (first, second, third), 4
    return None, 1


def _colon_colour(codes: list[int]) -> Colour | None:
    """The colour of `5:n`, `2:r:g:b` or `2::r:g:b` (with a colour space)."""
    has_space = codes[0] == 2 and len(codes) > 4
    return _colour([codes[0], *codes[2 if has_space else 1 :]])[0]


def _number(digits: str) -> int:
    return int(digits[:9]) if digits.isdecimal() else 0 if digits == "" else -1
