"""Terminal text as safe HTML or plain text: escaped, colours from a fixed palette. Kernels; stdlib, no I/O.

The HTML has `<b>`, `<i>`, `<u>` and `<span>` with a colour, and nothing that text can choose: no ids, classes or links.
A viewer that removes styles loses the colours only. Sources: ECMA-48, xterm's ctlseqs.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, replace

from ..model.unprintable import printable
from .lines import SGR, clean

# Medium brightness, readable on white and on black: a saved notebook does not know its viewer's theme.
_PALETTE = (
    "#7c7c7c", "#ce534e", "#308d40", "#98770a", "#367dd2", "#a95bc4", "#148897", "#7c7c7c",
    "#7c7c7c", "#d74c43", "#2e8d44", "#9b7600", "#357cd8", "#ac58c9", "#0f8899", "#7c7c7c",
)  # fmt: skip
_RGB = (
    (0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0), (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229),
    (127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0), (92, 92, 255), (255, 0, 255), (0, 255, 255),
    (255, 255, 255),
)  # fmt: skip

_C1 = str.maketrans(
    {
        "\x9b": "\x1b[",
        "\x9d": "\x1b]",
        "\x90": "\x1bP",
        "\x98": "\x1bX",
        "\x9e": "\x1b^",
        "\x9f": "\x1b_",
        "\x9c": "\x1b\\",
    }
)
_MAX_PARAMETERS = 64


@dataclass(frozen=True, slots=True)
class _Style:
    fg: int | None = None
    bg: int | None = None
    bold: bool = False
    italic: bool = False
    underline: bool = False
    inverse: bool = False


_PLAIN = _Style()
_FLAGS = {1: "bold", 3: "italic", 4: "underline", 21: "underline", 7: "inverse"}
_CLEARS = {22: "bold", 23: "italic", 24: "underline", 27: "inverse"}


def plain_text(message: str) -> str:
    """A message as plain text: without escape sequences, with stand-ins for unprintable characters."""
    if message.isascii() and message.isprintable():
        return message  # nearly always
    return printable(SGR.sub("", clean(message.translate(_C1))))


def as_html(message: str) -> str:
    """A message as escaped HTML with its colours."""
    style, made, at = _PLAIN, [], 0
    text = clean(message.translate(_C1))
    for match in SGR.finditer(text):
        made.append(_span(text[at : match.start()], style))
        style, at = _apply(style, match[1]), match.end()
    made.append(_span(text[at:], style))
    return "".join(made)


def _span(text: str, style: _Style) -> str:
    if not text:
        return ""
    made = html.escape(printable(text), quote=False)
    for tag, on in (("b", style.bold), ("i", style.italic), ("u", style.underline)):
        if on:
            made = f"<{tag}>{made}</{tag}>"
    fg, bg = (style.bg, style.fg) if style.inverse else (style.fg, style.bg)
    if bg is not None:
        return f'<span style="background-color:{_PALETTE[bg]};color:#fff">{made}</span>'
    return made if fg is None else f'<span style="color:{_PALETTE[fg]}">{made}</span>'


def _apply(style: _Style, parameters: str) -> _Style:
    codes = [int(code or 0) for code in re.split("[;:]", parameters[:512], maxsplit=_MAX_PARAMETERS)[:_MAX_PARAMETERS]]
    at = 0
    while at < len(codes):
        code = codes[at]
        at += 1
        if code in {38, 48}:
            colour, used = _extended(codes[at : at + 5], colons=":" in parameters)
            at += used
            style = replace(style, fg=colour) if code == 38 else replace(style, bg=colour)
        else:
            style = _apply_one(style, code)
    return style


def _apply_one(style: _Style, code: int) -> _Style:
    if code == 0:
        return _PLAIN
    if code in _FLAGS:
        return replace(style, **{_FLAGS[code]: True})
    if code in _CLEARS:
        return replace(style, **{_CLEARS[code]: False})
    if 30 <= code <= 37 or 90 <= code <= 97:
        return replace(style, fg=code - (30 if code < 40 else 82))
    if 40 <= code <= 47 or 100 <= code <= 107:
        return replace(style, bg=code - (40 if code < 50 else 92))
    return replace(style, fg=None) if code == 39 else replace(style, bg=None) if code == 49 else style


def _extended(codes: list[int], *, colons: bool) -> tuple[int | None, int]:
    """The palette colour nearest to `5;n` or `2;r;g;b`, and the number of codes consumed."""
    if len(codes) >= 2 and codes[0] == 5:
        return _nearest(_indexed(min(255, codes[1]))), 2
    if codes and codes[0] == 2:
        skipped = 1 if colons and len(codes) > 4 else 0  # 38:2::r:g:b has an empty colour space
        red, green, blue = ([min(255, code) for code in codes[1 + skipped : 4 + skipped]] + [0, 0, 0])[:3]
        return _nearest((red, green, blue)), 4 + skipped
    return None, 1


def _indexed(n: int) -> tuple[int, int, int]:
    if n < 16:
        return _RGB[n]
    if n >= 232:
        grey = 8 + 10 * (n - 232)
        return (grey, grey, grey)
    red, green, blue = (55 + 40 * step if step else 0 for step in ((n - 16) // 36, (n - 16) // 6 % 6, (n - 16) % 6))
    return (red, green, blue)


def _nearest(colour: tuple[int, int, int]) -> int:
    return min(range(16), key=lambda i: sum((a - b) ** 2 for a, b in zip(colour, _RGB[i], strict=True)))
