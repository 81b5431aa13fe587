"""Replica of a log that a runner writes on another machine: its only writer here. Server; stdlib.

Appends by offset and nothing else: bytes at another offset than the end of a file are refused, and the caller requests
what is missing. The order is the sender's: bytes first, then the index entries that refer to them, so that the reader
sees the replica as any log.

A clock there that is wrong is corrected on the way: the time in each index entry is moved by `shift_us`.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from array import array
from collections.abc import Callable
from pathlib import Path

from .files import OPEN, is_own, open_own, read_json, remove_own, replace_file, write_json
from .layout import ENTRY, SEGMENT, pack, unpack

_MAX_OPEN_FILES = 5  # the newest segment of each file, and the result
_READ_BYTES = 1 << 20


class OffsetMismatch(ValueError):
    """Bytes do not continue the file; `size` is where it ends."""

    def __init__(self, name: str, size: int) -> None:
        super().__init__(f"{name} ends at {size}")
        self.size = size


class Replica:
    """The files of the log in `folder`. `accepts`: whether a name is that of an append-only file.

    `shift_us`: microseconds that are added to the times of the index; constant for a log. One writer per log: hold the
    lock of its folder.
    """

    def __init__(self, folder: Path, accepts: Callable[[str], bool], shift_us: int = 0) -> None:
        self._folder, self._accepts = folder, accepts
        self.shift_us = shift_us
        self._open: dict[str, tuple[int, int]] = {}  # descriptor and size, oldest first

    def sizes(self) -> dict[str, int]:
        """Bytes of each file that is here."""
        with os.scandir(self._folder) as entries:
            return {
                entry.name: _whole(entry.name, entry.stat(follow_symlinks=False).st_size)
                for entry in entries
                if self._accepts(entry.name) and entry.is_file(follow_symlinks=False)
            }

    def append(self, name: str, offset: int, data: bytes) -> int:
        """Append bytes at an offset and return the new size. OSError: the file is unchanged.

        Raises OffsetMismatch, ValueError (no file of a log, or a segment that would become too long).
        """
        fd, size = self._file(name)
        if offset != size:
            raise OffsetMismatch(name, size)
        is_index = name.startswith("index.")
        if size + len(data) > SEGMENT and not is_index and "." in name:
            raise ValueError(f"{name} would become longer than a segment")
        view = memoryview(self._moved(offset, data) if self.shift_us and is_index else data)
        end = size + len(view)
        try:
            while view:
                view = view[os.write(fd, view) :]
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(fd, size)
            raise
        self._open[name] = fd, end
        return end

    def truncate(self, name: str, size: int) -> None:
        """Truncate a file, whose writer rolled back."""
        fd, found = self._file(name)
        if size < found:
            os.ftruncate(fd, size)
            self._open[name] = fd, size

    def remove(self, name: str) -> None:
        """Remove a segment that retention removed there."""
        self._close(name)
        if self._accepts(name):
            remove_own(self._folder / name)

    def replace(self, name: str, data: bytes) -> None:
        """Replace a sidecar file."""
        replace_file(self._folder / name, data, sync=False)

    def checksum(self, name: str, size: int) -> int | None:
        """CRC32 of the first `size` bytes as they were sent; None if the file is shorter or absent."""
        if not self._accepts(name):
            return None
        try:
            fd = os.open(self._folder / name, os.O_RDONLY | OPEN)
        except FileNotFoundError:
            return 0 if size == 0 else None
        crc, at = 0, 0
        try:
            while at < size and (data := os.pread(fd, min(_READ_BYTES, size - at), at)):
                is_moved = self.shift_us and name.startswith("index.")
                crc = zlib.crc32(self._moved(at, data, back=True) if is_moved else data, crc)
                at += len(data)
            os.fsync(fd)  # the remote folder is deleted next
        finally:
            os.close(fd)
        return crc if at == size else None

    def end(self) -> None:
        """Mark the log as ended: nothing follows."""
        os.close(open_own(self._folder / "end", os.O_WRONLY))

    def close(self) -> None:
        """Close the open files."""
        for name in list(self._open):
            self._close(name)

    def _file(self, name: str) -> tuple[int, int]:
        """Descriptor and size of a file, which is created if it is absent."""
        if name not in self._open:
            if not self._accepts(name):
                raise ValueError(f"{name!r} is no file of a log")
            while len(self._open) >= _MAX_OPEN_FILES:
                self._close(next(iter(self._open)))
            fd = open_own(self._folder / name, os.O_RDWR | os.O_APPEND)
            found = os.fstat(fd).st_size
            if found != _whole(name, found):  # a crash tore the last entry
                os.ftruncate(fd, _whole(name, found))
            self._open[name] = fd, _whole(name, found)
        return self._open[name]

    def _close(self, name: str) -> None:
        if entry := self._open.pop(name, None):
            os.close(entry[0])

    def _moved(self, offset: int, data: bytes, *, back: bool = False) -> bytes:
        """Index entries with their times moved; the header of a segment stays."""
        head = data[:ENTRY] if offset == 0 else b""
        words: array[int] = unpack(data[len(head) :])
        shift = -self.shift_us if back else self.shift_us
        words[1::4] = array("Q", [max(time + shift, 0) for time in words[1::4]])
        return head + pack(words)


def _whole(name: str, size: int) -> int:
    """The size of a file without an incomplete index entry at its end."""
    return size - size % ENTRY if name.startswith("index.") else size


class MirrorState:
    """What a mirror must know after a restart of the server, in `mirror.json` beside the replica.

    `shift_us`: correction of the clock there, None until it was measured. `cancel_grace_s`: a cancel that was not
    delivered yet. `missing`: bytes of each file that the remote end no longer had.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "mirror.json"
        try:
            value = read_json(self._path) if is_own(self._path) else {}
        except ValueError:  # damaged
            value = {}
        self.shift_us: int | None = value.get("shift_us")
        self.cancel_grace_s: float | None = value.get("cancel_grace_s")
        self.missing: dict[str, int] = value.get("missing", {})

    def save(self) -> None:
        """Store it. OSError."""
        write_json(self._path, {name: value for name, value in vars(self).items() if not name.startswith("_")})
