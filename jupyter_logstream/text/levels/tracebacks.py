"""Levels of traceback lines: the lines that belong to an error have its level. Runs in the runner; stdlib, no I/O.

The grammar is in `text/tracebacks.py`; here it runs over the lines of one source, in the chunks in which they arrive.
This file must not know records or files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..tracebacks import BLANK, PREFIX, State, begin, follow
from .guesser import places, plain
from .rules import ERROR, FATAL, MARKER

# Fast rejection of errors that no traceback follows, by the next line: its first byte, then its beginning.
_FIRST_BYTES = frozenset([b" ", b"\t", b"C", b".", b"-", b"[", b"(", b"\x1b"])
_CAN_FOLLOW = re.compile(
    rb"(?:" + PREFIX + rb")?(?:\s|Caused by: |\[cause\]: |---> |\.\.\. \d|--- End |Suppressed: )|\x1b"
)
_OPENINGS = (b"Traceback", b"panic", b"fatal error")
"""What an error holds that any line can follow."""


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
        heads = iter([*_heads(texts, codes), len(texts)])
        head = next(heads)
        at = 0
        while at < len(texts):
            if self.state is not None:
                codes[at] = self._follow(texts[at], codes[at])
            if self.state is None:
                while head < at:
                    head = next(heads)
                if head > at:
                    at = head
                    continue
                opened = begin(plain(texts[at]), is_error=True)
                self.state = None if opened is None else opened.state
            at += 1
        return codes if any(codes) else None

    def _follow(self, text: bytes, code: int) -> int:
        """The level of a line within a traceback, whose own code is `code`; state None if the line ends that."""
        found = None if self.state is None or code == MARKER else follow(self.state, plain(text))
        self.state = None if found is None else found.state
        return code if found is None or found.role == BLANK else ERROR


def _heads(texts: Sequence[bytes], codes: bytearray) -> list[int]:
    """The errors that a traceback can follow, by the line behind them; at the end of a chunk that line is unknown."""
    errors = sorted(places(codes, ERROR) + places(codes, FATAL))
    last = len(texts) - 1
    heads = {last} if errors and errors[-1] == last else set()
    pairs = errors[:-1] if heads else errors
    near = [at for at in pairs if (line := texts[at + 1])[:1] in _FIRST_BYTES or b" |" in line]
    heads.update(at for at in near if _CAN_FOLLOW.match(texts[at + 1]))
    joined = b"\n".join([texts[at] for at in pairs])
    for opening in _OPENINGS:
        if opening in joined:
            heads.update(at for at in pairs if opening in texts[at])
    return sorted(heads)
