"""A file in segments: append-only bytes with global offsets. stdlib; runner and server.

This file must not know what the bytes mean.
"""

from __future__ import annotations

import os
from pathlib import Path

from .layout import SEGMENT, extent, segment_path, segments


class OpenSegment:
    """The one segment of a file that is open for appending; `number` is -1 while none is."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._fd, self.number = -1, -1

    def fd(self, number: int) -> int:
        """The descriptor of a segment, which is opened (and made) if it is another one."""
        if number != self.number:
            self.close()
            path = segment_path(self._folder, self._name, number)
            self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self.number = number
        return self._fd

    def close(self) -> None:
        """Let go of it."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = self.number = -1


class SegmentedFile:
    """An append-only file in segments. `size` is the global offset of its end."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self.first, self.size = extent(folder, name)
        self._open = OpenSegment(folder, name)

    def append(self, data: bytes) -> None:
        """Write all of it; on OSError the file is as it was."""
        before = self.size
        view = memoryview(data)
        try:
            while view:
                room = SEGMENT - self.size % SEGMENT
                written = os.write(self._open.fd(self.size // SEGMENT), view[:room])
                self.size += written
                view = view[written:]
        except OSError:
            self.truncate(before)
            raise

    def truncate(self, size: int) -> None:
        """Cut the file back to a global offset."""
        last = size // SEGMENT
        for number in segments(self._folder, self._name):
            if number > last:
                segment_path(self._folder, self._name, number).unlink()
        if self._open.number > last:
            self.close()
        path = segment_path(self._folder, self._name, last)
        if path.exists():
            os.truncate(path, size - last * SEGMENT)
        self.size = size

    def drop_before(self, offset: int) -> None:
        """Remove the segments that lie wholly before an offset."""
        while (self.first // SEGMENT + 1) * SEGMENT <= min(offset, self.size - 1):
            segment_path(self._folder, self._name, self.first // SEGMENT).unlink(missing_ok=True)
            self.first = (self.first // SEGMENT + 1) * SEGMENT

    def close(self) -> None:
        """Let go of the open segment."""
        self._open.close()


def read_range(folder: Path, name: str, start: int, end: int) -> bytes:
    """The bytes from one global offset to another (short where the file is). FileNotFoundError: retention took them."""
    pieces: list[bytes] = []
    while start < end:
        number, at = divmod(start, SEGMENT)
        fd = os.open(segment_path(folder, name, number), os.O_RDONLY | os.O_CLOEXEC)
        try:
            piece = os.pread(fd, min(end - start, SEGMENT - at), at)
        finally:
            os.close(fd)
        if not piece:
            break
        pieces.append(piece)
        start += len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
