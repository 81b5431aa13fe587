"""Level guesser: the levels of many lines at once, in three stages of rising cost. Runner; stdlib, no I/O.

1. Beginnings. Most logs state their level at a line's beginning, where only digits change: the first bytes of each
   line, with digits made equal, are looked up in a cache of judged beginnings.
2. Prefilter. A search over the whole block finds the few lines that can match a rule (`prefilter`).
3. Rules. Those lines are judged one by one (`claims`).

Whether and at what length beginnings are looked up adapts to the recent hit rate and changes no result: each stage
answers exactly or leaves the line open. The cache is bounded and cleared when it is full. This file must not know
files, records or readers.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..lines import without_sequences as plain
from .claims import MAX_JSON_BYTES, Claim, claim
from .prefilter import shaped, spelled
from .rules import MARKER, NUMBER

__all__ = ["MARKER", "Guesser", "guess_level", "plain"]

_MAX_JUDGED_BYTES = 8 * MAX_JSON_BYTES  # with colours
_MAX_CACHED = 4096
_MAX_LEARNED = 128  # beginnings of one chunk that are cached
_CHUNK_LINES = 1024  # as many as fit into the processor's cache
_MIN_BYTES, _MAX_BYTES = 32, 64  # length of a beginning
_OPEN = 9  # in place of a level code: the beginning does not decide
_HIT_RATIO = 10  # beginnings are looked up while they decide one line in this many
_LEARN_RATIO = 50  # they are lengthened when that had decided one line in this many
_MIN_PAUSE, _MAX_PAUSE = 16, 64  # chunks without lookups after a poor hit rate

_DIGITS_EQUAL = bytes(0x30 if 0x30 <= i <= 0x39 else i for i in range(256))


class Guesser:
    """Levels of lines by their own text. Its cache holds judged beginnings and serves lines of every source."""

    def __init__(self) -> None:
        self._length = _MIN_BYTES
        self._cache: dict[bytes, int] = {}  # beginning of `_length` bytes (or whole line) -> code
        self._pause = self._pause_length = 0  # chunks left without lookups; chunks of the last pause

    def guess(self, texts: Sequence[bytes]) -> bytearray | None:
        """The level codes of lines (MARKER for step markers), one byte each; None if no line has a level."""
        if len(texts) <= _CHUNK_LINES:
            return self._guess(texts)
        pieces = [texts[at : at + _CHUNK_LINES] for at in range(0, len(texts), _CHUNK_LINES)]
        guessed = [self._guess(piece) for piece in pieces]
        if not any(guessed):
            return None
        columns = zip(pieces, guessed)
        return bytearray().join([bytes(len(piece)) if codes is None else codes for piece, codes in columns])

    def _guess(self, texts: Sequence[bytes]) -> bytearray | None:
        codes = None if self._pause else self._by_beginning(texts)
        open_: Sequence[int] = range(len(texts))
        if codes is None:
            self._pause = max(self._pause - 1, 0)
            codes = bytearray(len(texts))
        elif _OPEN not in codes:
            return codes if codes.count(0) < len(codes) else None
        else:
            open_ = places(codes, _OPEN)
            codes = codes.replace(b"%c" % _OPEN, b"\0")
        claims = _claims([texts[i] for i in open_] if len(open_) < len(texts) else texts)
        for i, (code, _) in claims.items():
            codes[open_[i]] = code if code != NUMBER else 0
        self._learn_length(claims, len(texts))
        return codes if codes.count(0) < len(codes) else None

    def _by_beginning(self, texts: Sequence[bytes]) -> bytearray | None:
        """Codes by cached beginnings, _OPEN where those do not decide; a poor hit rate starts a pause."""
        keys = self._keys(texts)
        try:
            codes = bytearray(map(self._cache.__getitem__, keys))
        except KeyError:
            self._judge(set(keys))
            codes = bytearray([self._cache.get(key, _OPEN) for key in keys])
        decided = len(codes) - codes.count(_OPEN) - codes.count(0)
        if decided * _HIT_RATIO < len(codes) and len(codes) >= _HIT_RATIO:
            self._pause = self._pause_length = min(max(self._pause_length * 2, _MIN_PAUSE), _MAX_PAUSE)
        elif decided:
            self._pause_length = 0
        return codes

    def _keys(self, texts: Sequence[bytes]) -> list[bytes]:
        """The beginnings of lines without escape sequences, digits made equal; one C call for each step."""
        form = b"%%.%db\n" % self._length * len(texts)
        heads = form % tuple(texts)
        if b"\x1b" in heads:
            heads = form % tuple(map(plain, texts))
        keys = heads.translate(_DIGITS_EQUAL).split(b"\n")
        keys.pop()
        return keys

    def _judge(self, keys: set[bytes]) -> None:
        """Cache what new beginnings decide: a claim that lies within one, or that a whole line has none.

        At most _MAX_LEARNED are cached: more come from text whose beginnings all differ.
        """
        if len(self._cache) + _MAX_LEARNED > _MAX_CACHED:
            self._cache.clear()
        new = [key for key in keys if key not in self._cache][:_MAX_LEARNED]
        claims = _claims(new, digits_hidden=True)
        for i, key in enumerate(new):
            code, needed = claims.get(i, (0, 0))
            cut = len(key) >= self._length
            self._cache[key] = _OPEN if code == NUMBER or (cut and (not code or needed > len(key))) else code

    def _learn_length(self, claims: dict[int, Claim], lines: int) -> None:
        """Lengthen beginnings if many lines were judged one by one for a claim that a longer beginning would hold."""
        needed = sorted(n for code, n in claims.values() if code and n <= _MAX_BYTES)
        if not needed or len(needed) * _LEARN_RATIO < lines or lines < _HIT_RATIO:
            return
        length = min(-(-needed[len(needed) * 9 // 10] // 4) * 4, _MAX_BYTES)
        if length > self._length:
            self._length = length
            self._cache.clear()
            self._pause = min(self._pause, self._pause_length // 8)


def _claims(texts: Sequence[bytes], *, digits_hidden: bool = False) -> dict[int, Claim]:
    """The claims of lines by position; only lines that the prefilter finds are judged one by one."""
    block = b"\n".join([b"", *texts, b""])
    if b"\x1b" in block:
        block = plain(block)
        texts = block[1:-1].split(b"\n")
    with_shape = shaped(block)
    claims = {i: claim(texts[i], digits_hidden=digits_hidden) for i in with_shape}
    claims.update((i, claim(texts[i], only_capitals=True)) for i in spelled(block, texts) if i not in with_shape)
    return {i: found for i, found in claims.items() if found[0]}


def places(codes: bytes | bytearray, code: int) -> list[int]:
    """The positions of a code in a column."""
    found, at = [], codes.find(code)
    while at >= 0:
        found.append(at)
        at = codes.find(code, at + 1)
    return found


def guess_level(text: bytes) -> int:
    """The level code of one line's text; 0 if it states none. Line feeds count as spaces."""
    code, _ = claim(plain(text[:_MAX_JUDGED_BYTES].replace(b"\n", b" ")))
    return code if code < MARKER else 0
