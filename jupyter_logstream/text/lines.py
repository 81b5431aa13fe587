"""Incremental line splitter: the bytes of one output source to lines and texts. Runner and repair; stdlib, no I/O.

A *line* is the bytes up to an LF, overwritten ones included; its *text* is what a terminal shows of it in the end: the
bytes after the last carriage return. The result does not depend on how the bytes are cut into chunks. This file must
not know where bytes are stored, nor levels.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_TEXT_BYTES = 64 * 1024
"""Bytes of text in one record; a longer line becomes several records, all but the last flagged `part`."""

_MAX_OVERWRITTEN_BYTES = 1 << 30  # a line's length is 32 bits in the index: at this many the entry ends

# --- text -----------------------------------------------------------------------------------------------------------

# Every escape sequence except SGR (colours): CSI, OSC/DCS/APC/PM/SOS strings (or unterminated), two-byte ESC (ECMA-48).
_CONTROL = re.compile(
    r"\x1b\[(?![0-9;:]*m)[0-?]*[ -/]*[@-~]?"  # CSI, finished or not, but not ESC [ ... m
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|$)?"
    r"|\x1b(?![\[\]PX^_])[ -/]*[0-~]?"
)


def final_text(line: bytes) -> bytes:
    """The text of a line: the bytes after its last CR that is not at its end, without the line end."""
    body = line.removesuffix(b"\n").rstrip(b"\r")
    return body[body.rfind(b"\r") + 1 :]


def clean(text: str) -> str:
    """`text` without escape sequences other than SGR (colours)."""
    return _CONTROL.sub("", text) if "\x1b" in text else text


SGR = re.compile(r"\x1b\[([0-9;:]*)m")
"""An SGR sequence (colours), with its parameters: the only control sequence that a record keeps."""

_CR_RUNS = re.compile(rb"(\r+)")

# --- lines ----------------------------------------------------------------------------------------------------------

PART, CR, OPEN = 1, 2, 4
"""Flags of a line: the next record continues it; its text is shorter than its bytes; it has no line end."""


class Lines(NamedTuple):
    """Consecutive lines of one source in columns, from byte `start` on.

    `lengths`: bytes of each line with its end. `tails`: the last bytes of a line that hold its text and line end.
    `texts`: the text of each line. `flags`: PART, CR, OPEN; None if all are 0.
    """

    start: int
    lengths: list[int]
    tails: list[int]
    texts: list[bytes]
    flags: list[int] | None


class Splitter:
    """Splits the bytes of one source into lines. Buffers at most MAX_TEXT_BYTES: longer texts are emitted in parts.

    Chunks without a CR are split by one C call, all others line by line. `state` is the whole state: after a failed
    write, a writer restores it and feeds the same chunk again.
    """

    __slots__ = ("state",)

    def __init__(self, start: int = 0) -> None:
        # (offset of the unfinished line, its overwritten bytes, its text, CRs after the text)
        self.state: tuple[int, int, bytes, int] = (start, 0, b"", 0)

    def feed(self, chunk: bytes) -> Lines:
        """The lines that the next bytes complete."""
        start, overwritten, text, crs = self.state
        if not crs and b"\r" not in chunk:
            texts = (text + chunk if text else chunk).split(b"\n")
            rest = texts.pop()
            lengths = [len(t) + 1 for t in texts]
            if len(rest) <= MAX_TEXT_BYTES and (not lengths or max(lengths) <= MAX_TEXT_BYTES + 1):
                self.state = (start + overwritten + len(text) + len(chunk) - len(rest), 0, rest, 0)
                return self._plain(start, overwritten, lengths, texts, rest)
        return self._slow(chunk)

    def _plain(self, start: int, overwritten: int, lengths: list[int], texts: list[bytes], rest: bytes) -> Lines:
        if not lengths:
            self.state = (start, overwritten, rest, 0)
            return Lines(start, [], [], [], None)
        flags = None
        tails = lengths
        if overwritten:  # an earlier chunk holds the overwritten bytes of this line
            tails = list(lengths)
            lengths[0] += overwritten
            flags = [CR] + [0] * (len(lengths) - 1)
        return Lines(start, lengths, tails, texts, flags)

    def _slow(self, chunk: bytes) -> Lines:
        start, overwritten, text, crs = self.state
        out = Lines(start, [], [], [], [])
        bodies = chunk.split(b"\n")
        for i, body in enumerate(bodies):
            # If the line can become parts, go CR by CR: parts must not depend on how the bytes were cut into chunks.
            for piece in _CR_RUNS.split(body) if len(text) + len(body) > MAX_TEXT_BYTES else (body,):
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
        """The last line at the end of the output, if it has no line end."""
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
    """Emit the parts of an over-long text; return the rest of the line."""
    at = 0
    while len(text) - at > MAX_TEXT_BYTES:
        end = at + MAX_TEXT_BYTES
        for back in range(min(4, MAX_TEXT_BYTES)):  # never inside a UTF-8 character
            if text[end - back] & 0xC0 != 0x80:
                end -= back
                break
        _emit(out, overwritten, text[at:end], 0, 0, PART)
        overwritten, at = 0, end
    if overwritten > _MAX_OVERWRITTEN_BYTES:
        _emit(out, overwritten, b"", 0, 0, PART)
        overwritten = 0
    return overwritten, text[at:] if at else text
