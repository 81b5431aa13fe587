"""Pages of JSON objects that end at a bound in bytes. Server; no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...text.strict_json import dumps

MAX_PAGE_BYTES = 4 * 1024 * 1024


def fitting(values: Iterable[Mapping[str, Any]], max_bytes: int = MAX_PAGE_BYTES) -> list[str]:
    """The first values as JSON, as many as fit into `max_bytes` together; at least one, if there is any."""
    found: list[str] = []
    for value in values:
        text = dumps(value)
        max_bytes -= len(text.encode("utf-8", "replace")) + 1
        if max_bytes < 0 and found:
            break
        found.append(text)
    return found
