"""Segmented append-only file: bytes at global offsets. Runner and server; stdlib."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

from ..errors import Unreadable
from .files import OPEN, is_own, open_own, quarantine
from .layout import FILES, SEGMENT, SIDECARS, Damaged, extent, segment_path, segments

_PATH_CHECK_S = 0.5  # between checks whether a path still leads to the open file


class OpenSegment:
    """The segment of a file that is open for appending; `number` is -1 if none is. Detects foreign changes."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._fd, self.number = -1, -1
        self._checked = float("-inf")

    def fd(self, number: int, *, fresh: bool = False) -> int:
        """The descriptor of a segment, opened (and created) if another one was open. `fresh`: it must be empty."""
        if number != self.number:
            self.close()
            self._fd = open_own(self._path(number), os.O_RDWR | os.O_APPEND, fresh=fresh)
            self.number = number
        return self._fd

    def check(self, size: int, *, now: bool = False) -> None:
        """Raise Damaged unless the segment has `size` bytes and its path leads to it (every 0.5 s, or `now`)."""
        if self.number < 0:
            return
        found = os.fstat(self._fd)
        if found.st_size == size and found.st_nlink:
            clock = time.monotonic()
            if clock - self._checked < _PATH_CHECK_S and not now:
                return
            if self.is_in_place():
                self._checked = clock
                return
        self._checked = float("-inf")  # every check raises until the segment is replaced
        raise Damaged(self._name)

    def intact(self, size: int) -> int:
        """How many of the expected `size` bytes are still in the file at the path."""
        return min(os.fstat(self._fd).st_size, size) if self.is_in_place() else 0

    def replace(self, size: int) -> None:
        """Continue in a file of `size` bytes at the path, with a hole in place of lost bytes. OSError: try again.

        Bytes that another process appended are dropped; a file in the place of a removed one is quarantined.
        """
        if self.is_in_place():
            os.ftruncate(self._fd, size)
            return
        path = self._path(self.number)
        quarantine(path)
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | OPEN, 0o600)
        os.close(self._fd)
        self._fd = fd
        os.ftruncate(fd, size)

    def salvage(self, size: int) -> bytes:
        """The bytes of a removed or replaced segment, which its descriptor still reaches; at most `size`."""
        return os.pread(self._fd, size, 0)

    def close(self) -> None:
        """Close the segment."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = self.number = -1

    def _path(self, number: int) -> Path:
        return segment_path(self._folder, self._name, number)

    def is_in_place(self) -> bool:
        """Whether the path still leads to the open file."""
        try:
            found = os.stat(self._path(self.number), follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(found, os.fstat(self._fd))


def quarantine_foreign(folder: Path) -> None:
    """Quarantine links, pipes and folders in the place of a log's files, which are then missing. OSError."""
    for entry in list(os.scandir(folder)):
        name, _, number = entry.name.partition(".")
        is_ours = entry.name in SIDECARS or (name in (*FILES, "index") and number.isdecimal())
        if is_ours and not entry.is_file(follow_symlinks=False):
            quarantine(Path(entry.path))


class SegmentedFile:
    """An append-only file in segments. `size` is the global offset of its end."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self.first, self.size = extent(folder, name)
        self._open = OpenSegment(folder, name)

    def append(self, data: bytes) -> None:
        """Append all bytes. OSError: the file is unchanged. Damaged: another process changed it."""
        before = self.size
        view = memoryview(data)
        self.check()
        if self._open.number != self.size // SEGMENT:
            self._open.fd(self.size // SEGMENT, fresh=self.size % SEGMENT == 0)
            self.check()
        try:
            while view:
                number, at = divmod(self.size, SEGMENT)
                written = os.write(self._open.fd(number, fresh=not at), view[: SEGMENT - at])
                self.size += written
                view = view[written:]
        except OSError:
            self.truncate(before)
            raise

    def check(self, *, now: bool = False) -> None:
        """Raise Damaged if another process changed the open segment; see OpenSegment."""
        self._open.check(self.size - self._open.number * SEGMENT, now=now)

    @property
    def intact_end(self) -> int:
        """Global offset at which the bytes end that are still there; `size` unless the file is damaged."""
        begin = self._open.number * SEGMENT
        return begin + self._open.intact(self.size - begin) if begin >= 0 else self.size

    def replace_open(self) -> None:
        """Continue a damaged open segment in a new file; see OpenSegment."""
        self._open.replace(self.size - self._open.number * SEGMENT)

    def holes(self) -> list[tuple[int, int]]:
        """Missing byte ranges: segments before the last one that are absent or too short."""
        numbers, found = segments(self._folder, self._name), []
        for number in range(numbers[0], numbers[-1]) if numbers else ():
            path = segment_path(self._folder, self._name, number)
            size = os.stat(path, follow_symlinks=False).st_size if number in numbers else 0
            if size < SEGMENT:
                found.append((number * SEGMENT + size, (number + 1) * SEGMENT))
        return found

    def fill(self, holes: Iterable[tuple[int, int]]) -> None:
        """Make missing ranges holes in their files: zeros that take no disk space."""
        for _, end in holes:
            path = segment_path(self._folder, self._name, end // SEGMENT - 1)
            fd = open_own(path, os.O_WRONLY)
            try:
                os.ftruncate(fd, SEGMENT)
            finally:
                os.close(fd)

    def truncate(self, size: int) -> None:
        """Truncate the file to a global offset. A file that is shorter already stays so and is detected as damaged."""
        last = size // SEGMENT
        for number in segments(self._folder, self._name):
            if number > last:
                segment_path(self._folder, self._name, number).unlink()
        if self._open.number > last:
            self.close()
        path = segment_path(self._folder, self._name, last)
        file = self._open.fd(last) if self._open.number == last else path if is_own(path) else None
        if file is not None and os.stat(file).st_size > size - last * SEGMENT:
            os.truncate(file, size - last * SEGMENT)
        self.size = size

    def drop_before(self, offset: int) -> None:
        """Remove the segments that lie entirely before an offset."""
        while (self.first // SEGMENT + 1) * SEGMENT <= min(offset, self.size - 1):
            segment_path(self._folder, self._name, self.first // SEGMENT).unlink(missing_ok=True)
            self.first = (self.first // SEGMENT + 1) * SEGMENT

    def close(self) -> None:
        """Close the open segment."""
        self._open.close()


def read_range(folder: Path, name: str, start: int, end: int) -> bytes:
    """The bytes between two global offsets; fewer if the file ends before.

    Raises FileNotFoundError (the segment was removed), Unreadable (I/O error).
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
