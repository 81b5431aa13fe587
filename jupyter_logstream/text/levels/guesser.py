"""Levels of many lines at once: what each claims, found quickly. Runs in the runner; stdlib, no I/O.

The rules (`claims`) are slow; here lines are looked at in columns, in C, and only a few closely. Three stages, each for
what the one before left open:

1. Beginnings. Most logs say their level at a line's beginning, where only digits change: the first bytes of each line,
   digits alike, are looked up among those that were weighed before.
2. Hints. What is left of a block of lines when all but capitals and colons is taken away is short, and mostly spells no
   level. Whatever else a claim looks like is searched for in the block as it is (`hints`).
3. The rules, line by line.

Whether beginnings are asked, and how long, follows what has paid lately and changes no result: each stage answers
exactly or not at all. What is remembered is bounded, and forgotten when it is full. This file must not know files,
records or readers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .claims import MARKER, NUMBER, Claim, claim
from .hints import RAISED, RESIDUE, SHAPES, SPELLINGS, SPELLS

__all__ = ["MARKER", "Guesser", "guess_level", "plain"]

_MOST = 4096  # keys that are remembered
_LEARNED = 128  # of one chunk
_AT_ONCE = 1024  # lines: as many as stay in the processor's cache
_SHORTEST, _LONGEST = 32, 64  # bytes of a line's beginning that are looked up
_OPEN = 9  # in place of a level: the beginning leaves it open
_PAYS = 10  # beginnings are asked while they settle one line in so many
_TEACHES = 50  # they are made longer when that had saved looking closely at one line in so many
_SHORTEST_REST, _LONGEST_REST = 16, 64  # chunks after which they are tried again when they did not pay

_DIGITS_ALIKE = bytes(0x30 if 0x30 <= i <= 0x39 else i for i in range(256))
_NOT_RESIDUE = bytes(i for i in range(256) if i not in RESIDUE)
_SGR = re.compile(rb"\x1b\[[\d;:]*m")


class Guesser:
    """Levels of lines by what each says of itself. Remembers what it has weighed; whose lines it weighed is all one."""

    def __init__(self) -> None:
        self._length = _SHORTEST
        self._weighed: dict[bytes, int] = {}  # beginnings of `_length` bytes (or whole lines), digits alike -> code
        self._rest = self._rests = 0  # chunks for which beginnings are not asked; for how many the last time

    def guess(self, texts: Sequence[bytes]) -> bytearray | None:
        """The level codes of lines (MARKER for step markers), one byte each; None when no line says any."""
        if len(texts) <= _AT_ONCE:
            return self._guess(texts)
        pieces = [texts[at : at + _AT_ONCE] for at in range(0, len(texts), _AT_ONCE)]
        guessed = [self._guess(piece) for piece in pieces]
        if not any(guessed):
            return None
        columns = zip(pieces, guessed, strict=True)
        return bytearray().join([bytes(len(piece)) if codes is None else codes for piece, codes in columns])

    def _guess(self, texts: Sequence[bytes]) -> bytearray | None:
        codes = None if self._rest else self._by_beginning(texts)
        open_: Sequence[int] = range(len(texts))
        if codes is None:
            self._rest = max(self._rest - 1, 0)
            codes = bytearray(len(texts))
        elif _OPEN not in codes:
            return codes if codes.count(0) < len(codes) else None
        else:
            open_ = places(codes, _OPEN)
            codes = codes.replace(b"%c" % _OPEN, b"\0")
        claims = _closely([texts[i] for i in open_] if len(open_) < len(texts) else texts)
        for i, (code, _) in claims.items():
            codes[open_[i]] = code if code != NUMBER else 0
        self._learn_length(claims, len(texts))
        return codes if codes.count(0) < len(codes) else None

    def _by_beginning(self, texts: Sequence[bytes]) -> bytearray | None:
        """Codes by the lines' beginnings, _OPEN where those leave it open; None when that is not worth it."""
        keys = self._keys(texts)
        try:
            codes = bytearray(map(self._weighed.__getitem__, keys))
        except KeyError:
            self._weigh(set(keys))
            codes = bytearray([self._weighed.get(key, _OPEN) for key in keys])
        settled = len(codes) - codes.count(_OPEN) - codes.count(0)
        if settled * _PAYS < len(codes) and len(codes) >= _PAYS:
            self._rest = self._rests = min(max(self._rests * 2, _SHORTEST_REST), _LONGEST_REST)
        elif settled:
            self._rests = 0
        return codes

    def _keys(self, texts: Sequence[bytes]) -> list[bytes]:
        """The beginnings of lines without colours, digits alike: cut, joined and mapped by one call each."""
        form = b"%%.%db\n" % self._length * len(texts)
        heads = form % tuple(texts)
        if b"\x1b" in heads:
            heads = form % tuple(map(plain, texts))
        keys = heads.translate(_DIGITS_ALIKE).split(b"\n")
        keys.pop()
        return keys

    def _weigh(self, kinds: set[bytes]) -> None:
        """Learn what new beginnings settle: a claim wholly inside one, or that a whole line makes none.

        Of very many only some are learned: they are of a text whose beginnings are all different.
        """
        if len(self._weighed) + _LEARNED > _MOST:
            self._weighed.clear()
        new = [key for key in kinds if key not in self._weighed][:_LEARNED]
        claims = _closely(new)
        for i, key in enumerate(new):
            code, needed = claims.get(i, (0, 0))
            cut = len(key) >= self._length
            self._weighed[key] = _OPEN if code == NUMBER or (cut and (not code or needed > len(key))) else code

    def _learn_length(self, claims: dict[int, Claim], lines: int) -> None:
        """Where many lines were looked at closely for a claim in their beginning, beginnings are asked, long enough."""
        needed = sorted(n for code, n in claims.values() if code and n <= _LONGEST)
        if not needed or len(needed) * _TEACHES < lines or lines < _PAYS:
            return
        length = min(-(-needed[len(needed) * 9 // 10] // 4) * 4, _LONGEST)
        if length > self._length:
            self._length = length
            self._weighed.clear()
            self._rest = min(self._rest, self._rests // 8)


def _closely(texts: Sequence[bytes]) -> dict[int, Claim]:
    """The claims that lines make, by their place: those with a hint are looked at one by one."""
    block = b"\n".join([b"", *texts, b""])
    if b"\x1b" in block:
        block = plain(block)
        texts = block[1:-1].split(b"\n")
    shaped: set[int] = set()
    for rare, shape in SHAPES:
        if rare in block:
            shaped |= _lines_with(shape, block)
    claims = {i: claim(texts[i]) for i in shaped}
    claims.update((i, claim(texts[i], shapeless=True)) for i in _spelled(block, texts) if i not in shaped)
    return {i: found for i, found in claims.items() if found[0]}


def _spelled(block: bytes, texts: Sequence[bytes]) -> set[int]:
    """The lines whose capitals may spell a claim."""
    residue = block.translate(None, _NOT_RESIDUE)
    if residue.count(b"\n") == len(residue):
        return set()
    hits: list[int] = []
    for spelling in SPELLINGS:
        at = residue.find(spelling)
        while at >= 0:
            hits.append(at)
            at = residue.find(b"\n", at + 1)  # once a line
            at = residue.find(spelling, at) if at >= 0 else -1
    lines: set[int] = set()
    line, counted = -1, 0
    for at in sorted(hits):
        start = residue.rfind(b"\n", 0, at + 1)  # of the line, or of the one that begins here
        line, counted = line + residue.count(b"\n", counted, start + 1), start + 1
        spelled = residue[start + 1 : residue.find(b"\n", start + 1)]
        if texts[line].endswith(RAISED) if residue[at : at + 2] == b"E\n" else SPELLS.search(spelled):
            lines.add(line)
    return lines


def _lines_with(shape: re.Pattern[bytes], block: bytes) -> set[int]:
    """The places of the lines in which a shape is found; the block begins and ends with a line end."""
    lines: set[int] = set()
    line, counted, found = -1, 0, shape.search(block)
    while found:
        at = found.start()
        line, counted = line + block.count(b"\n", counted, at), at
        lines.add(line)
        found = shape.search(block, block.find(b"\n", at))
    return lines


def places(codes: bytes | bytearray, code: int) -> list[int]:
    """Where a code stands in a column."""
    found, at = [], codes.find(code)
    while at >= 0:
        found.append(at)
        at = codes.find(code, at + 1)
    return found


def plain(text: bytes) -> bytes:
    """Text without colours."""
    return _SGR.sub(b"", text) if b"\x1b" in text else text


def guess_level(text: bytes) -> int:
    """The level code of one line's text; 0 where it does not say."""
    code, _ = claim(plain(text.replace(b"\n", b" ")))
    return code if code < MARKER else 0
