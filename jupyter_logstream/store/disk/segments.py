"""A file in segments: append-only bytes with global offsets. stdlib; runner and server.

This file must not know what the bytes mean.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterable
from pathlib import Path

from ..errors import Unreadable
from .folder import OPEN
from .layout import SEGMENT, Damaged, extent, segment_path, segments

_LOOK_APART = 0.5  # seconds between two looks whether a path still leads to the file that is being written
_COPIED_AT_ONCE = 1 << 20
_BLOCK, _MOST_BLOCKS = 4096, 16  # bytes; how many that cannot be read are found out one by one


class OpenSegment:
    """The one segment of a file that is open for appending; `number` is -1 while none is.

    While it is open its bytes can be had, though somebody else removes it or puts something in its place.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._fd, self.number = -1, -1
        self._looked = float("-inf")

    def fd(self, number: int, *, fresh: bool = False) -> int:
        """The descriptor of a segment, which is opened (and made) if it is another one. `fresh`: it must be empty."""
        if number != self.number:
            self.close()
            self._fd = _open_own(segment_path(self._folder, self._name, number), fresh=fresh)
            self.number = number
        return self._fd

    def check(self, size: int, *, now: bool = False) -> None:
        """Raise Damaged unless it is so long, and what its path leads to: that is looked at now and then."""
        if self.number < 0:
            return
        if os.lseek(self._fd, 0, os.SEEK_END) == size:  # quicker than fstat, and it is done for each write
            clock = time.monotonic()
            if clock - self._looked < _LOOK_APART and not now:
                return
            if self._is_in_place():
                self._looked = clock
                return
        self._looked = float("-inf")  # seen at every look, until it is restored
        raise Damaged(self._name)

    def left(self, size: int) -> int:
        """How many of the `size` bytes that it must have are there."""
        return min(os.fstat(self._fd).st_size, size)

    def restore(self, size: int) -> None:
        """Make it what its path leads to, and so long: with zeros behind what is left, and the rest set aside.

        OSError: it can be tried again.
        """
        path = segment_path(self._folder, self._name, self.number)
        if self._is_in_place() and os.fstat(self._fd).st_size <= size:
            os.ftruncate(self._fd, size)
            return
        new = path.with_name(path.name + ".new")
        new.unlink(missing_ok=True)
        copy = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | OPEN, 0o600)
        try:
            _copy(self._fd, copy, self.left(size))
            os.ftruncate(copy, size)
            set_aside(path)
            new.rename(path)
        except OSError:
            new.unlink(missing_ok=True)
            raise
        finally:
            os.close(copy)
        self.close()

    def close(self) -> None:
        """Let go of it."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = self.number = -1

    def _is_in_place(self) -> bool:
        try:
            found = os.stat(segment_path(self._folder, self._name, self.number), follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(found, os.fstat(self._fd))


def _open_own(path: Path, *, fresh: bool) -> int:
    """Open a segment for appending. What is there and cannot be ours (no file; not `fresh`) is set aside."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | OPEN
    try:
        fd = os.open(path, flags, 0o600)
    except OSError as error:
        if error.errno not in {errno.ELOOP, errno.ENXIO, errno.EISDIR}:
            raise
    else:
        found = os.fstat(fd)
        if stat.S_ISREG(found.st_mode) and not (fresh and found.st_size):
            return fd
        os.close(fd)
    set_aside(path)
    return os.open(path, flags | os.O_EXCL, 0o600)


def set_aside(path: Path) -> None:
    """Give what another hand put there a name that nobody reads: it may be all that is left of something."""
    number = 0
    while os.path.lexists(aside := path.with_name(f"{path.name}.aside{number or ''}")):
        number += 1
    with contextlib.suppress(FileNotFoundError):
        path.rename(aside)


def _copy(source: int, target: int, size: int) -> None:
    at = 0
    while at < size:
        piece = os.pread(source, min(size - at, _COPIED_AT_ONCE), at)
        if not piece:  # cut meanwhile: the next check sees it
            return
        done = 0
        while done < len(piece):
            done += os.write(target, piece[done:])
        at += done


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
        """See OpenSegment."""
        self._open.check(self.size - self._open.number * SEGMENT, now=now)

    @property
    def left(self) -> int:
        """Where the bytes end that are there, should the open segment have been cut: else `size`."""
        begin = self._open.number * SEGMENT
        return begin + self._open.left(self.size - begin) if begin >= 0 else self.size

    def restore(self) -> None:
        """See OpenSegment."""
        self._open.restore(self.size - self._open.number * SEGMENT)

    def holes(self) -> list[tuple[int, int]]:
        """From where to where bytes are missing, since a segment before the last is not as long as it must be."""
        numbers, found = segments(self._folder, self._name), []
        for number in range(numbers[0], numbers[-1]) if numbers else ():
            path = segment_path(self._folder, self._name, number)
            size = path.stat(follow_symlinks=False).st_size if number in numbers else 0
            if size < SEGMENT:
                found.append((number * SEGMENT + size, (number + 1) * SEGMENT))
        return found

    def fill(self, holes: Iterable[tuple[int, int]]) -> None:
        """Put NULs in the place of what is missing."""
        for _, end in holes:
            path = segment_path(self._folder, self._name, end // SEGMENT - 1)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | OPEN, 0o600)
            try:
                os.ftruncate(fd, SEGMENT)
            finally:
                os.close(fd)

    def truncate(self, size: int) -> None:
        """Cut the file back to a global offset. What somebody else has cut further stays so, to be seen."""
        last = size // SEGMENT
        for number in segments(self._folder, self._name):
            if number > last:
                segment_path(self._folder, self._name, number).unlink()
        if self._open.number > last:
            self.close()
        path = segment_path(self._folder, self._name, last)
        file = self._open.fd(last) if self._open.number == last else path
        if os.path.exists(file) and os.stat(file).st_size > size - last * SEGMENT:
            os.truncate(file, size - last * SEGMENT)
        self.size = size

    def drop_before(self, offset: int) -> None:
        """Remove the segments that lie wholly before an offset."""
        while (self.first // SEGMENT + 1) * SEGMENT <= min(offset, self.size - 1):
            segment_path(self._folder, self._name, self.first // SEGMENT).unlink(missing_ok=True)
            self.first = (self.first // SEGMENT + 1) * SEGMENT

    def close(self) -> None:
        """Let go of the open segment."""
        self._open.close()


def unreadable(folder: Path, name: str, start: int, end: int) -> list[tuple[int, int]]:
    """What of the bytes between two global offsets the disk does not give back, block by block.

    After so many blocks the rest is taken to be unreadable, too: a dying disk is slow. Raises as `read_range` does, but
    Unreadable only for what passes.
    """
    found: list[tuple[int, int]] = []
    while start < end:
        if len(found) == _MOST_BLOCKS:
            return [*found, (start, end)]
        stop = min((start // _BLOCK + 1) * _BLOCK, end)
        try:
            read_range(folder, name, start, stop)
        except Unreadable as error:
            if error.is_temporary:
                raise
            found.append((start, stop))
        start = stop
    return found


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
