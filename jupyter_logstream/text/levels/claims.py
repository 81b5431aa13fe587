"""Level claims: judges what one line states as its level, by the rules' table. Runner; stdlib, no I/O.

The first claim on a line decides; a line that begins as a JSON object is judged by its level key only; a line without a
claim is unknown. A claim reports how many bytes of the line it needs: one that lies within a line's beginning can be
cached by that beginning, which makes guessing fast (`guesser`). This file must not know files, readers, other lines or
colours: its input is text without them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ...model.records import ALIASES
from .rules import (
    BEFORE_COLON,
    BEGINNINGS,
    BEHIND_CLOCK,
    CANDIDATES,
    CLOCK,
    DEBUG,
    ERROR,
    FATAL,
    INFO,
    JSON,
    LETTERS,
    MAX_SYSLOG_PRIORITY,
    NUMBER,
    QUOTED,
    SYSLOG,
    UNKNOWN,
    WARN,
    WORDS,
)

MAX_BYTES = 160
"""Bytes of a line that are judged."""
MAX_JSON_BYTES = 1024
"""The same for a line that begins as a JSON object."""

Claim = tuple[int, int]
"""A level code, and the number of bytes from the line's start that it needs."""
NO_CLAIM: Claim = (UNKNOWN, 0)

_WORDS_BEFORE_COLON = frozenset(BEFORE_COLON)
_SPACE = frozenset([b" ", b"\t", b""])
_BEHIND_WORD = _SPACE | {b":", b"|", b"]", b")", b">"}
# Bytes that can end before a claim; those of characters beyond ASCII are arrows and boxes.
_SEPARATORS = frozenset(b":|])>*#") | frozenset(range(0x80, 0x100))
_BEFORE_CAPITALS = _SEPARATORS | frozenset(b"0123456789<([{}-")
_BEFORE_SPOKEN = _SEPARATORS | frozenset(b"[")

_BEGINNING = re.compile(b"|".join(b"(?P<r%d>" % i + rule.pattern + b")" for i, rule in enumerate(BEGINNINGS)))
_BEGINNING_RULES = {_BEGINNING.groupindex[f"r{i}"]: rule for i, rule in enumerate(BEGINNINGS)}
_CANDIDATE = re.compile(
    rb"(?<![\w'-])(?:"
    + b"|".join(b"(?P<" + name.encode() + b">" + rule.pattern + b")" for name, rule in CANDIDATES.items())
    + rb")|(?P<quoted>" + QUOTED.pattern + rb")"
)  # fmt: skip
_JSON_KEY = re.compile(JSON.pattern, re.IGNORECASE)
_JSON_STRING = re.compile(rb"\"(?:[^\"\\]|\\.)*\"")
_BAR = re.compile(rb"\d ?%|[A-Za-z]/s\b")
_CLOCK = re.compile(CLOCK)
_CLOCK_JUST_BEFORE = re.compile(rb"(?:" + CLOCK + rb")" + BEHIND_CLOCK + rb"\Z")
_INITIALS = re.compile(rb"[ACDEFILNPSTVW][A-Z](?<![\w'-]..)")
_FIGURE = re.compile(rb":(?::|\S|\s{1,2}(?:[-+.]?\d|(?i:true|false|none|null|nan|inf|yes|no|on|off),?$))")
_CODED = re.compile(rb" [A-Z]{1,5}\d{2,5}:(?=\s|$)|\[\w{1,12}\]:")  # error TS2322: error[E0433]:


def claim(line: bytes, *, only_capitals: bool = False, digits_hidden: bool = False) -> Claim:
    """The claim of one line; NO_CLAIM if it states no level.

    `line`: without colours and line end. `only_capitals`: the prefilter found no shape, only capitals can be a claim.
    `digits_hidden`: zeros stand for any digits.
    """
    if line[:1] == b"{":
        return _json_claim(line[:MAX_JSON_BYTES])
    head = line[:MAX_BYTES]
    if beginning := _BEGINNING.match(head):
        return _beginning_code(beginning, digits_hidden=digits_hidden), beginning.end() + 3
    candidates: Iterable[re.Match[bytes] | None]
    if only_capitals and not head.endswith((b"Error", b"Exception")):
        candidates = (_CANDIDATE.match(head, found.start()) for found in _INITIALS.finditer(head))
    else:
        candidates = _CANDIDATE.finditer(head)
    for found in candidates:
        if found and (stated := _judge(head, found)):
            return stated
    return _claim_behind_bar(line) if line[-1:] == b"}" else NO_CLAIM


def _claim_behind_bar(line: bytes) -> Claim:
    """The claim of a JSON record that ends a line which a progress bar began, however wide the bar."""
    at = line.find(b'{"', 0, MAX_JSON_BYTES)
    if at <= 0 or not _BAR.search(line, 0, at):
        return NO_CLAIM
    code, _ = _json_claim(line[at : at + MAX_JSON_BYTES])
    return code, len(line) + 1


def _beginning_code(found: re.Match[bytes], *, digits_hidden: bool) -> int:
    group = found.lastindex or 0
    rule = _BEGINNING_RULES[group]
    if rule.level is not None:
        return rule.level
    word = found[group + 1]
    if word.isdigit():
        return NUMBER if digits_hidden else _priority_code(word)
    return LETTERS[word] if len(word) == 1 else WORDS[word.lower()]


def _priority_code(digits: bytes) -> int:
    priority = int(digits)
    return UNKNOWN if priority > MAX_SYSLOG_PRIORITY or digits[:2] == b"00" else SYSLOG[priority % len(SYSLOG)]


def _judge(head: bytes, found: re.Match[bytes]) -> Claim | None:
    """The claim of a candidate, by what surrounds it; None if it is none there."""
    kind, start, end = found.lastgroup or "", found.start(), found.end()
    word = found[kind]
    if kind == "traceback":
        return ERROR, end + 1
    if kind in {"value", "quoted"}:
        code = ALIASES.get(found[(found.lastindex or 0) + 1].decode().lower(), UNKNOWN)
        return (code, end + 1) if code else None
    if kind == "raised":
        return _judge_raised(head, word, start, end)
    code = WORDS[word.lower()]
    if _is_bracketed(head, start, end):
        return code, end + 4
    if kind == "capitals":
        return (code, end + 3) if _stands_out(head, start, end) else None
    if head[end : end + 1] in _BEHIND_WORD and _CLOCK_JUST_BEFORE.search(head, max(start - 40, 0), start):
        return code, end + 1
    if kind == "brief":
        return (code, end + 1) if not head[:start].strip() and head[end : end + 1] == b" " else None
    return _judge_spoken(head, word.lower(), start, end)


def _is_bracketed(head: bytes, start: int, end: int) -> bool:
    """`[error]`, `[ERROR ]`, `[core:error]`, `<warn>`, `[INFO|module.py:12]`."""
    before = head[max(start - 24, 0) : start].rstrip(b" ")
    if before[-1:] not in {b"[", b"<", b":"}:
        return False
    behind = head[end : end + 4].lstrip(b" ")[:1]
    if before[-1:] == b"<":
        return behind == b">"
    if before[-1:] == b":":
        module = before[before.rfind(b"[") + 1 : -1]
        return len(module) < len(before) - 1 and module.isalnum() and module[:1].isalpha() and behind == b"]"
    return behind in {b"]", b"|"}


def _stands_out(head: bytes, start: int, end: int) -> bool:
    """Whether a word in capitals is no part of a sentence: it begins the line, or stands behind a separator."""
    before = head[:start].rstrip(b" \t")
    gap = start - len(before)
    if gap == 0 and head[start - 1 : start] in {b'"', b"'", b"/", b"."}:
        monolog = before.endswith(b".") and head[end : end + 1] == b":"  # app.ERROR:
        return monolog and _CLOCK.search(before) is not None
    if not before or gap > 1 or before[-1] in _BEFORE_CAPITALS or head[start - 1 : start] == b"\t":
        return end < len(head) or not head[:start].endswith(b": ")  # not `Log level: DEBUG`
    return gap > 0 and (before.endswith(b" NCCL") or _CLOCK.search(before) is not None)


def _judge_raised(head: bytes, name: bytes, start: int, end: int) -> Claim | None:
    before = head[:start].rstrip(b" \t")
    if before and not (
        (start - len(before) == 1 and before[-1] in _SEPARATORS) or before == b"E" or before.endswith(b"Uncaught")
    ):
        return None
    if head[end : end + 1] == b":" and head[end + 1 : end + 2] in _SPACE:
        return WARN if name.endswith(b"Warning") else ERROR, end + 2
    if end == len(head) and not name.endswith(b"Warning") and before in {b"", b"E"}:
        return ERROR, end + 1  # valid only at the end of the line
    return None


def _judge_spoken(head: bytes, word: bytes, start: int, end: int) -> Claim | None:
    """A word before a colon that begins a message: not `error: 0.2`, which is a figure, nor `debug: true`."""
    before = head[:start].rstrip(b" \t")
    if word not in _WORDS_BEFORE_COLON or (before and (start - len(before) > 1 or before[-1] not in _BEFORE_SPOKEN)):
        return None
    if word in {b"error", b"warning"} and (coded := _CODED.match(head, end)):
        return WORDS[word], coded.end() + 1
    if word == b"fatal" and head[end : end + 6].lower() == b" error":
        end += 6
    if head[end : end + 1] != b":" or _FIGURE.match(head, end):
        return None
    return WORDS[word], end + 9  # _FIGURE looks that far ahead


def _json_claim(head: bytes) -> Claim:
    """The claim of the outermost object's level key; a nested object's counts if there is no other."""
    nested = NO_CLAIM
    for found in _JSON_KEY.finditer(head):
        kind = found.lastgroup or ""
        stated = found[kind].decode().lower()
        code = ALIASES.get(stated, UNKNOWN) if kind in {"name", "mongo"} else _number_code(kind, stated)
        if code and _is_outermost(head[: found.start() + 1]):
            return code, found.end() + (8 if kind == "pino" else 1)
        if code and nested is NO_CLAIM:
            nested = code, MAX_JSON_BYTES + 1  # another key can follow anywhere
    return nested


def _is_outermost(head: bytes) -> bool:
    if head.count(b"{") == 1:
        return True
    structure = _JSON_STRING.sub(b"", head)
    return structure.count(b"{") == structure.count(b"}") + 1


def _number_code(kind: str, digits: str) -> int:
    """A level stated by a number: by pino, bunyan and Python in tens, by OpenTelemetry in fours."""
    if not digits.strip("0"):
        return NUMBER
    number = int(digits)
    if kind == "otel":
        return min((number + 3) // 4, FATAL)
    if number % 10 or number > 60:
        return UNKNOWN
    return number // 10 if kind != "python" else {10: DEBUG, 20: INFO, 30: WARN, 40: ERROR, 50: FATAL}.get(number, 0)
