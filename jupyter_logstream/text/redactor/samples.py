"""Search for many long literals by samples: one word of 8 bytes in each `stride` bytes. Any process; stdlib, pure.

A literal of n bytes contains every aligned word that begins in its first n - 7 bytes. So each occurrence contains a
sample, which a table of the literals' first `stride` words lists. The cost does not depend on their number.
"""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Collection, Iterable, Sequence
from itertools import islice

WORD_BYTES = 8
Span = tuple[int, int]

_COMPILED_AFTER_BYTES = 1 << 20  # compiling the pattern costs as much as it saves in so many bytes
_SHORT_BYTES = 4096  # shorter data is looked up word by word
_SAMPLES_A_HIT = 8  # where more samples pass the pattern, looking up all words is faster
_ASCII = bytes(byte if byte < 0x80 else 0 for byte in range(256))


class Samples:
    """Finds `literals`, each of at least `stride + WORD_BYTES - 1` bytes. `stride`: a multiple of WORD_BYTES."""

    __slots__ = ("_known", "_pattern", "_searched_bytes", "_spelled", "_step", "_words")

    def __init__(self, literals: Iterable[bytes], stride: int) -> None:
        self._step = stride // WORD_BYTES
        self._words: dict[int, list[tuple[int, bytes]]] = {}  # word -> literals that have it, and where
        for literal in literals:
            for offset in range(stride):
                self._words.setdefault(_word(literal, offset), []).append((offset, literal))
        self._known = frozenset(self._words)
        self._spelled = frozenset(word.to_bytes(WORD_BYTES, sys.byteorder) for word in self._words)
        self._pattern: re.Pattern[str] | None = None
        self._searched_bytes = 0

    def spans(self, data: bytes) -> Collection[Span]:
        """Where the literals are, unordered."""
        size = len(data) // WORD_BYTES * WORD_BYTES
        if size < _SHORT_BYTES:
            return self._by_words(data, size)
        self._searched_bytes += size
        if self._searched_bytes < _COMPILED_AFTER_BYTES:
            return self._by_words(data, size)
        if self._pattern is None:
            self._pattern = _compiled(self._words)
        samples = self._passing(data, size, self._pattern)
        return self._by_words(data, size) if samples is None else self._at(data, samples)

    def _by_words(self, data: bytes, size: int) -> Collection[Span]:
        """Looks up every sample."""
        words = array("Q")
        words.frombytes(memoryview(data)[:size])
        words = words[:: self._step]
        if self._known.isdisjoint(words):
            return ()
        return self._at(data, [i for i, word in enumerate(words) if word in self._known])

    def _passing(self, data: bytes, size: int, pattern: re.Pattern[str]) -> Sequence[int] | None:
        """The samples in the table; None if many pass the pattern, which is for their first halves."""
        halves = array("I")
        halves.frombytes(memoryview(data)[:size])
        heads = halves[:: 2 * self._step].tobytes()
        if not heads.isascii():
            heads = heads.translate(_ASCII)
        most = len(heads) // 4 // _SAMPLES_A_HIT
        found = [found.start() for found in islice(pattern.finditer(heads.decode("utf-16-le")), most + 1)]
        if len(found) > most:
            return None
        half, known = self._step * WORD_BYTES // 2, self._spelled  # bytes in the data for a character of the sample
        return [at // 2 for at in found if not at % 2 and data[at * half : at * half + WORD_BYTES] in known]

    def _at(self, data: bytes, samples: Sequence[int]) -> set[Span]:
        """The literals that contain one of these samples."""
        spans: set[Span] = set()
        for sample in samples:
            at = sample * self._step * WORD_BYTES
            for offset, literal in self._words.get(_word(data, at), ()):
                if at >= offset and data.startswith(literal, at - offset):
                    spans.add((at - offset, at - offset + len(literal)))
        return spans


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + WORD_BYTES], sys.byteorder)


def _compiled(words: Iterable[int]) -> re.Pattern[str]:
    """The first two pairs of bytes of the words, each pair as a character; a set of characters is tested in 3 ns."""
    heads = [word.to_bytes(WORD_BYTES, sys.byteorder).translate(_ASCII)[:4].decode("utf-16-le") for word in words]
    first, second = ("[" + "".join(map(re.escape, sorted({head[i] for head in heads}))) + "]" for i in range(2))
    return re.compile(f"{first}(?={second})")
