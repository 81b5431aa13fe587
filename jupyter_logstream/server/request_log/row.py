"""A row of the request log: one call, from its start to its end. Server side; values only.

Rows are folded by id: a row is created when its call starts and replaced as more is known; a final row never changes.
This file must not know where rows are kept, nor who makes them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from ...model.ids import ID

OPEN: frozenset[str] = frozenset({"pending", "streaming"})
FINAL: frozenset[str] = frozenset({"completed", "error", "cancelled", "timeout", "interrupted"})
STATUSES: frozenset[str] = OPEN | FINAL

_LONGEST = 2000  # characters of a text in a row
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Row:
    """One call. Times are Unix ms, durations ms; None: not known (yet)."""

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

    @property
    def final(self) -> bool:
        """Whether the call has ended."""
        return self.status in FINAL

    def to_json(self) -> dict[str, Any]:
        """As the protocol has it."""
        return {name: getattr(self, name) for name in FIELDS}

    def but(self, **changes: Any) -> Row:
        """The row with these fields changed."""
        return replace(self, **changes)


FIELDS: tuple[str, ...] = tuple(field.name for field in fields(Row))

_TEXTS = frozenset({"method", "path", "provider", "model", "response_model", "operation", "session", "cell", "error"})
_COUNTS = frozenset({"input_tokens", "output_tokens", "cached_tokens", "request_bytes", "response_bytes"})


class RowError(ValueError):
    """What somebody wants to be a row, or a change of one, is none; the message names the field."""


def check_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a row that a kernel records, checked; None is the same as absent. Raises RowError.

    `upstream` is not for it to say: such a row is of a call through the proxy, and the server's.
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
        return value[:_LONGEST]
    kind = "text" if name in _TEXTS else "count" if name in _COUNTS else name
    wanted, is_so = _FORMS.get(kind, _FORMS["number"])
    if not is_so(value):
        raise RowError(f"{name} must be {wanted}")
    return value


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _is_number(value: Any) -> bool:
    return _is_count(value) or (isinstance(value, float) and math.isfinite(value) and 0 <= value < 2**53)


_BY_CALLERS = STATUSES - {"interrupted"}  # that one is the server's to say
_FORMS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "text": ("a string", lambda value: isinstance(value, str)),
    "count": ("a whole number of 0 or more", _is_count),
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
"""What a field of each kind must be, in words and as a question."""


def from_json(value: Any) -> Row | None:
    """A row as it was written down; None where it is none of ours. Fields of a later version are left out."""
    if not isinstance(value, dict) or not isinstance(value.get("id"), str) or value.get("status") not in STATUSES:
        return None
    if not isinstance(value.get("initial_time"), int | float):
        return None
    return Row(**{name: value[name] for name in FIELDS if name in value})
