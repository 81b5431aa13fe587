"""Strict JSON parser for request bodies: UTF-8 only, no NaN, no duplicate key, no lone surrogate. Server; no I/O."""

from __future__ import annotations

import json
from typing import Any


class BadJson(ValueError):
    """The text is not strict JSON; the message is the reason."""


def parse_json(data: bytes) -> Any:
    """Parse a JSON text (RFC 8259; duplicate keys, NaN and lone surrogates are errors). Raises BadJson."""
    try:
        value = json.loads(data.decode(), parse_constant=_reject_constant, object_pairs_hook=_unique_keys)
        json.dumps(value, ensure_ascii=False).encode()  # fails on a lone surrogate
    except (ValueError, RecursionError) as error:
        raise BadJson("is nested too deeply" if isinstance(error, RecursionError) else _problem(error)) from None
    return value


def _reject_constant(name: str) -> Any:
    raise ValueError(f"contains {name}, which is not JSON")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("contains a duplicate key")
    return value


def _problem(error: ValueError) -> str:
    if isinstance(error, UnicodeError):
        return "is not UTF-8" if isinstance(error, UnicodeDecodeError) else "contains a lone surrogate"
    text = str(error)
    return text if text.startswith("contains ") else "is not JSON"
