"""Coalesced reads from the child's pipe or terminal. Runner; stdlib."""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Iterable

READ_BYTES = 1 << 20
_PTY_READ_BYTES = 4095  # the most that one read of a Linux pty returns; a full read means more is pending
_MAX_READS = 16
_COALESCE_WAIT_MS = 1


def read(fd: int) -> bytes:
    """The next chunk of output, at most 1 MiB; blocks until there is some; b"" at the end of the output.

    Each chunk has a fixed cost downstream and a pty returns at most 4,095 bytes per read, so up to 16 reads that are
    ready within 1 ms of each other are coalesced.
    """
    pieces = [_read_once(fd)]
    if len(pieces[0]) == _PTY_READ_BYTES:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        while len(pieces[-1]) == _PTY_READ_BYTES and len(pieces) < _MAX_READS and poll.poll(_COALESCE_WAIT_MS):
            pieces.append(_read_once(fd))  # an end of file is found again by the next call
    return b"".join(pieces)


def ready(fds: Iterable[int]) -> list[int]:
    """The descriptors from which output that was written before this call can be read.

    poll(2), since it waits until Linux has passed on what was written to a terminal; epoll does not.
    """
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    return [fd for fd, _ in poll.poll(0)]


def _read_once(fd: int) -> bytes:
    try:
        return os.read(fd, READ_BYTES)
    except OSError as error:
        if error.errno != errno.EIO:  # Linux reports EIO, not end of file, for a pty whose other side is closed
            raise
        return b""
