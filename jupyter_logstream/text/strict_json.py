"""Strict JSON (RFC 8259): an encoder that makes what is not a finite number null, and the depth of a value.

Any process; stdlib, no I/O.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from json import JSONEncoder
from typing import Any

_encode = JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def dumps(value: Any) -> str:
    """Encode a value on one line. A number that JSON cannot represent, as older versions stored, becomes null."""
    try:
        return _encode(value)
    except ValueError:
        return _encode(_finite(value))


def depth(value: Any, most: int) -> int:
    """How many objects and arrays a value has inside each other, itself included; counted up to `most` + 1."""
    found, level = 0, [value] if isinstance(value, (dict, list)) else []
    while level and found <= most:
        found += 1
        level = [
            item
            for outer in level
            for item in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(item, (dict, list))
        ]
    return found


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value
