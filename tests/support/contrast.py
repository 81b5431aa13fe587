"""Contrast of two colours by WCAG 2. Test support."""

from __future__ import annotations

import re

MIN_CONTRAST = 4.5
"""Of text of normal size, level AA."""

Rgb = tuple[int, int, int]


def rgb(colour: str) -> Rgb:
    """A colour of a style sheet (`#rgb`, `#rrggbb`) or of a computed style (`rgb(1, 2, 3)`)."""
    if colour.startswith("#"):
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        red, green, blue = (int(digits[at : at + 2], 16) for at in (0, 2, 4))
    else:
        red, green, blue = (int(part) for part in re.findall(r"\d+", colour)[:3])
    return red, green, blue


def contrast(one: Rgb, other: Rgb) -> float:
    """From 1, the same luminance, to 21, black on white."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: Rgb) -> float:
    parts = (part / 255 for part in colour)
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
