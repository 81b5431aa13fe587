"""Terminal text as safe HTML: escaped, colours from a fixed palette or as classes. Kernels, server; no I/O.

The HTML has `<b>`, `<i>`, `<u>` and `<span>`, and nothing that text can choose: no ids, links or classes of its own.
A viewer that removes styles loses the colours only. Sources: ECMA-48, xterm's ctlseqs.
"""

from __future__ import annotations

import html
from collections.abc import Iterator

from ..model.unprintable import printable
from . import sgr
from .lines import STYLING
from .terminal import terminal_text

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


def as_html(message: str) -> str:
    """A message as escaped HTML with its colours."""
    return "".join(_span(text, style) for text, style in _runs(message))


def as_classed_html(message: str) -> str:
    """The same with classes in place of colours, for a page whose style sheet has them.

    `b`, `d`, `i`, `u` and `s`: bold, dim, italic, underlined, struck through; `f0` to `f15` and `g0` to `g15`: colours
    of the text and of its background, `fx` and `gx` their defaults, exchanged.
    """
    return "".join(_classed(text, style) for text, style in _runs(message))


def _runs(message: str) -> Iterator[tuple[str, sgr.Style]]:
    """The parts of a message that have one style each."""
    style, at = sgr.PLAIN, 0
    text = terminal_text(message)
    for match in STYLING.finditer(text) if "\x1b" in text else ():
        if match.start() > at:
            yield text[at : match.start()], style
        at = match.end()
        if match[0].startswith("\x1b["):
            style = sgr.apply(style, match[0][2:-1])
    if at < len(text):
        yield text[at:], style


def _classed(text: str, style: sgr.Style) -> str:
    made = html.escape(printable(text), quote=False)
    if style == sgr.PLAIN:
        return made
    flags = (("b", style.bold), ("d", style.dim), ("i", style.italic), ("u", style.underline), ("s", style.strike))
    fg, bg = ("" if index is None else str(index) for index in (_palette(style.fg), _palette(style.bg)))
    if style.inverse:
        fg, bg = bg or "x", fg or "x"
    names = [name for name, on in flags if on] + [f"f{fg}"] * bool(fg) + [f"g{bg}"] * bool(bg)
    return f'<span class="{" ".join(names)}">{made}</span>' if names else made


def _span(text: str, style: sgr.Style) -> str:
    made = html.escape(printable(text), quote=False)
    for tag, on in (("b", style.bold), ("i", style.italic), ("u", style.underline)):
        if on:
            made = f"<{tag}>{made}</{tag}>"
    fg, bg = _palette(style.fg), _palette(style.bg)
    fg, bg = (bg, fg) if style.inverse else (fg, bg)
    if bg is not None:
        return f'<span style="background-color:{_PALETTE[bg]};color:#fff">{made}</span>'
    return made if fg is None else f'<span style="color:{_PALETTE[fg]}">{made}</span>'


def _palette(colour: sgr.Colour | None) -> int | None:
    """The palette colour nearest to a colour."""
    if colour is None or isinstance(colour, int):
        return colour
    return min(range(16), key=lambda i: sum((a - b) ** 2 for a, b in zip(colour, _RGB[i], strict=True)))
