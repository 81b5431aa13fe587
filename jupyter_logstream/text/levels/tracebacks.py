"""Tracebacks: lines that belong to an error though they do not say so themselves. Runs in the runner; stdlib, no I/O.

A Python traceback is an error from its header to the line that names the exception, whatever its lines say; the frames
of Java and JavaScript are, behind the line of their error. One of these per source, since sources interleave. What goes
before the header of a traceback (`[rank0]: `) goes before all its lines. This file must not know records or files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .claims import ERROR, FATAL, MARKER
from .guesser import places, plain

_HEADER = b"Traceback (most recent call last):"
_LONGEST_PREFIX = 64
_RAISED = re.compile(rb"(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?::|$)")
_CHAINED = (b"During handling of the above exception", b"The above exception was the direct cause")
_FRAME = re.compile(rb"\s+at \S|\s*\.\.\. \d+ (?:more|common frames omitted)|Caused by: ")

_GOES_ON = frozenset([b" ", b"\t", b"C", b".", b"\x1b"])  # what a line that _FRAME finds begins with

# Where a source is: nowhere; among the frames of a traceback; behind the line that names its exception; behind an empty
# line after that; behind the sentence that chains another one; among the frames of an exception group, which all begin
# with white space; behind an error, where frames of other languages may follow.
_NOWHERE, _FRAMES, _NAMED, _APART, _CHAIN, _GROUP, _ERROR = range(7)


class Tracebacks:
    """Gives the lines of tracebacks their level. `state` is all it remembers: where its source is, and the prefix."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state: tuple[int, bytes] = (_NOWHERE, b"")

    def spread(self, texts: Sequence[bytes], codes: bytearray | None) -> bytearray | None:
        """The level codes of the next lines, given what each says of itself; None where none says any."""
        if self.state[0] == _NOWHERE and (codes is None or not (ERROR in codes or FATAL in codes)):
            return codes
        if codes is None:
            codes = bytearray(len(texts))
        errors = iter([*sorted(places(codes, ERROR) + places(codes, FATAL)), len(texts)])
        following = next(errors)
        at = 0
        while at < len(texts):
            if self.state[0] == _NOWHERE:
                while following < at:
                    following = next(errors)
                at = following
                if at == len(texts):
                    break
                if at + 1 < len(texts) and texts[at + 1][:1] not in _GOES_ON and _HEADER not in texts[at]:
                    at += 1  # nothing that follows can be its own
                    continue
            codes[at] = self._next(texts[at], codes[at])
            at += 1
        return codes if any(codes) else None

    def _next(self, text: bytes, code: int) -> int:
        """The level of the next line, which says `code` of itself; moves on."""
        where, prefix = self.state
        if where != _NOWHERE and code != MARKER:
            text = plain(text)
            if text.startswith(prefix):
                level = self._inside(where, text[len(prefix) :], code)
                if level is not None:
                    return level
        self.state = _NOWHERE, b""
        if code in {ERROR, FATAL}:
            self._begin(plain(text))
        return code

    def _inside(self, where: int, text: bytes, code: int) -> int | None:
        """The level of a line where it goes on with what was before it; None where it does not."""
        indented = text[:1] in {b" ", b"\t"}
        header = _HEADER in text
        if where == _ERROR:
            return ERROR if _FRAME.match(text) else None
        if header:
            return None
        if where == _GROUP or (indented and where in {_FRAMES, _NAMED}):
            return ERROR if indented else None
        if where == _FRAMES and code in {0, ERROR, FATAL} and _RAISED.match(text):
            self.state = _NAMED, self.state[1]
            return ERROR
        if text.startswith(_CHAINED):
            self.state = _CHAIN, self.state[1]
            return ERROR
        if not text and where == _NAMED:
            self.state = _APART, self.state[1]
            return code
        return ERROR if not text and where == _CHAIN else None

    def _begin(self, text: bytes) -> None:
        at = text.find(_HEADER)
        if at < 0 or at > _LONGEST_PREFIX:
            self.state = _ERROR, b""
        elif text[:at].lstrip()[:1] in {b"+", b"|"}:
            self.state = _GROUP, b""
        else:
            self.state = _FRAMES, text[:at]
