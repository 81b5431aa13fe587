"""Lines: the bytes of a source cut where they end, whatever the chunks. Runs in the runner (and where a log is mended).

A *line* is what a program wrote up to an LF, whatever carriage returns overwrote in it; its *text* is what was left to
see. Bytes in, values out; stdlib, no I/O. This file must not know where bytes are kept, nor levels.
"""

from __future__ import annotations

import re
from typing import NamedTuple

LONGEST_TEXT = 64 * 1024
"""Bytes of text in one record; a longer line becomes several records, all but the last flagged `part`."""

_LONGEST_OVERWRITTEN = 1 << 30  # a line's length is 32 bits in the index; this many overwritten bytes end an entry

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
                self.state = (start + overwritten + len(text) + len(chunk) - len(rest), 0, rest, 0)
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
