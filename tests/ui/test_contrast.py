"""Contrast of the log view's colour tokens with JupyterLab's themes, computed from the style sheets (WCAG 2.1, 1.4.3).

The browser tests run axe in one theme each; this test covers all themes without a browser.
"""

from __future__ import annotations

import re
from functools import cache

import pytest
from support.bare_page import theme_variables
from support.paths import ROOT

VIEWS = ROOT / "js" / "src" / "views"
TOKENS = (VIEWS / "dom" / "base.css").read_text() + (VIEWS / "log" / "line-text.css").read_text()
THEMES = {"light": True, "dark": False, "dark-high-contrast": False}
"""JupyterLab's themes, and whether they are light ones."""

MIN_CONTRAST = 4.5
"""For text below 18 pt."""

Colour = tuple[float, float, float, float]
"""Red, green and blue (0-255), and the opacity (0-1)."""


def declarations(css: str) -> dict[str, str]:
    return dict(re.findall(r"(--[\w-]+):\s*([^;]+);", css))


def arguments(text: str) -> list[str]:
    """Split at the commas outside of parentheses."""
    parts, depth = [""], 0
    for char in text:
        depth += {"(": 1, ")": -1}.get(char, 0)
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts]


class Theme:
    """The values of the custom properties in one theme."""

    def __init__(self, name: str) -> None:
        self.is_light = THEMES[name]
        self._values = declarations(TOKENS) | declarations(theme_variables(name))

    def colour(self, value: str) -> Colour:
        """Resolve a CSS colour: a property's name, hex, rgb(), var(), light-dark(), color-mix() in srgb."""
        if value.startswith("--"):
            return self.colour(self._values[value])
        if value in {"white", "black"}:
            return self.colour({"white": "#fff", "black": "#000"}[value])
        if value.startswith("#"):
            digits = value[1:] if len(value) > 4 else "".join(digit * 2 for digit in value[1:])
            red, green, blue = (int(digits[i : i + 2], 16) for i in (0, 2, 4))
            return red, green, blue, 1.0
        function, _, rest = value.partition("(")
        inside = arguments(rest.rstrip()[:-1])
        if function == "var":
            return self.colour(inside[0] if inside[0] in self._values else inside[1])
        if function == "light-dark":
            return self.colour(inside[0 if self.is_light else 1])
        if function == "color-mix":
            first, _, percentage = inside[1].rpartition(" ")
            return mix(self.colour(first), self.colour(inside[2]), float(percentage.rstrip("%")) / 100)
        assert function in {"rgb", "rgba"}, value
        red, green, blue, *alpha = (float(number) for number in re.findall(r"[\d.]+", rest))
        return red, green, blue, alpha[0] if alpha else 1.0


def mix(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (a * share + b * (1 - share) for a, b in zip(first[:3], second[:3], strict=True))
    return red, green, blue, 1.0


def luminance(colour: Colour) -> float:
    """Relative luminance as WCAG 2.1 defines it."""
    channels = [channel / 255 for channel in colour[:3]]
    red, green, blue = (it / 12.92 if it <= 0.03928 else ((it + 0.055) / 1.055) ** 2.4 for it in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(text: Colour, background: Colour) -> float:
    """Contrast ratio, 1 to 21, of a text that can be translucent."""
    lighter, darker = sorted((luminance(mix(text, background, text[3])), luminance(background)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@cache
def theme(name: str) -> Theme:
    return Theme(name)


TEXTS = ["fg", "quiet", "dim", "good", "bad", "warn", "brand"]
"""Tokens of text. On tints, `quiet` and `brand` (JupyterLab's own) are too pale: `fg` and `dim` are used there."""

TINTS = {
    "error row": "color-mix(in srgb, var(--bad) 7%, var(--bg))",
    "notice": "color-mix(in srgb, var(--bad) 9%, var(--bg))",
    "match": "color-mix(in srgb, var(--brand) 10%, var(--bg))",
    "selected row": "color-mix(in srgb, var(--brand) 12%, var(--bg))",
    "step": "color-mix(in srgb, var(--good) 24%, var(--bg))",
    "hover": "var(--hover)",
}


@pytest.mark.parametrize("name", THEMES)
@pytest.mark.parametrize("background", ["--bg", "--bar"])
def test_every_text_colour_is_readable_on_the_backgrounds(name: str, background: str) -> None:
    ratios = {text: contrast(theme(name).colour(f"--{text}"), theme(name).colour(background)) for text in TEXTS}
    assert min(ratios.values()) >= MIN_CONTRAST, ratios


@pytest.mark.parametrize("name", THEMES)
@pytest.mark.parametrize("tint", TINTS)
def test_text_is_readable_on_tints(name: str, tint: str) -> None:
    background = theme(name).colour(TINTS[tint])
    ratios = {text: contrast(theme(name).colour(f"--{text}"), background) for text in ("fg", "dim")}
    assert min(ratios.values()) >= MIN_CONTRAST, ratios


@pytest.mark.parametrize("name", THEMES)
def test_error_text_is_readable_on_its_own_tints(name: str) -> None:
    bad = theme(name).colour("--bad")
    assert contrast(bad, theme(name).colour(TINTS["error row"])) >= MIN_CONTRAST
    assert contrast(bad, theme(name).colour(TINTS["notice"])) >= MIN_CONTRAST


@pytest.mark.parametrize("name", THEMES)
def test_the_sixteen_terminal_colours_are_readable(name: str) -> None:
    ratios = {
        number: contrast(theme(name).colour(f"--ansi-{number}"), theme(name).colour("--bg")) for number in range(16)
    }
    assert min(ratios.values()) >= MIN_CONTRAST, ratios


def test_contrast_of_black_on_white_is_21() -> None:
    assert round(contrast((0, 0, 0, 1), (255, 255, 255, 1)), 1) == 21.0
