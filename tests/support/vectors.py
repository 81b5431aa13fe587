"""Test vectors that Python and the page share (tests/vectors). Test support."""

from __future__ import annotations

import json
from typing import Any

from support.paths import VECTORS


def vectors(name: str) -> dict[str, Any]:
    """The table of `tests/vectors/NAME.json`; the page's tests read the same file."""
    table: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    return table
