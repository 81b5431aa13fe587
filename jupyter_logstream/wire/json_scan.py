"""A few values out of a JSON text that comes in pieces, without holding the text. Any process; stdlib, no I/O.

A prompt with pictures or a batch of embeddings is megabytes; all that we want of it is `model` or `usage`. So the text
is skimmed for its structure, and only the values asked for are kept. This file must not know what they mean.
"""

from __future__ import annotations

import json
import re
from typing import Any

Path = tuple[str, ...]

_STRUCTURE = re.compile(rb'["{}\[\],:]')
_NESTING = re.compile(rb'["{}\[\]]')  # all that counts inside what nobody wants: a million numbers cost nothing
_IN_STRING = re.compile(rb'["\\]')
_LONGEST_KEY = 64
_LONGEST_VALUE = 32 * 1024  # a value longer than this is not kept


class Skim:
    """Feed it a JSON object, cut anywhere; `found` has those of the wanted values that have come, by their path.

    A path leads through objects only. What is no JSON object yields nothing; text that is no JSON yields anything.
    """

    __slots__ = (
        "_capture",
        "_deep",
        "_escaped",
        "_from",
        "_in_string",
        "_key",
        "_key_next",
        "_leading",
        "_open",
        "_value",
        "_wanted",
        "found",
    )

    def __init__(self, wanted: frozenset[Path]) -> None:
        self.found: dict[Path, Any] = {}
        self._wanted = wanted
        self._leading = {path[:length] for path in wanted for length in range(1, len(path))}
        self._open: list[Path] = []  # objects that lead to wanted values, outermost first
        self._deep = 0  # how many brackets are open below them
        self._in_string = self._escaped = self._key_next = False
        self._key: bytearray | None = None  # the key being read
        self._value: Path = ()  # what is being read in the innermost open object
        self._capture: bytearray | None = None  # the wanted value being read
        self._from = 0  # where its part in the bytes being fed begins

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        if not data:
            return
        at, self._escaped = int(self._escaped), False
        self._from = 0
        while at < len(data):
            at = self._string(data, at) if self._in_string else self._structure(data, at)
        if self._capture is not None:
            self._keep(data[self._from :])

    def _string(self, data: bytes, at: int) -> int:
        """On to the string's end, or behind an escape in it."""
        found = _IN_STRING.search(data, at)
        if self._key is not None and len(self._key) < _LONGEST_KEY:
            self._key += data[at : found.start() if found else len(data)][:_LONGEST_KEY]
        if found is None:
            return len(data)
        if found[0] == b'"':
            self._in_string = False
            return found.end()
        self._escaped = found.end() == len(data)
        return found.end() + 1

    def _structure(self, data: bytes, at: int) -> int:
        """On to behind the next mark that counts."""
        found = (_NESTING if self._deep else _STRUCTURE).search(data, at)
        if found is None:
            return len(data)
        mark = found[0]
        if mark == b'"':
            self._in_string = True
            self._key = bytearray() if self._key_next and not self._deep else None
            self._key_next = False
        elif self._deep:
            self._deep += 1 if mark in b"{[" else -1
        elif mark == b":":
            self._begin_value(found.end())
        elif mark in b",}":
            self._end_value(data[self._from : found.start()])
            self._key_next = mark == b","
            if mark == b"}" and self._open:
                self._value = self._open.pop()
        else:
            self._enter(mark)
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
        self._keep(rest)
        text, self._capture = self._capture, None
        if text is not None and len(text) <= _LONGEST_VALUE:
            try:
                self.found[self._value] = json.loads(text)
            except (ValueError, RecursionError):
                return  # no JSON: not ours to complain of

    def _keep(self, part: bytes) -> None:
        if self._capture is not None and len(self._capture) <= _LONGEST_VALUE:
            self._capture += part[: _LONGEST_VALUE + 1]

    def _enter(self, mark: bytes) -> None:
        """An object that leads to wanted values is entered; every other bracket is waited out."""
        outermost = not self._open and self._value == ()
        if mark == b"{" and (outermost or (self._value in self._leading and self._capture is None)):
            self._open.append(self._value)
            self._key_next = True
        elif mark in b"{[":
            self._deep = 1
