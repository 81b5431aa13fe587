"""Incremental JSON scanner: extracts a few values from a text that arrives in chunks. Any process; stdlib, no I/O.

A prompt with images or a batch of embeddings has megabytes, of which only `model` or `usage` is needed. The scanner
follows the structure and holds only the wanted values, so memory does not grow with the text. Processor time is bounded
by a budget: a text that consists of brackets and quotes only is not read to its end.
"""

from __future__ import annotations

import json
import re
from typing import Any

Path = tuple[str, ...]

_STRUCTURE = re.compile(rb'["{}\[\],:]')
_NESTING = re.compile(rb'["{}\[\]]')  # all that matters in an unwanted value: a million numbers cost little
_IN_STRING = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_MAX_KEY_BYTES = 64  # longer keys are cut, so they match no wanted one
_MAX_VALUE_BYTES = 32 * 1024  # longer values are dropped
_BASE_STEPS = 50_000  # some 50 ms of processor time
_BYTES_PER_STEP = 4  # real responses have 5 to 10 bytes per step, a hostile one has 1


class ScanBudget:
    """Steps that the scanning of one body is allowed to take: a fixed number, and more with every byte."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = _BASE_STEPS * _BYTES_PER_STEP

    @property
    def spent(self) -> bool:
        """Whether nothing is left: the rest of the body is not read."""
        return self._left < _BYTES_PER_STEP

    @property
    def steps(self) -> int:
        """How many steps are left."""
        return self._left // _BYTES_PER_STEP

    def allow(self, size: int) -> None:
        """`size` more bytes arrived."""
        self._left += size

    def spend(self, steps: int) -> None:
        """Take steps from the budget."""
        self._left -= steps * _BYTES_PER_STEP


class JsonScanner:
    """Scans one JSON object in chunks of any size; `found` maps paths to the wanted values that are not null.

    A path leads through objects, and through arrays of objects without a name of its own: `("choices", "text")` is the
    last such value of all choices. Invalid JSON yields undefined results, but never an error.
    """

    __slots__ = (
        "_capture",
        "_depth",
        "_escaped",
        "_from",
        "_in_string",
        "_key",
        "_key_next",
        "_open",
        "_prefixes",
        "_value",
        "_wanted",
        "budget",
        "done",
        "found",
    )

    def __init__(self, wanted: Paths, budget: ScanBudget | None = None) -> None:
        self.found: dict[Path, Any] = {}
        self.done = False  # the object has ended
        self.budget = budget or ScanBudget()
        self._wanted, self._prefixes = wanted.wanted, wanted.prefixes
        self._open: list[tuple[Path, bool]] = []  # open containers on a path, outermost first; whether it is an array
        self._depth = 0  # open brackets below them
        self._in_string = self._escaped = self._key_next = False
        self._key: bytearray | None = None  # the key being read
        self._value: Path = ()  # path of the value being read in the innermost open object
        self._capture: bytearray | None = None  # the wanted value being read
        self._from = 0  # where the captured value starts in the current chunk

    def feed(self, data: bytes, at: int = 0) -> int:
        """Scan the bytes from `at` on, up to the end of the object; returns the position behind the last one."""
        self._from = at
        if self._escaped and at < len(data):
            at, self._escaped = at + 1, False
        steps, limit = 0, self.budget.steps
        size, string, structure = len(data), self._string, self._structure
        while at < size and not self.done and steps < limit:
            at = string(data, at) if self._in_string else structure(data, at)
            steps += 1
        self.budget.spend(steps)
        if self._capture is not None:
            self._append(data[self._from : at])
        return at if self.done else len(data)

    def _string(self, data: bytes, at: int) -> int:
        """Advance behind the string's end, or to the end of the chunk."""
        end = _IN_STRING.match(data, at).end()  # type: ignore[union-attr]  # it matches the empty text
        if self._key is not None and len(self._key) < _MAX_KEY_BYTES:
            self._key += data[at:end][:_MAX_KEY_BYTES]
        if end == len(data):
            return end
        if data[end] == _BACKSLASH:  # the last byte of the chunk
            self._escaped = True
        else:
            self._in_string = False
        return end + 1

    def _structure(self, data: bytes, at: int) -> int:
        """Advance behind the next structural character."""
        found = (_NESTING if self._depth else _STRUCTURE).search(data, at)
        if found is None:
            return len(data)
        char = found[0]
        if char == b'"':
            self._in_string = True
            self._key = bytearray() if self._key_next and not self._depth else None
            self._key_next = False
            return self._string(data, found.end())
        if self._depth:
            self._depth += 1 if char in b"{[" else -1
        elif char == b":":
            self._begin_value(found.end())
        elif char in b",}]":
            self._end_value(data[self._from : found.start()])
            self._leave(char)
        else:
            self._enter(char)
        return found.end()

    def _begin_value(self, at: int) -> None:
        key, self._key = self._key, None
        if not self._open or key is None:
            return
        self._value = (*self._open[-1][0], key.decode("utf-8", "replace"))
        if self._value in self._wanted:
            self._capture, self._from = bytearray(), at

    def _end_value(self, rest: bytes) -> None:
        if self._capture is None:
            return
        self._append(rest)
        text, self._capture = self._capture, None
        if len(text) > _MAX_VALUE_BYTES:
            return
        if text.strip() == b"null":
            return
        try:
            self.found[self._value] = json.loads(text)
        except (ValueError, RecursionError):
            return  # invalid JSON: the request's or the response's own reader reports it

    def _append(self, part: bytes) -> None:
        if self._capture is not None and len(self._capture) <= _MAX_VALUE_BYTES:
            self._capture += part[: _MAX_VALUE_BYTES + 1]

    def _enter(self, char: bytes) -> None:
        """Enter an object or array on a path to wanted values; skip every other bracket to its end."""
        in_array = bool(self._open) and self._open[-1][1]
        path = self._open[-1][0] if in_array else self._value
        if path in self._prefixes and (char == b"{" or (bool(self._open) and not in_array)):
            self._capture = None
            self._open.append((path, char == b"["))
            self._key_next = char == b"{"
        else:
            self._depth = 1

    def _leave(self, char: bytes) -> None:
        """Go on behind a comma or the end of a container."""
        if char == b",":
            self._key_next = bool(self._open) and not self._open[-1][1]
            return
        self._key_next = False
        if self._open:
            self._value = self._open.pop()[0]
            self.done = not self._open


class Paths:
    """The paths of wanted values, and their beginnings."""

    def __init__(self, *wanted: Path) -> None:
        self.wanted = frozenset(wanted)
        self.prefixes = frozenset(path[:length] for path in wanted for length in range(len(path)))

    def extract(self, value: dict[str, Any], at: Path = (), found: dict[Path, Any] | None = None) -> dict[Path, Any]:
        """The wanted values of an object that is parsed already: what a `JsonScanner` would find."""
        found = {} if found is None else found
        for name, inner in value.items():
            path = (*at, name)
            if path in self.prefixes and isinstance(inner, dict | list):
                for one in [inner] if isinstance(inner, dict) else inner:
                    if isinstance(one, dict):
                        self.extract(one, path, found)
            elif inner is not None and path in self.wanted:
                found[path] = inner
        return found


_BACKSLASH = 0x5C
