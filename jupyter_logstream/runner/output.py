"""Reading what a child writes, by pipe or terminal. Runs in the runner; stdlib.

This file must not know what becomes of it.
"""

from __future__ import annotations

import errno
import os
import select

CHUNK = 1 << 20
_TERMINAL_HAS = 4095  # bytes: what Linux hands over of a terminal at once; more is on its way then
_MOST_PIECES = 16
_PIECES_APART = 1  # ms


def read(fd: int) -> bytes:
    """The next output, waited for; b"" at its end.

    What is taken in costs by the piece more than by the byte, and a terminal gives small ones: those that follow at
    once come along, for some milliseconds at most.
    """
    pieces = [_piece(fd)]
    if len(pieces[0]) == _TERMINAL_HAS:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        while len(pieces[-1]) == _TERMINAL_HAS and len(pieces) < _MOST_PIECES and poll.poll(_PIECES_APART):
            pieces.append(_piece(fd))  # the end, too: it is found again
    return b"".join(pieces)


def _piece(fd: int) -> bytes:
    try:
        return os.read(fd, CHUNK)
    except OSError as error:
        if error.errno != errno.EIO:  # a terminal whose other side is closed says EIO, not end of file
            raise
        return b""
