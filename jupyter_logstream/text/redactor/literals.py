"""Search for many literals at once in bytes, and for the beginning of one at their end. Any process; stdlib, pure.

Long literals are found by samples of the data (samples.py), the shorter ones are searched one by one.
"""

from __future__ import annotations

from collections.abc import Sequence

from .samples import WORD_BYTES, Samples, Span

_STRIDES = (8, 16, 24, 32, 40, 48, 56, 64, 96, 128)
_LOOKUP_NS, _SEARCH_NS = 8, 10  # of one sample, and of one literal in 100 bytes; wrong figures cost time only
_MAX_PERIOD_BYTES = 256  # finding the period takes quadratic time
_SHORT_TAIL_BYTES = 8  # tails up to this length are looked up in a set; longer ones are searched
# Bytes by their frequency in logs, rarest first. A wrong order costs time only.
_FREQUENT = b"@&%+QZXJKVYUWGHBMPFqz9768LDOxjNRCIvSAETkw543/,21:b0ygpf_.-\ndcumlhrsniotae "


class Literals:
    """A set of byte strings, each of at least 8 bytes."""

    __slots__ = ("_all", "_inner", "_joined", "_long", "_longest", "_short", "_starts")

    def __init__(self, literals: Sequence[bytes]) -> None:
        self._all = list(dict.fromkeys(literals))
        stride = _best_stride([len(literal) for literal in self._all])
        long = {literal for literal in self._all if stride and len(literal) >= stride + WORD_BYTES - 1}
        self._long = Samples(long, stride) if long else None
        # Each with its rarest byte, which most chunks lack, and the least distance of two overlapping occurrences.
        self._short = [
            (literal, min(literal, key=_FREQUENT.find), _period(literal))
            for literal in self._all
            if literal not in long
        ]
        self._inner = bytes(set().union(*(literal[:-1] for literal in self._all)))  # a held tail ends with one of these
        self._joined = b"\0".join(self._all)
        self._starts = {literal[:n] for literal in self._all for n in range(1, _SHORT_TAIL_BYTES)}
        self._longest = max(map(len, self._all), default=0)

    @property
    def longest(self) -> int:
        """Bytes of the longest literal."""
        return self._longest

    def spans(self, data: bytes) -> list[Span]:
        """Where literals are, unordered; spans can overlap."""
        spans: list[Span] = []
        for literal, rare, period in self._short:
            if rare in data:
                at = data.find(literal)
                while at >= 0:
                    spans.append((at, at + len(literal)))
                    at = data.find(literal, at + period)
        if self._long:
            spans += self._long.spans(data)
        return spans

    def tail(self, data: bytes) -> int:
        """The start of the longest end of `data` that begins a literal without being one; its length if none does."""
        size = len(data)
        if not data or data[-1] not in self._inner:
            return size
        found = size
        for n in range(min(_SHORT_TAIL_BYTES - 1, size), 0, -1):
            if data[size - n :] in self._starts:
                found = size - n
                break
        if data[-_SHORT_TAIL_BYTES:] not in self._joined:  # a longer tail would end with these bytes of a literal
            return found
        window = data[-self._longest + 1 :]
        before = size - len(window)
        for literal in self._all:
            head = literal[:_SHORT_TAIL_BYTES]
            at = window.find(head, max(len(window) - len(literal) + 1, 0))
            while 0 <= at < found - before:
                if literal.startswith(window[at:]):
                    found = before + at
                    break
                at = window.find(head, at + 1)
        return found


def _best_stride(lengths: Sequence[int]) -> int:
    """The distance of the compared words that makes the search of these literals cheapest; 0: search each."""

    def cost_ns(stride: int) -> float:
        short = sum(length < stride + WORD_BYTES - 1 for length in lengths)
        return short * _SEARCH_NS + _LOOKUP_NS * 100 / stride

    best = min(_STRIDES, key=cost_ns)
    return best if cost_ns(best) < len(lengths) * _SEARCH_NS else 0


def _period(value: bytes) -> int:
    """A shift of at most the least one by which a value overlaps itself; its length if it does not."""
    if len(value) > _MAX_PERIOD_BYTES:
        return 1
    return next(shift for shift in range(1, len(value) + 1) if value.startswith(value[shift:]))
