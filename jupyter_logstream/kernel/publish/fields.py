"""Fields: what a log call says besides its message, as JSON of a bounded size. Runs in kernels; stdlib, no I/O.

Values in, values out. What JSON cannot say becomes its `repr`. This file must not know where fields go.
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

LONGEST = 2000
"""Characters of a text; longer ones are cut."""

ROOM = 16_000
"""Characters of all texts and names of a record's fields together; what finds no room becomes an ellipsis."""

_MANY = 100  # items of a list or object
_DEEP = 5
_EXACT = 1 << 53  # whole numbers beyond are others in a browser
_CUT = "..."
_CONTAINERS = (list, tuple, dict, set, frozenset, deque, array)
_SHORT = Repr()  # of containers: looks at no more than is shown, however many or deep
for _of in ("list", "tuple", "dict", "set", "frozenset", "deque", "array"):
    setattr(_SHORT, f"max{_of}", _MANY)


class Fields:
    """Turns values into JSON until its room is used up. `shown` is asked what a text may look like (secrets!)."""

    def __init__(self, shown: Callable[[str], str]) -> None:
        self._shown = shown
        self._room = ROOM

    def of(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON object of these values."""
        found: dict[str, Any] = self._value(values, _DEEP)
        return found

    def _value(self, value: Any, deep: int) -> Any:
        self._room -= 4
        if self._room < 0:
            return _CUT
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Integral) and abs(int(value)) <= _EXACT:  # of NumPy, too
            return int(value)
        if isinstance(value, Real) and not isinstance(value, Integral) and math.isfinite(value):
            return float(value)
        if isinstance(value, Mapping) and deep:
            pairs = islice(value.items(), _MANY)
            return {self._text(str(name)): self._value(item, deep - 1) for name, item in pairs}
        if isinstance(value, list | tuple) and deep:
            return [self._value(item, deep - 1) for item in value[:_MANY]]
        return self._text(_SHORT.repr(value) if isinstance(value, _CONTAINERS) else repr(value))

    def _text(self, text: str) -> str:
        most = min(LONGEST, max(self._room, 0))
        shown = self._shown(text[: 2 * LONGEST])  # before it is cut: half a secret is one, too
        cut = shown if len(shown) <= most else shown[:most] + _CUT
        self._room -= len(cut)
        return cut
