"""Levels of traceback lines: the lines that belong to an error have its level. Runs in the runner; stdlib, no I/O.

The grammar is in `text/tracebacks.py`; here it runs over the lines of one source, in the chunks in which they arrive.
This file must not know records or files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..tracebacks import BLANK, State, begin, follow
from .guesser import places, plain
from .rules import ERROR, FATAL, MARKER

# Fast rejection of errors that no traceback follows: the bytes with which a line after an error can continue it, and
# the errors after which any line can.
_CONTINUATIONS = frozenset([b" ", b"\t", b"C", b".", b"-", b"\x1b"])
_BRACKETS = frozenset([b"[", b"("])
_PREFIXED = re.compile(rb"\[[^\]\s]{1,40}\]:|\(|[\w.-]{1,40} +\|")


class Tracebacks:
    """Gives the lines of tracebacks the level error; one instance per source, since sources interleave.

    `state`: the grammar's state after the last line, None outside of tracebacks; a writer restores it to repeat lines.
    """

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state: State | None = None

    def spread(self, texts: Sequence[bytes], codes: bytearray | None) -> bytearray | None:
        """The level codes of the next lines, given each line's own code; None if no line has a level.

        `texts`: without line ends; `codes`: what the guesser found, None for no level at all. Modifies `codes`.
        """
        if self.state is None and (codes is None or not (ERROR in codes or FATAL in codes)):
            return codes
        if codes is None:
            codes = bytearray(len(texts))
        errors = iter([*sorted(places(codes, ERROR) + places(codes, FATAL)), len(texts)])
        next_error = next(errors)
        at = 0
        while at < len(texts):
            if self.state is None:
                while next_error < at:
                    next_error = next(errors)
                at = next_error
                if at == len(texts):
                    break
                if at + 1 < len(texts) and not _can_continue(texts[at], texts[at + 1]):
                    at += 1
                    continue
            codes[at] = self._next(texts[at], codes[at])
            at += 1
        return codes if any(codes) else None

    def _next(self, text: bytes, code: int) -> int:
        """The level of the next line, whose own code is `code`; advances the state."""
        if self.state is not None and code != MARKER:
            found = follow(self.state, plain(text))
            if found is not None:
                self.state = found.state
                return code if found.role == BLANK else ERROR
        opened = begin(plain(text), is_error=True) if code in {ERROR, FATAL} else None
        self.state = None if opened is None else opened.state
        return code


def _can_continue(error: bytes, following: bytes) -> bool:
    if following[:1] in _CONTINUATIONS or b"Traceback" in error or b"panic" in error or b"fatal error" in error:
        return True
    return (error[:1] in _BRACKETS or b" |" in error) and _PREFIXED.match(error) is not None
