"""Incremental JSON scanner: extracts a few values from a text that arrives in chunks. Any process; stdlib, no I/O.

A prompt with images or a batch of embeddings has megabytes, of which only `model` or `usage` is needed. The scanner
follows the structure and holds only the wanted values, so memory does not grow with the text.
"""

from __future__ import annotations

import json
import re
from typing import Any

Path = tuple[str, ...]

_STRUCTURE = re.compile(rb'["{}\[\],:]')
_NESTING = re.compile(rb'["{}\[\]]')  # all that matters in an unwanted value: a million numbers cost little
_IN_STRING = re.compile(rb'["\\]')
_MAX_KEY_BYTES = 64  # longer keys are cut, so they match no wanted one
_MAX_VALUE_BYTES = 32 * 1024  # longer values are dropped


class JsonScanner:
    """Scans a JSON object in chunks of any size; `found` maps the path of each wanted value seen so far to it.

    A path leads through objects only. Another JSON value yields nothing; invalid JSON yields undefined results, but
    never an error.
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
        "found",
    )

    def __init__(self, wanted: frozenset[Path]) -> None:
        self.found: dict[Path, Any] = {}
        self._wanted = wanted
        self._prefixes = {path[:length] for path in wanted for length in range(1, len(path))}
        self._open: list[Path] = []  # open objects on a path to wanted values, outermost first
        self._depth = 0  # open brackets below them
        self._in_string = self._escaped = self._key_next = False
        self._key: bytearray | None = None  # the key being read
        self._value: Path = ()  # path of the value being read in the innermost open object
        self._capture: bytearray | None = None  # the wanted value being read
        self._from = 0  # where the captured value starts in the current chunk

    def feed(self, data: bytes) -> None:
        """Scan the next bytes."""
        if not data:
            return
        at, self._escaped = int(self._escaped), False
        self._from = 0
        while at < len(data):
            at = self._string(data, at) if self._in_string else self._structure(data, at)
        if self._capture is not None:
            self._append(data[self._from :])

    def _string(self, data: bytes, at: int) -> int:
        """Advance to the string's end, or behind an escape in it."""
        found = _IN_STRING.search(data, at)
        if self._key is not None and len(self._key) < _MAX_KEY_BYTES:
            self._key += data[at : found.start() if found else len(data)][:_MAX_KEY_BYTES]
        if found is None:
            return len(data)
        if found[0] == b'"':
            self._in_string = False
            return found.end()
        self._escaped = found.end() == len(data)
        return found.end() + 1

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
        elif self._depth:
            self._depth += 1 if char in b"{[" else -1
        elif char == b":":
            self._begin_value(found.end())
        elif char in b",}":
            self._end_value(data[self._from : found.start()])
            self._key_next = char == b","
            if char == b"}" and self._open:
                self._value = self._open.pop()
        else:
            self._enter(char)
        return found.end()

    def _begin_value(self, at: int) -> None:
        key, self._key = self._key, None
        if not self._open or key is None:
            return
        self._value = (*self._open[-1], key.decode("utf-8", "replace"))
        if self._value in self._wanted:
            self._capture, self._from = bytearray(), at

    def _end_value(self, rest: bytes) -> None:
        if self._capture is None:
            return
        self._append(rest)
        text, self._capture = self._capture, None
        if text is not None and len(text) <= _MAX_VALUE_BYTES:
            try:
                self.found[self._value] = json.loads(text)
            except (ValueError, RecursionError):
                return  # invalid JSON: the request's or the response's own reader reports it

    def _append(self, part: bytes) -> None:
        if self._capture is not None and len(self._capture) <= _MAX_VALUE_BYTES:
            self._capture += part[: _MAX_VALUE_BYTES + 1]

    def _enter(self, char: bytes) -> None:
        """Enter an object on a path to wanted values; skip every other bracket to its end."""
        outermost = not self._open and self._value == ()
        if char == b"{" and (outermost or (self._value in self._prefixes and self._capture is None)):
            self._open.append(self._value)
            self._key_next = True
        elif char in b"{[":
            self._depth = 1
