r"""Prefilter: finds the few lines of a block that can match a level rule, from the rules' hints. Runner; stdlib, pure.

Two searches over a block of lines that begins and ends with a line end: `SHAPES` in the text as it is, `SPELLINGS` in
the residue of the text, which is short. A line without a hint matches no rule; a line with one need not match.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .rules import RULES, BeforeColon, Ending, Hint, Shape, Spelling

_KEPT = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ:{\n"
_DROPPED = bytes(byte for byte in range(256) if byte not in _KEPT)
_HINTS: tuple[Hint, ...] = tuple(dict.fromkeys(hint for rule in RULES for hint in rule.hints))


def _compile_shapes(hints: Sequence[Hint]) -> list[tuple[bytes, re.Pattern[bytes]]]:
    """One pattern for each anchor; behind it the shapes by their guards, and the words before a colon by theirs."""
    anchors: dict[bytes, dict[bytes, list[bytes]]] = {}
    for hint in hints:
        if isinstance(hint, Shape):
            anchors.setdefault(hint.anchor, {}).setdefault(hint.guard, []).append(hint.test)
    words = [hint.word for hint in hints if isinstance(hint, BeforeColon)]
    last_letters = bytes({word[-1] for word in words})
    guard = rb"(?=\s)(?<=[" + last_letters + last_letters.upper() + rb"]:)"
    anchors.setdefault(b":", {})[guard] = [b"(?i:" + b"|".join(rb"(?<=" + word + rb":)" for word in words) + b")"]
    compiled = []
    for anchor, guards in anchors.items():
        tests = b"|".join(guard + b"(?:" + b"|".join(alternatives) + b")" for guard, alternatives in guards.items())
        compiled.append((anchor, re.compile(re.escape(anchor) + b"(?:" + tests + b")")))
    return compiled


def _compile_spellings(hints: Sequence[Hint]) -> tuple[tuple[bytes, ...], re.Pattern[bytes]]:
    """The literals, without those that another one is a part of, and the pattern that confirms a line's residue."""
    spellings = [hint for hint in hints if isinstance(hint, Spelling)]
    literals = dict.fromkeys(hint.literal for hint in spellings)
    minimal = tuple(one for one in literals if not any(other != one and other in one for other in literals))
    return minimal, re.compile(b"|".join(dict.fromkeys(hint.whole or re.escape(hint.literal) for hint in spellings)))


SHAPES = _compile_shapes(_HINTS)
SPELLINGS, _CONFIRMED = _compile_spellings(_HINTS)
ENDINGS = tuple(hint.word for hint in _HINTS if isinstance(hint, Ending))
"""Words at a line's end; their only capital is the last one of the line."""
_ENDING_LITERALS = tuple({word[:1] + b"\n" for word in ENDINGS})


def shaped(block: bytes) -> set[int]:
    """The positions of the lines with a shape."""
    lines: set[int] = set()
    for anchor, shape in SHAPES:
        if anchor not in block:
            continue
        line, counted, found = -1, 0, shape.search(block)
        while found:
            at = found.start()
            line, counted = line + block.count(b"\n", counted, at), at
            lines.add(line)
            found = shape.search(block, block.find(b"\n", at))
    return lines


def spelled(block: bytes, texts: Sequence[bytes]) -> set[int]:
    """The positions of the lines with a spelling or an ending; `texts`: the lines of the block."""
    residue = block.translate(None, _DROPPED)
    if residue.count(b"\n") == len(residue):
        return set()
    hits: list[int] = []
    for literal in (*SPELLINGS, *_ENDING_LITERALS):
        at = residue.find(literal)
        while at >= 0:
            hits.append(at)
            at = residue.find(b"\n", at + 1)  # one hit a line is enough
            at = residue.find(literal, at) if at >= 0 else -1
    lines: set[int] = set()
    line, counted = -1, 0
    for at in sorted(hits):
        start = residue.rfind(b"\n", 0, at + 1)  # the line end before the line, or at the hit
        line, counted = line + residue.count(b"\n", counted, start + 1), start + 1
        is_ending = residue[at : at + 2] in _ENDING_LITERALS
        capitals = residue[start + 1 : residue.find(b"\n", start + 1)]
        if texts[line].endswith(ENDINGS) if is_ending else _CONFIRMED.search(capitals):
            lines.add(line)
    return lines
