"""Records and the lines they are made of: levels and their guessing, line splitting. Any process; stdlib, no I/O.

Bytes in, values out. A *line* is what a program wrote up to an LF, whatever carriage returns overwrote in it; its
*text* is what was left to see. This file must not know where bytes are kept or who reads them.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

LEVELS = ("unknown", "trace", "debug", "info", "warn", "error", "fatal")
"""Level names; a level's code is its position, so that "this and above" is a comparison."""

SOURCES = ("stdout", "stderr", "log", "system")

LONGEST_TEXT = 64 * 1024
"""Bytes of text in one record; a longer line becomes several records, all but the last flagged `part`."""

_LONGEST_OVERWRITTEN = 1 << 30  # a line's length is 32 bits in the index; this many overwritten bytes end an entry

_ALIASES = {
    "trace": 1, "verbose": 1, "finest": 1, "t": 1,
    "debug": 2, "dbg": 2, "fine": 2, "d": 2,
    "info": 3, "inf": 3, "information": 3, "notice": 3, "i": 3,
    "warn": 4, "warning": 4, "wrn": 4, "w": 4,
    "error": 5, "err": 5, "severe": 5, "exception": 5, "e": 5,
    "fatal": 6, "critical": 6, "crit": 6, "emergency": 6, "emerg": 6, "alert": 6, "panic": 6, "f": 6, "c": 6,
}  # fmt: skip


def level_code(name: str) -> int:
    """The code of a level by any of its usual names (Python's WARNING is warn, CRITICAL is fatal); 0 if unknown."""
    return _ALIASES.get(name.strip().lower(), 0)


@dataclass(frozen=True, slots=True)
class Record:
    """One line of output or one published log record. `ts` is Unix milliseconds; the fraction carries microseconds.

    `seq` is 1, 2, 3 ... in its stream and the cursor: "after 16" starts with 17. 0: not stored yet.
    """

    seq: int
    ts: float
    level: str
    message: str
    step: str | None = None
    source: str = "stdout"
    part: bool = False
    fields: Mapping[str, Any] | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Record:
        """Read what the server sends; keys of a newer server are left out."""
        return cls(
            seq=value["seq"],
            ts=value["ts"],
            level=value["level"],
            message=value["message"],
            step=value.get("step"),
            source=value.get("source", "stdout"),
            part=value.get("part", False),
            fields=value.get("fields"),
        )

    def to_json(self) -> dict[str, Any]:
        """The record as the protocol writes it: what is absent is left out."""
        value: dict[str, Any] = {"seq": self.seq, "ts": self.ts, "level": self.level, "message": self.message}
        if self.step is not None:
            value["step"] = self.step
        value["source"] = self.source
        if self.part:
            value["part"] = True
        if self.fields is not None:
            value["fields"] = dict(self.fields)
        return value


# --- text -----------------------------------------------------------------------------------------------------------

# Everything a terminal acts on except SGR (colours): CSI, OSC/DCS/APC/PM/SOS strings (also unterminated), two-byte ESC.
_CONTROL = re.compile(
    r"\x1b\[(?![0-9;:]*m)[0-?]*[ -/]*[@-~]?"  # CSI, finished or not, but not ESC [ ... m
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|$)?"
    r"|\x1b(?![\[\]PX^_])[ -/]*[0-~]?"
)


def final_text(line: bytes) -> bytes:
    """What is left to see of a line: after its last CR that something follows, without its line end."""
    body = line.removesuffix(b"\n").rstrip(b"\r")
    return body[body.rfind(b"\r") + 1 :]


def clean(text: str) -> str:
    """Drop the control sequences that are not colours: a record is text, not a terminal's program."""
    return _CONTROL.sub("", text) if "\x1b" in text else text


_CR_RUNS = re.compile(rb"(\r+)")

# --- lines ----------------------------------------------------------------------------------------------------------

PART, CR, OPEN = 1, 2, 4
"""Flags of a line: the next record goes on with it; its text is shorter than its bytes; it has no line end."""


class Lines(NamedTuple):
    """Lines of one source in columns, adjoining each other from byte `start` on.

    `lengths`: bytes of each line, its end included. `tails`: how many of them, at its end, hold its text and line end.
    `texts`: the text of each as bytes. `flags`: PART, CR, OPEN; None when all are 0.
    """

    start: int
    lengths: list[int]
    tails: list[int]
    texts: list[bytes]
    flags: list[int] | None


class Splitter:
    """Cut the bytes of one source into lines, whatever the chunks. Keeps at most LONGEST_TEXT bytes.

    Plan: whole chunks without a CR are split in C; everything else goes line by line. `state` is all it remembers: a
    writer whose disk is full puts it back and feeds the same chunk again.
    """

    __slots__ = ("state",)

    def __init__(self, start: int = 0) -> None:
        # (offset of the unfinished line, its overwritten bytes, its text, CRs after the text)
        self.state: tuple[int, int, bytes, int] = (start, 0, b"", 0)

    def feed(self, chunk: bytes) -> Lines:
        """Take the next bytes; return the lines they complete."""
        start, overwritten, text, crs = self.state
        if not crs and b"\r" not in chunk:
            texts = (text + chunk if text else chunk).split(b"\n")
            rest = texts.pop()
            lengths = [len(t) + 1 for t in texts]
            if len(rest) <= LONGEST_TEXT and (not lengths or max(lengths) <= LONGEST_TEXT + 1):
                return self._plain(start, overwritten, lengths, texts, rest)
        return self._slow(chunk)

    def _plain(self, start: int, overwritten: int, lengths: list[int], texts: list[bytes], rest: bytes) -> Lines:
        if not lengths:
            self.state = (start, overwritten, rest, 0)
            return Lines(start, [], [], [], None)
        flags = None
        tails = lengths
        if overwritten:  # a progress bar was rewritten in an earlier chunk and ends now
            tails = list(lengths)
            lengths[0] += overwritten
            flags = [CR] + [0] * (len(lengths) - 1)
        self.state = (start + sum(lengths), 0, rest, 0)
        return Lines(start, lengths, tails, texts, flags)

    def _slow(self, chunk: bytes) -> Lines:
        start, overwritten, text, crs = self.state
        out = Lines(start, [], [], [], [])
        bodies = chunk.split(b"\n")
        for i, body in enumerate(bodies):
            # Where parts may come of it, segment by segment: they must not depend on how the bytes were cut.
            for piece in _CR_RUNS.split(body) if len(text) + len(body) > LONGEST_TEXT else (body,):
                if seen := piece.rstrip(b"\r"):
                    cut = seen.rfind(b"\r") + 1
                    if cut or crs:
                        overwritten += len(text) + crs + cut
                        text = seen[cut:]
                    else:
                        text += seen
                    crs = 0
                crs += len(piece) - len(seen)
                overwritten, text = _emit_parts(out, overwritten, text)
            if i < len(bodies) - 1:
                _emit(out, overwritten, text, crs, 1)
                overwritten, text, crs = 0, b"", 0
        self.state = (start + sum(out.lengths), overwritten, text, crs)
        return out

    def finish(self) -> Lines:
        """The output has ended: what has no line end is a line too."""
        start, overwritten, text, crs = self.state
        out = Lines(start, [], [], [], [])
        if overwritten or text or crs:
            _emit(out, overwritten, text, crs, 0)
        self.state = (start + sum(out.lengths), 0, b"", 0)
        return out


def _emit(out: Lines, overwritten: int, text: bytes, crs: int, line_end: int, flag: int = 0) -> None:
    tail = len(text) + crs + line_end
    out.lengths.append(overwritten + tail)
    out.tails.append(tail)
    out.texts.append(text)
    assert out.flags is not None  # noqa: S101 - _slow and finish always make the column
    open_ = OPEN if not line_end and not flag & PART else 0
    out.flags.append(flag | open_ | (CR if overwritten or crs else 0))


def _emit_parts(out: Lines, overwritten: int, text: bytes) -> tuple[int, bytes]:
    """Turn what is over-long into parts; return what is left of the line."""
    at = 0
    while len(text) - at > LONGEST_TEXT:
        end = at + LONGEST_TEXT
        for back in range(min(4, LONGEST_TEXT)):  # never inside a UTF-8 character
            if text[end - back] & 0xC0 != 0x80:
                end -= back
                break
        _emit(out, overwritten, text[at:end], 0, 0, PART)
        overwritten, at = 0, end
    if overwritten > _LONGEST_OVERWRITTEN:
        _emit(out, overwritten, b"", 0, 0, PART)
        overwritten = 0
    return overwritten, text[at:] if at else text


# --- levels ---------------------------------------------------------------------------------------------------------

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
        code = _ALIASES.get(key[1].decode().lower(), 0) if key else 0
        return (0, at, code) if code else None
    if hint in {b"exception", b"err", b"trace"} and _RAISED.match(block, start):
        return (4, at, 5)
    word = _WORD.match(block, at)
    if not word:
        return None
    code = _ALIASES[word[0].decode().lower().rstrip("!")]
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
