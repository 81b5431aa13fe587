"""Colours of exported pages: every text has the contrast that WCAG 2 requires, on every background, in both themes."""

from __future__ import annotations

import re

import pytest
from support.contrast import MIN_CONTRAST, contrast, rgb

from jupyter_logstream.server.export.html_style import DARK, LIGHT, STYLE


def variables(theme: int) -> dict[str, str]:
    """The page's own colours: of the light theme (0), of the dark one (1)."""
    return dict(re.findall(r"--(\w+):(#[0-9a-f]+)", re.findall(r":root\{(--fg[^}]*)\}", STYLE)[theme]))


@pytest.mark.parametrize(("theme", "palette"), [(0, LIGHT), (1, DARK)])
def test_every_colour_is_readable_on_every_background(theme: int, palette: tuple[str, ...]) -> None:
    own = variables(theme)
    texts = [*palette, own["fg"], own["dim"]]
    pairs = [(text, own[below]) for text in texts for below in ("bg", "warn", "error")]
    pairs += [(own["bg"], below) for below in palette]
    assert [pair for pair in pairs if contrast(*map(rgb, pair)) < MIN_CONTRAST] == []
