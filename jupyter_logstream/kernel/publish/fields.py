"""Structured fields of a log call, converted to JSON of bounded size. Runs in kernels; stdlib, no I/O.

Values that JSON cannot represent become their `repr`. This file must not know where fields are sent.
"""

from __future__ import annotations

import math
from array import array
from collections import deque
from collections.abc import Callable, Mapping
from itertools import islice
from numbers import Integral, Real
from reprlib import Repr
from typing import Any

MAX_TEXT_CHARS = 2000
"""Longer texts are truncated."""

MAX_FIELDS_CHARS = 16_000
"""Limit of all texts and names of a record's fields together; values beyond it become an ellipsis."""

_MAX_ITEMS = 100  # of a list or object
_MAX_DEPTH = 5
_MAX_EXACT_INT = 1 << 53  # JavaScript rounds larger integers
_MAX_DECIMAL_BITS = 13_000  # Python refuses to write longer integers in decimal (4,300 digits)
_ELLIPSIS = "..."
_CONTAINERS = (list, tuple, dict, set, frozenset, deque, array)


class _ShortRepr(Repr):
    def repr_int(self, x: int, level: int) -> str:  # noqa: ARG002 - an override
        return _int_text(x)


def _int_text(value: int) -> str:
    return repr(value) if value.bit_length() <= _MAX_DECIMAL_BITS else hex(value)


def _name_text(name: Any) -> str:
    return _int_text(name) if isinstance(name, int) and not isinstance(name, bool) else str(name)


_SHORT_REPR = _ShortRepr()  # of containers: visits no more items than it prints
for _of in ("list", "tuple", "dict", "set", "frozenset", "deque", "array"):
    setattr(_SHORT_REPR, f"max{_of}", _MAX_ITEMS)


class Fields:
    """Converts values to JSON within MAX_FIELDS_CHARS. `mask` is applied to every text (secrets)."""

    def __init__(self, mask: Callable[[str], str]) -> None:
        self._mask = mask
        self._remaining = MAX_FIELDS_CHARS

    def of(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Convert a mapping to a JSON object."""
        found: dict[str, Any] = self._value(values, _MAX_DEPTH)
        return found

    def _value(self, value: Any, depth: int) -> Any:
        self._remaining -= 4
        if self._remaining < 0:
            return _ELLIPSIS
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Integral) and abs(int(value)) <= _MAX_EXACT_INT:  # NumPy's, too
            return int(value)
        if isinstance(value, Real) and not isinstance(value, Integral) and math.isfinite(value):
            return float(value)
        if isinstance(value, Mapping) and depth:
            pairs = islice(value.items(), _MAX_ITEMS)
            return {self._text(_name_text(name)): self._value(item, depth - 1) for name, item in pairs}
        if isinstance(value, list | tuple) and depth:
            return [self._value(item, depth - 1) for item in value[:_MAX_ITEMS]]
        if isinstance(value, int):
            return self._text(_int_text(value))
        return self._text(_SHORT_REPR.repr(value) if isinstance(value, _CONTAINERS) else repr(value))

    def _text(self, text: str) -> str:
        limit = min(MAX_TEXT_CHARS, max(self._remaining, 0))
        masked = self._mask(text[: 2 * MAX_TEXT_CHARS])  # mask first: half a secret is still a secret
        text = masked if len(masked) <= limit else masked[:limit] + _ELLIPSIS
        self._remaining -= len(text)
        return text
