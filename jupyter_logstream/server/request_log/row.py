"""A row of the request log: one call, from its start to its end. Server; values only.

A row is created when its call starts and updated while the call runs; the row of an ended call is final. This module
does not know where rows are stored.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from ...model.ids import ID

OPEN: frozenset[str] = frozenset({"pending", "streaming"})
FINAL: frozenset[str] = frozenset({"completed", "error", "cancelled", "timeout", "interrupted"})
STATUSES: frozenset[str] = OPEN | FINAL

MAX_TEXT_CHARS = 2000
METHOD = r"[A-Z]{1,20}"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Row:
    """One call. Times are Unix ms, durations ms; None: unknown, or not known yet."""

    id: str
    status: str
    initial_time: float
    duration_ms: float | None = None
    time_to_first_chunk_ms: float | None = None
    upstream: str | None = None
    method: str | None = None
    path: str | None = None
    http_status: int | None = None
    provider: str | None = None
    model: str | None = None
    response_model: str | None = None
    operation: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cost_usd: float | None = None
    stream: bool = False
    session: str | None = None
    workload_id: str | None = None
    cell: str | None = None
    error: str | None = None
    request_bytes: int | None = None
    response_bytes: int | None = None
    finish_reason: str | None = None
    cache_creation_tokens: int | None = None
    reasoning_tokens: int | None = None

    @property
    def final(self) -> bool:
        """Whether the call has ended."""
        return self.status in FINAL

    def to_json(self) -> dict[str, Any]:
        """The object of the protocol."""
        return {name: getattr(self, name) for name in FIELDS}

    @classmethod
    def from_sql(cls, values: Sequence[Any]) -> Row:
        """A row from the columns of the database, which has no booleans."""
        values = list(values)
        values[_STREAM] = bool(values[_STREAM])
        return cls(*values)

    def to_sql(self) -> list[Any]:
        """The columns of the database."""
        return [getattr(self, name) for name in FIELDS]

    def but(self, **changes: Any) -> Row:
        """The row with these fields changed."""
        return replace(self, **changes)


FIELDS: tuple[str, ...] = tuple(field.name for field in fields(Row))
_STREAM = FIELDS.index("stream")


def storable(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as the database stores them, which is in UTF-8: a lone surrogate becomes `?`."""
    return {
        name: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for name, value in values.items()
    }


_TEXTS = frozenset(
    {"path", "provider", "model", "response_model", "operation", "session", "cell", "error", "finish_reason"}
)
_COUNTS = frozenset(
    {
        *("input_tokens", "output_tokens", "cached_tokens", "cache_creation_tokens", "reasoning_tokens"),
        *("request_bytes", "response_bytes"),
    }
)


class RowError(ValueError):
    """A field of a row is invalid; the message names it."""


def check_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a row that a kernel records, validated; None is the same as absent. Raises RowError.

    A kernel cannot set `upstream`: it marks the rows of calls through the proxy, which only the server writes.
    """
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name not in FIELDS or name in {"id", "upstream"}:
            raise RowError(f"{_CONTROL.sub('?', name[:60])} is not a field that can be set")
        if value is not None:
            found[name] = _checked(name, value)
    return found


def _checked(name: str, value: Any) -> Any:
    if name in _TEXTS and isinstance(value, str):
        return value[:MAX_TEXT_CHARS]
    kind = "text" if name in _TEXTS else "count" if name in _COUNTS else name
    expected, is_valid = _FORMS.get(kind, _FORMS["number"])
    if not is_valid(value):
        raise RowError(f"{name} must be {expected}")
    return value


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _is_number(value: Any) -> bool:
    return _is_count(value) or (isinstance(value, float) and math.isfinite(value) and 0 <= value < 2**53)


_BY_CALLERS = STATUSES - {"interrupted"}  # only the server sets that one
_FORMS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "text": ("a string", lambda value: isinstance(value, str)),
    "count": ("a whole number of 0 or more", _is_count),
    "method": (
        "an HTTP method of 1 to 20 letters A-Z",
        lambda value: isinstance(value, str) and re.fullmatch(METHOD, value) is not None,
    ),
    "number": ("a number of 0 or more", _is_number),
    "http_status": ("a status code", lambda value: _is_count(value) and 100 <= value <= 999),
    "stream": ("true or false", lambda value: isinstance(value, bool)),
    "workload_id": (
        "the id of a workload",
        lambda value: isinstance(value, str) and re.fullmatch(ID, value) is not None,
    ),
    "status": (
        f"one of {', '.join(sorted(_BY_CALLERS))}",
        lambda value: isinstance(value, str) and value in _BY_CALLERS,
    ),
}
"""Kind of a field -> what its value must be, in words and as a predicate."""


def from_json(value: Any) -> Row | None:
    """A row from a JSON object; None if it is not one. Unknown fields are ignored."""
    if not isinstance(value, dict) or not isinstance(value.get("id"), str) or value.get("status") not in STATUSES:
        return None
    if not isinstance(value.get("initial_time"), int | float):
        return None
    return Row(**storable({name: value[name] for name in FIELDS if name in value}))
