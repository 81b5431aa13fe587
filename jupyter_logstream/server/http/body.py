"""JSON from a caller, read strictly: UTF-8, no NaN, no key twice, no half of a character. Server side."""

from __future__ import annotations

import json
from typing import Any


class BadJson(ValueError):
    """A text is not JSON as we take it; the text says why."""


def parse_json(data: bytes) -> Any:
    """The value. Raises BadJson."""
    try:
        value = json.loads(data.decode(), parse_constant=_no_constant, object_pairs_hook=_unique)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise BadJson("is nested too deeply" if isinstance(error, RecursionError) else _problem(error)) from None
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"holds {name}, which is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("holds a key twice")
    return value


def _problem(error: ValueError) -> str:
    if isinstance(error, UnicodeError):
        return "is not UTF-8" if isinstance(error, UnicodeDecodeError) else "holds half of a surrogate pair"
    text = str(error)
    return text if text.startswith("holds ") else "is not JSON"
