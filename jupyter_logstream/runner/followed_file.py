"""One open file that is followed: position, truncation, lines that are not complete yet. Runner; stdlib.

The file is opened once and read by position, so a rename does not matter. It is read again from its beginning when it
is shorter than what was read of it, or the last bytes that were read have changed (copytruncate).
"""

from __future__ import annotations

import errno
import os
import time
from zlib import crc32

from .followed_positions import HEAD_BYTES, WINDOW_BYTES, Position

READ_BYTES = 1 << 20
"""Most bytes of one read; a longer line that is not complete is passed on in parts."""

DEFAULT_TAIL_BYTES = 16 * 1024 * 1024
"""A larger file is followed from its last bytes on, unless the caller wants otherwise."""

_MAX_SCAN_BYTES = 256 * 1024 * 1024  # for the last N lines
_SCAN_BYTES = 1 << 20
_MAX_LINE_SEARCH_BYTES = 1 << 16


class FollowedFile:
    """An open file, from `offset` on. `path`, `name`: what it was followed as; `changed`: monotonic time of new bytes.

    The log has the first `done` bytes of what follows from `base`; `skip`: also so many of what is read next.
    Bound: one read of READ_BYTES; what is not complete is read again instead of buffered.
    """

    def __init__(self, fd: int, path: str, name: str, offset: int = 0, skip: int = 0) -> None:
        self.fd, self.path, self.name, self.offset = fd, path, name, offset
        self.base, self.done, self.skip = offset, 0, skip
        found = os.fstat(fd)
        self.ident = found.st_dev, found.st_ino
        self.changed = time.monotonic()
        self._head = os.pread(fd, min(offset, HEAD_BYTES), 0)
        self._window = os.pread(fd, min(offset, WINDOW_BYTES), max(offset - WINDOW_BYTES, 0))
        self._largest = found.st_size  # since the position was 0
        self._seen: tuple[int, int] | None = None  # size and time of the last change, when nothing was to be read
        self._skips_hole = False  # a writer that does not append leaves a hole after a truncation
        self._reports: list[str] = []

    @property
    def position(self) -> Position:
        """How far it was read and stored."""
        head, window = crc32(self._head), crc32(self._window)
        return Position(self.path, self.name, *self.ident, self.offset, head, window, self.base, self.done + self.skip)

    def mark_stored(self, base: int, done: int) -> None:
        """The log has the first `done` bytes of what follows from the offset `base`."""
        self.base, self.done = base, done

    def close(self) -> None:
        """Close it."""
        os.close(self.fd)

    def reports(self) -> list[str]:
        """Irregularities since the last call, as sentences."""
        found, self._reports = self._reports, []
        return found

    def read(self, *, whole_lines: bool) -> bytes:
        """The next bytes, at most READ_BYTES; b"" if there are none now.

        `whole_lines`: without a line that is not complete, unless it is longer than READ_BYTES.
        """
        try:
            return self._read(whole_lines)
        except OSError as error:
            if error.errno not in {errno.ESTALE, errno.EIO, errno.EAGAIN, errno.EISDIR}:
                raise
            return b""  # a network file system that has lost it; its path is opened again when it is another file

    def _read(self, whole_lines: bool) -> bytes:
        found = os.fstat(self.fd)
        state = found.st_size, found.st_mtime_ns
        if state == self._seen and (whole_lines or found.st_size <= self.offset):
            return b""
        if found.st_size < self.offset:
            return self._restart("truncated")
        if self._skips_hole:
            self._skip_hole(found.st_size)
        data = os.pread(self.fd, len(self._window) + READ_BYTES, self.offset - len(self._window))
        if not data.startswith(self._window):
            return self._restart("overwritten" if os.fstat(self.fd).st_size >= self.offset else "truncated")
        new = data[len(self._window) :]
        self._largest = max(self._largest, found.st_size, self.offset + len(new))
        if whole_lines and len(new) < READ_BYTES:
            new = new[: new.rfind(b"\n") + 1]
        if not new:
            self._seen = state
            return b""
        self._seen = None
        self._advance(new)
        return self._without_hole(new)

    def _advance(self, new: bytes) -> None:
        self._head += new[: max(HEAD_BYTES - len(self._head), 0)]
        self.offset += len(new)
        self._window = (self._window + new)[-WINDOW_BYTES:]
        self.changed = time.monotonic()

    # --- truncation ---------------------------------------------------------------------------------------------------

    def _restart(self, what: str) -> bytes:
        """Go to the beginning, and report it: the caller first ends the line that is not continued."""
        missing = max(self._largest - self.offset, 0)
        self._reports.append(
            f"{self.name} was {what} after {self.offset} bytes of it were read: it is read from its beginning again; "
            f"{missing} bytes that had been seen in it were not read, and what was written in between may be missing"
        )
        self.offset, self._head, self._window, self._largest, self._seen = 0, b"", b"", 0, None
        self.base = self.done = self.skip = 0
        self._skips_hole = True
        return b""

    def _skip_hole(self, size: int) -> None:
        """Go to the first data: the zeros of a hole are no lines."""
        if self.offset or not size:
            return
        try:
            start = os.lseek(self.fd, 0, os.SEEK_DATA)
        except (AttributeError, OSError):  # not supported, or only a hole
            return
        self.offset = self.base = start
        self._head = os.pread(self.fd, min(start, HEAD_BYTES), 0)

    def _without_hole(self, new: bytes) -> bytes:
        """Without the zeros at the beginning of the first data after a truncation."""
        if not self._skips_hole:
            return new
        rest = new.lstrip(b"\0")
        self._skips_hole = not rest
        return rest


def start_offset(fd: int, tail: int | None) -> int:
    """Where to begin in an existing file: at its last `tail` lines; None: at its last DEFAULT_TAIL_BYTES.

    A line that is not complete counts as one. Bound: lines are searched in the last _MAX_SCAN_BYTES.
    """
    size = os.fstat(fd).st_size
    if tail is None:
        return 0 if size <= DEFAULT_TAIL_BYTES else _line_after(fd, size - DEFAULT_TAIL_BYTES)
    if tail == 0:
        return size
    wanted = tail + (os.pread(fd, 1, max(size - 1, 0)) == b"\n")
    at = size
    while at > 0 and size - at < _MAX_SCAN_BYTES:
        start = max(at - _SCAN_BYTES, 0)
        block = os.pread(fd, at - start, start)
        count = block.count(b"\n")
        if count >= wanted:
            end = len(block)
            for _ in range(wanted):
                end = block.rfind(b"\n", 0, end)
            return start + end + 1
        wanted, at = wanted - count, start
    return at


def _line_after(fd: int, offset: int) -> int:
    """The beginning of the first line from an offset on; the offset itself within a very long line."""
    found = os.pread(fd, _MAX_LINE_SEARCH_BYTES, offset - 1).find(b"\n")
    return offset + found if found >= 0 else offset
