"""Incremental line splitter: the bytes of one output source to lines and texts. Runner and repair; stdlib, no I/O.

A *line* is the bytes up to an LF, overwritten ones included; its *text* is the bytes after its last carriage return
(text/terminal.py draws what a terminal shows of both). The result does not depend on how the bytes are cut into chunks.
This file must not know where bytes are stored, nor levels.
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


_SEQUENCE = re.compile(
    rb"\x1b(?:\[[0-9;:]*m|\[[0-?]*[ -/]*[@-~]?|\][^\n\x07\x1b\x18\x1a]*(?:\x07|\x1b\\|[\x18\x1a])?"
    rb"|[PX^_][^\n\x1b\x18\x1a]*(?:\x1b\\|[\x18\x1a])?|[ -/]*[0-~]?)"
)


def without_sequences(text: bytes) -> bytes:
    """`text` without any escape sequence; an unfinished one ends with its line."""
    return _SEQUENCE.sub(b"", text) if b"\x1b" in text else text


SGR = re.compile(r"\x1b\[([0-9;:]*)m")
"""An SGR sequence (colours), with its parameters."""

STYLING = re.compile(r"\x1b(?:\[[0-9;:]*m|\][89];[^\x07\x1b]*(?:\x1b\\)?)")
"""The control sequences that a record keeps: SGR (colours), OSC 8 (links) and OSC 9;4 (a progress bar)."""

_CR_RUNS = re.compile(rb"(\r+)")

# --- parts of over-long lines ---------------------------------------------------------------------------------------

_STRING = rb"\x1b\][^\x07\x1b\x18\x1a]*(?:\x07|\x1b\\|[\x18\x1a])|\x1b[PX^_][^\x1b\x18\x1a]*(?:\x1b\\|[\x18\x1a])"
_INVISIBLE = re.compile(rb"(?:\x1b\[[0-?]*[ -/]*[@-~]|" + _STRING + rb"|\x1b[ -/]*[0-OQ-WYZ\\`-~])*")
_UNFINISHED = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|(?:\][^\x07\x1b\x18\x1a]*|[PX^_][^\x1b\x18\x1a]*)\x1b?|[ -/]*)\Z")
_LINK_END = re.compile(rb"\x1b\]8;[^;]*;(?:\x07|\x1b)")
_SEQUENCE_ENDS = {
    b"[": re.compile(rb"[@-~]|(?=[^ -?])"),
    b"]": re.compile(rb"[\x07\x18\x1a]|\x1b\\|(?=\x1b[^\\])"),
    b"P": re.compile(rb"[\x18\x1a]|\x1b\\|(?=\x1b[^\\])"),
}


def _part_end(text: bytes) -> int:
    """Where to end the part that `text`, MAX_TEXT_BYTES and more, begins with; 0: one control sequence fills it.

    Never inside a UTF-8 character, a control sequence, or the text of a link, so that each part stands alone.
    """
    end = MAX_TEXT_BYTES
    for back in range(min(4, MAX_TEXT_BYTES)):
        if text[end - back] & 0xC0 != 0x80:
            end -= back
            break
    if text.find(b"\x1b", 0, end) < 0:
        return end
    if unfinished := _UNFINISHED.search(text[:end]):
        return unfinished.start()
    link = text.rfind(b"\x1b]8;", 0, end)
    return link if link > 0 and not _LINK_END.match(text, link) else end


def _sequence_length(text: bytes, kind: bytes) -> tuple[int, bool]:
    """How many bytes of `text` continue a control sequence, and whether it ends there."""
    if found := _SEQUENCE_ENDS[kind].search(text):
        return found.end(), True
    return len(text) - text.endswith(b"\x1b"), False


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
        # (offset of the unfinished line, its overwritten bytes, its text, CRs after the text, kind of the control
        # sequence that fills more than a part)
        self.state: tuple[int, int, bytes, int, bytes] = (start, 0, b"", 0, b"")

    def feed(self, chunk: bytes) -> Lines:
        """The lines that the next bytes complete."""
        start, overwritten, text, crs, sequence = self.state
        if not crs and not sequence and b"\r" not in chunk:
            texts = (text + chunk if text else chunk).split(b"\n")
            rest = texts.pop()
            lengths = [len(t) + 1 for t in texts]
            if len(rest) <= MAX_TEXT_BYTES and (not lengths or max(lengths) <= MAX_TEXT_BYTES + 1):
                self.state = (start + overwritten + len(text) + len(chunk) - len(rest), 0, rest, 0, b"")
                return self._plain(start, overwritten, lengths, texts, rest)
        return self._slow(chunk)

    def _plain(self, start: int, overwritten: int, lengths: list[int], texts: list[bytes], rest: bytes) -> Lines:
        if not lengths:
            self.state = (start, overwritten, rest, 0, b"")
            return Lines(start, [], [], [], None)
        flags = None
        tails = lengths
        if overwritten:  # an earlier chunk holds the overwritten bytes of this line
            tails = list(lengths)
            lengths[0] += overwritten
            flags = [CR] + [0] * (len(lengths) - 1)
        return Lines(start, lengths, tails, texts, flags)

    def _slow(self, chunk: bytes) -> Lines:
        start, overwritten, text, crs, sequence = self.state
        out = Lines(start, [], [], [], [])
        bodies = chunk.split(b"\n")
        for i, body in enumerate(bodies):
            # If the line can become parts, go CR by CR: parts must not depend on how the bytes were cut into chunks.
            for piece in _CR_RUNS.split(body) if len(text) + len(body) > MAX_TEXT_BYTES else (body,):
                rest = piece
                if sequence:
                    overwritten, text, rest, sequence = _skip(overwritten, text + piece, sequence)
                if seen := rest.rstrip(b"\r"):
                    cut = seen.rfind(b"\r") + 1
                    if cut or crs:
                        overwritten += len(text) + crs + cut
                        text = seen[cut:]
                    else:
                        text += seen
                    crs = 0
                crs += len(rest) - len(seen)
                overwritten, text, sequence = _emit_parts(out, overwritten, text, sequence)
            if i < len(bodies) - 1:
                _emit(out, overwritten, text, crs, 1)
                overwritten, text, crs, sequence = 0, b"", 0, b""
        self.state = (start + sum(out.lengths), overwritten, text, crs, sequence)
        return out

    def finish(self) -> Lines:
        """The last line at the end of the output, if it has no line end."""
        start, overwritten, text, crs, _ = self.state
        out = Lines(start, [], [], [], [])
        if overwritten or text or crs:
            _emit(out, overwritten, text, crs, 0)
        self.state = (start + sum(out.lengths), 0, b"", 0, b"")
        return out


def _emit(out: Lines, overwritten: int, text: bytes, crs: int, line_end: int, flag: int = 0) -> None:
    tail = len(text) + crs + line_end
    out.lengths.append(overwritten + tail)
    out.tails.append(tail)
    out.texts.append(text)
    assert out.flags is not None  # noqa: S101 - _slow and finish always make the column
    open_ = OPEN if not line_end and not flag & PART else 0
    out.flags.append(flag | open_ | (CR if overwritten or crs else 0))


def _skip(overwritten: int, text: bytes, sequence: bytes) -> tuple[int, bytes, bytes, bytes]:
    """Count the bytes that continue a control sequence as overwritten.

    Returns their number, the text (a last ESC that can end the sequence), what follows the sequence, and its kind.
    """
    length, ends = _sequence_length(text, sequence)
    if ends:
        return overwritten + length, b"", text[length:], b""
    return overwritten + length, text[length:], b"", sequence


def _emit_parts(out: Lines, overwritten: int, text: bytes, sequence: bytes) -> tuple[int, bytes, bytes]:
    """Emit the parts of an over-long text; return the rest of the line.

    Parts without any text (control sequences only) are no records: they count as overwritten bytes of what follows.
    """
    at = 0
    while len(text) - at > MAX_TEXT_BYTES and not sequence:
        end = at + _part_end(text[at : at + MAX_TEXT_BYTES + 1])
        if end == at:
            kind = text[at + 1 : at + 2]
            sequence = kind if kind in _SEQUENCE_ENDS else b"P"
            length, ends = _sequence_length(text[at + 2 :], sequence)
            overwritten, at, sequence = overwritten + length + 2, at + length + 2, b"" if ends else sequence
        elif _INVISIBLE.fullmatch(text, at, end):
            overwritten, at = overwritten + end - at, end
        else:
            _emit(out, overwritten, text[at:end], 0, 0, PART)
            overwritten, at = 0, end
    if overwritten > _MAX_OVERWRITTEN_BYTES:
        _emit(out, overwritten, b"", 0, 0, PART)
        overwritten = 0
    return overwritten, text[at:] if at else text, sequence
