"""Workload ids: sortable, unguessable, unique. Any process; stdlib, no I/O."""

from __future__ import annotations

import os
import re
import time

ID = r"[A-Za-z0-9_-]{1,64}"
"""Regular expression of an id in URLs and stream names."""

_CROCKFORD_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # its digits are in ASCII order
_ID_CHARS, _TIME_CHARS = 26, 10
_TIME_PART = re.compile(f"(?!Z)[{_CROCKFORD_BASE32}]{{{_TIME_CHARS}}}")  # with room for more milliseconds


class IdSource:
    """Generates ids that sort by creation time: 48 bits of Unix milliseconds, then 80 random bits (as ULID does)."""

    def __init__(self) -> None:
        self._last_ms = 0

    def continue_after(self, workload_id: str) -> None:
        """Make all new ids sort after this one, which can have been made while the clock was ahead."""
        if len(workload_id) == _ID_CHARS and _TIME_PART.match(workload_id):
            ms = 0
            for char in workload_id[:_TIME_CHARS]:
                ms = ms << 5 | _CROCKFORD_BASE32.index(char)
            self._last_ms = max(self._last_ms, ms)

    def new(self) -> str:
        """A new id of 26 characters. The time part always grows, so ids of one millisecond sort in order as well."""
        self._last_ms = max(int(time.time() * 1000), self._last_ms + 1)
        number = self._last_ms << 80 | int.from_bytes(os.urandom(10), "big")
        return "".join(_CROCKFORD_BASE32[number >> shift & 31] for shift in range(125, -1, -5))
