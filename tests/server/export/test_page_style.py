"""Colours of exported pages: every text has the contrast that WCAG 2 requires, on every background, in both themes."""

from __future__ import annotations

import re

import pytest

from jupyter_logstream.server.export.html_style import DARK, LIGHT, STYLE

MIN_CONTRAST = 4.5


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def variables(theme: int) -> dict[str, str]:
    """The page's own colours: of the light theme (0), of the dark one (1)."""
    return dict(re.findall(r"--(\w+):(#[0-9a-f]+)", re.findall(r":root\{(--fg[^}]*)\}", STYLE)[theme]))


@pytest.mark.parametrize(("theme", "palette"), [(0, LIGHT), (1, DARK)])
def test_every_colour_is_readable_on_every_background(theme: int, palette: tuple[str, ...]) -> None:
    own = variables(theme)
    texts = [*palette, own["fg"], own["dim"]]
    weak = {
        (t, b): contrast(t, own[b])
        for t in texts
        for b in ("bg", "warn", "error")
        if contrast(t, own[b]) < MIN_CONTRAST
    }
    weak |= {(own["bg"], b): contrast(own["bg"], b) for b in palette if contrast(own["bg"], b) < MIN_CONTRAST}
    assert weak == {}
