"""Search of a pattern in texts, one by one. Server; no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..text.terminal import searched_text

if TYPE_CHECKING:
    from .pattern import Check, Pattern  # the runner does not import its engine

_CHARS_PER_CHECK = 10_000


def positions_of(pattern: Pattern, texts: Sequence[str], check: Check) -> list[int]:
    """The positions of the texts that match without their styles. `check` is called every few texts."""
    found: list[int] = []
    chars = 0
    for i, text in enumerate(texts):
        chars += len(text) + 100
        if chars > _CHARS_PER_CHECK:
            chars = 0
            check()
        if pattern.contains(searched_text(text)):
            found.append(i)
    return found
