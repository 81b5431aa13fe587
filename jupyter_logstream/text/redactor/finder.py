"""Where secrets are in bytes, and where an unfinished one begins at their end. Any process; stdlib, pure.

Known values in every spelling, keys by their shape, configured patterns: in the bytes as they are, and in what is
visible of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from .literals import Literals
from .shapes import MAX_BEGUN_BYTES, SHAPES, begun
from .spellings import spellings
from .visible import Visible, may_hide

_SLACK_BYTES = 512  # of invisible sequences in a secret that is held back
_MAX_WORD_BYTES = 1024  # of an unfinished word that a configured pattern may match

_NO_GATES = bytes(set(range(256)).difference(*(shape.gate for shape in SHAPES)))
_SHORT_TEXT_BYTES = 2048  # of shorter texts the bytes that are no gates are dropped before these are searched
_GATE_BYTES = 1024  # a pattern searches so many bytes in the time in which one gate's surroundings are compared

_Rule = tuple[re.Pattern[bytes], "re.Pattern[bytes] | None"]  # quoted for Python 3.9
Found = tuple[int, int, "re.Pattern[bytes] | None"]
"""Start, stop, and what continues the secret in the next chunk."""


class Finder:
    """Finds known `values` of 8 bytes and more, keys of known shape, and what the `patterns` match."""

    __slots__ = ("_configured", "_literals")

    def __init__(self, values: Iterable[bytes], patterns: Sequence[re.Pattern[bytes]]) -> None:
        self._literals = Literals(list(chain.from_iterable(map(spellings, dict.fromkeys(filter(None, values))))))
        self._configured: list[_Rule] = [(pattern, None) for pattern in patterns]

    def spans(self, data: bytes) -> list[Found]:
        """The spans of secrets, ordered by their starts; they can overlap."""
        spans = self._spans_in(data)
        if may_hide(data) and not (visible := Visible(data)).is_all:
            hidden = self._spans_in(visible.text)
            spans += [(*visible.span(start, stop), rest) for start, stop, rest in hidden]
        if len(spans) > 1:
            spans.sort(key=lambda span: span[:2])
        return spans

    def limit(self, data: bytes, spans: Sequence[Found]) -> int:
        """Where the end of the data begins that is held back."""
        limit = self._limit_in(data, spans)
        window = data[-(self._literals.longest + _SLACK_BYTES + MAX_BEGUN_BYTES) :]
        if may_hide(window):
            visible, before = Visible(window, at_end=True), len(data) - len(window)
            if not visible.is_all and (held := self._limit_in(visible.text, ())) < len(visible.text):
                limit = min(limit, before + visible.place(held))
            last = before + visible.place(len(visible.text) - 1)
            if any(rest is not None and stop > last for _, stop, rest in spans):
                limit = min(limit, before + visible.finished)  # a sequence inside a secret is not torn
        return limit

    def _spans_in(self, text: bytes) -> list[Found]:
        spans: list[Found] = [(start, stop, None) for start, stop in self._literals.spans(text)]
        for pattern, rest in (*_rules_for(text), *self._configured):
            spans += _matches(pattern, rest, text)
        return spans

    def _limit_in(self, text: bytes, spans: Sequence[Found]) -> int:
        limit = self._literals.tail(text)
        if not spans or not any(
            rest is not None and stop == len(text) for _, stop, rest in spans
        ):  # else it is replaced already
            limit = min(limit, begun(text))
        if self._configured:
            limit = min(limit, _word(text))
        return limit


def _by_mark() -> dict[bytes, dict[tuple[bytes, int], list[_Rule]]]:
    """The rules of SHAPES by their gates, then by their marks with the reach of these."""
    gates: dict[bytes, dict[tuple[bytes, int], list[_Rule]]] = {}
    for shape in SHAPES:
        marks = gates.setdefault(shape.gate, {})
        marks.setdefault((shape.mark, shape.reach), []).append((shape.pattern, shape.rest))
    return gates


_RULES = _by_mark()


def _rules_for(text: bytes) -> list[_Rule]:
    """The rules that can match in a text: it has their gate and their mark."""
    rules: list[_Rule] = []
    gates = text.translate(None, _NO_GATES) if len(text) < _SHORT_TEXT_BYTES else text
    if gates:
        for gate, marks in _RULES.items():
            if gate in gates:
                for (mark, reach), of_mark in marks.items():
                    if mark == gate or _may_have(text, gate, mark, reach):
                        rules += of_mark
    return rules


def _may_have(text: bytes, gate: bytes, mark: bytes, reach: int) -> bool:
    """Whether a text has a mark near a gate. False is certain; True is a guess where gates are frequent.

    A search from gate to gate is faster than any other as long as gates are rare.
    """
    at, compared = text.find(gate), 0
    while at >= 0:
        compared += 1
        if compared * _GATE_BYTES > at + _SHORT_TEXT_BYTES or text.find(mark, max(at - reach, 0), at + len(mark)) >= 0:
            return True
        at = text.find(gate, at + 1)
    return False


def _matches(pattern: re.Pattern[bytes], rest: re.Pattern[bytes] | None, text: bytes) -> Iterator[Found]:
    for found in pattern.finditer(text):
        start, stop = found.span(1 if pattern.groups and found.start(1) >= 0 else 0)
        if start < stop:
            yield start, stop, rest


def _word(text: bytes) -> int:
    """Where the unfinished word at the end begins, which a configured pattern may match."""
    end = text[-_MAX_WORD_BYTES:]
    return len(text) - len(end) + max(end.rfind(space) for space in (b" ", b"\n", b"\r", b"\t")) + 1
