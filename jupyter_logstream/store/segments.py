"""A file in segments: append-only bytes with global offsets. stdlib; runner and server.

This file must not know what the bytes mean.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from ..folder import OPEN
from .layout import SEGMENT, Damaged, Unreadable, extent, segment_path, segments

_LOOK_APART = 0.5  # seconds between two looks whether a file is still the one that is being written


class OpenSegment:
    """The one segment of a file that is open for appending; `number` is -1 while none is."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._fd, self.number = -1, -1
        self._file = (0, 0)
        self._looked = float("-inf")

    def fd(self, number: int) -> int:
        """The descriptor of a segment, which is opened (and made) if it is another one."""
        if number != self.number:
            self.close()
            path = segment_path(self._folder, self._name, number)
            self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | OPEN, 0o600)
            self.number = number
            stat = os.fstat(self._fd)
            self._file = stat.st_dev, stat.st_ino
        return self._fd

    def check(self, size: int, *, now: bool = False) -> None:
        """Raise Damaged unless the open segment is what its path leads to, and so long. Looks now and then."""
        clock = time.monotonic()
        if self.number < 0 or (clock - self._looked < _LOOK_APART and not now):
            return
        self._looked = clock
        try:
            stat = os.stat(segment_path(self._folder, self._name, self.number), follow_symlinks=False)
        except FileNotFoundError:
            raise Damaged(self._name) from None
        if (stat.st_dev, stat.st_ino) != self._file or stat.st_size != size:
            raise Damaged(self._name)

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
        """Write all of it; on OSError the file is as it was. Damaged: somebody else had a hand in it."""
        before = self.size
        view = memoryview(data)
        self.check()
        try:
            while view:
                room = SEGMENT - self.size % SEGMENT
                written = os.write(self._open.fd(self.size // SEGMENT), view[:room])
                self.size += written
                view = view[written:]
        except OSError:
            self.truncate(before)
            raise

    def check(self, *, now: bool = False) -> None:
        """See OpenSegment."""
        self._open.check(self.size - self._open.number * SEGMENT, now=now)

    def renew(self) -> None:
        """Go on in a new segment; what was before it goes."""
        number = self.next_segment // SEGMENT
        self._open.fd(number)
        for old in segments(self._folder, self._name):
            if old < number:
                segment_path(self._folder, self._name, old).unlink()
        self.first = self.size = number * SEGMENT

    @property
    def next_segment(self) -> int:
        """Where the segment behind the last one begins."""
        return (self.size // SEGMENT + 1) * SEGMENT

    def fill_holes(self) -> int:
        """Make every segment but the last as long as it must be, with NULs; how many bytes those are."""
        numbers, lost = segments(self._folder, self._name), 0
        for number in range(numbers[0], numbers[-1]) if numbers else ():
            path = segment_path(self._folder, self._name, number)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | OPEN, 0o600)
            try:
                if missing := SEGMENT - os.fstat(fd).st_size:
                    os.ftruncate(fd, SEGMENT)
                    lost += missing
            finally:
                os.close(fd)
        return lost

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
    """The bytes from one global offset to another (short where the file is).

    Raises FileNotFoundError where retention took them, Unreadable where the disk does not give them back.
    """
    pieces: list[bytes] = []
    while start < end:
        number, at = divmod(start, SEGMENT)
        try:
            fd = os.open(segment_path(folder, name, number), os.O_RDONLY | OPEN)
            try:
                piece = os.pread(fd, min(end - start, SEGMENT - at), at)
            finally:
                os.close(fd)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise Unreadable(f"{name} of {folder.name} cannot be read: {error.strerror}") from error
        if not piece:
            break
        pieces.append(piece)
        start += len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
