"""Levels: what a line of plain output says of itself. Runs in the runner; stdlib, no I/O, bytes in and codes out.

Guessing is on the runner's hot path: whole chunks are searched in C for the few words that could be a level, and only
what is found is looked at closer. This file must not know files, records or readers.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from .records import ALIASES

_HEAD = 160  # bytes of a line that are looked at
# A line says its level by one of these words. Searched in whole chunks in C; only what is found is looked at closer.
_HINTS = (b"err", b"warn", b"info", b"debug", b"fatal", b"crit", b"trace", b"exception", b"panic", b"level", b"severe")
_SHORT_FORMS = b"EWIFDTC["  # or its first byte is one of these (klog, "[E 12:30:05 app]")

_WORD = re.compile(
    rb"(?<![\w.-])(?:err(?:or|!)?|warn(?:ing)?|info|debug|fatal|crit(?:ical)?|trace|panic|severe)(?![\w=-])",
    re.IGNORECASE,
)
_KEY = re.compile(rb"""(?:level|levelname|level_name)["']?\s*[=:]\s*["']?([A-Za-z]+)""", re.IGNORECASE)
_SHORT = re.compile(
    rb"\[?([IWEFDTC])(?=\d{4} \d\d:\d\d:\d\d|\]| \d{4}-\d\d-\d\d| \d\d:\d\d:\d\d)|\[(WRN|DBG|INF|ERR|FTL)\]"
)
_RAISED = re.compile(rb"(?:[\w.]+\.)?[A-Z]\w*(?:Error|Exception)(?::|$|\n)|Traceback \(most recent call last\)")
_SGR = re.compile(rb"\x1b\[[\d;]*m")

Claim = tuple[int, int, int]  # (tier, position, code): the least wins


def guess_levels(texts: Sequence[bytes]) -> bytes | None:
    """The level codes of many lines, one byte each, by what each line says of itself; None when no line says any.

    Tiers, the most certain first: a `level` key; a bracketed word or a short form; a word in capitals; a word before a
    colon; a raised exception. In one tier the first wins: prefixes come before messages.
    """
    heads = [t[:_HEAD] for t in texts]
    block = b"\n".join(heads)
    if b"\x1b" in block:  # a colour in front of the word must not hide it
        heads = [_SGR.sub(b"", head) for head in heads]
        block = b"\n".join(heads)
    lower = block.lower()
    claims: dict[int, Claim] = {}
    hints = [hint for hint in _HINTS if hint in lower]
    if hints:
        starts = list(accumulate((len(head) + 1 for head in heads), initial=0))
        for hint in hints:
            _claim_words(block, lower, hint, starts, claims)
    firsts = b"".join([head[:1] for head in heads])
    if len(firsts.translate(None, _SHORT_FORMS)) != len(firsts):
        _claim_short_forms(heads, claims)
    if not claims:
        return None
    levels = bytearray(len(texts))
    for line, (_, _, code) in claims.items():
        levels[line] = code
    return bytes(levels)


def guess_level(text: bytes) -> int:
    """The level code of one line's text; 0 where it does not say."""
    levels = guess_levels([text.replace(b"\n", b" ")])
    return levels[0] if levels else 0


def _claim_words(block: bytes, lower: bytes, hint: bytes, starts: list[int], claims: dict[int, Claim]) -> None:
    at = lower.find(hint)
    while at >= 0:
        line = bisect_right(starts, at) - 1
        claim = _word_at(block, at, starts[line], hint)
        if claim and (line not in claims or claim < claims[line]):
            claims[line] = claim
        # Having found a claim, the rest of the line can only hold weaker ones of this hint.
        at = lower.find(hint, starts[line + 1] if claim else at + 1)


def _word_at(block: bytes, at: int, start: int, hint: bytes) -> Claim | None:
    if hint == b"level":
        key = _KEY.match(block, at)
        code = ALIASES.get(key[1].decode().lower(), 0) if key else 0
        return (0, at, code) if code else None
    if hint in {b"exception", b"err", b"trace"} and _RAISED.match(block, start):
        return (4, at, 5)
    word = _WORD.match(block, at)
    if not word:
        return None
    code = ALIASES[word[0].decode().lower().rstrip("!")]
    before, after = block[at - 1 : at] if at else b"", block[word.end() : word.end() + 1]
    if before in {b"[", b"<", b"(", b"|"} and after in {b"]", b">", b")", b"|"}:
        return (1, at, code)
    if word[0].isupper():
        return (2, at, code)
    if after == b":" and (at == start or block[at - 2 : at] == b": "):
        return (3, at, code)
    return None


def _claim_short_forms(heads: Sequence[bytes], claims: dict[int, Claim]) -> None:
    for line, head in enumerate(heads):
        if head[:1] in _SHORT_FORMS and line not in claims and (short := _SHORT.match(head)):
            claims[line] = (1, 0, _SHORT_CODES[(short[1] or short[2]).decode()])


_SHORT_CODES = {
    "I": 3,
    "W": 4,
    "E": 5,
    "F": 6,
    "D": 2,
    "T": 1,
    "C": 6,
    "WRN": 4,
    "DBG": 2,
    "INF": 3,
    "ERR": 5,
    "FTL": 6,
}
