"""Write-ahead journal of the positions in followed files, from which another runner continues. Runner; stdlib.

Each append to the log is announced here before: which file it is from, how far that was read, and where in the log it
goes. The size of the log then shows which appends happened, also in part, so no line is missing or there twice after
the runner was killed. Without fsync: after a power cut the last seconds of journal or log can be gone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import NamedTuple
from zlib import crc32

from ..store.disk.files import open_own, read_file, replace_file
from ..store.disk.folder import Folder
from ..store.disk.layout import extent

HEAD_BYTES = 1024
"""Bytes at the beginning of a file by which it is recognised."""

WINDOW_BYTES = 64
"""Bytes before the position by which it is recognised."""

_MAX_JOURNAL_BYTES = 256 * 1024
_ENCODE = json.JSONEncoder(separators=(",", ":")).encode


class Position(NamedTuple):
    """How far a file was read. `head`, `window`: checksums of its first bytes and of those before `offset`.

    The log has the first `done` bytes of what follows from `base`, where reading begins again: secrets are found only
    if the line's beginning is known. `is_open`: it was not closed after a long silence.
    """

    path: str
    name: str
    device: int
    inode: int
    offset: int
    head: int
    window: int
    base: int
    done: int
    is_open: bool = True

    def is_continued_by(self, fd: int) -> bool:
        """Whether an open file has the same bytes up to there; else it was truncated, or has a removed one's inode."""
        head, window = checksums(fd, self.offset)
        return (head, window) == (self.head, self.window) and os.fstat(fd).st_size >= self.offset


def checksums(fd: int, offset: int) -> tuple[int, int]:
    """Checksums of a file's first bytes and of those before an offset."""
    window = min(offset, WINDOW_BYTES)
    return crc32(os.pread(fd, min(offset, HEAD_BYTES), 0)), crc32(os.pread(fd, window, offset - window))


class PositionJournal:
    """The journal of a workload. Create it before the log is opened, which can repair it.

    `restored`: the positions of the files of an earlier runner, in its order; None if there was none. `last`: the file
    of its last lines (device, inode). After a power cut, `unknown_bytes` at the log's end are of unknown files, and
    `lost_bytes` of it are gone.
    """

    def __init__(self, folder: Folder) -> None:
        self._path = folder.positions
        self._fd, self._size = -1, 0
        self.restored: list[Position] | None = None
        self.last: tuple[int, int] | None = None
        self.unknown_bytes = self.lost_bytes = 0
        self._restore(extent(folder.path, "stdout")[1])
        self._fd = open_own(self._path, os.O_WRONLY | os.O_APPEND)

    @property
    def is_large(self) -> bool:
        """Whether it is time to replace it."""
        return self._size > _MAX_JOURNAL_BYTES

    def announce(self, at: int, size: int, base: int, done: int, after: Position) -> None:
        """Store that an append of `size` bytes at the log's offset `at` comes next, and the position after it.

        `base`, `done`: the position before it. OSError: nothing was stored.
        """
        line = _ENCODE([at, size, base, done, *after]).encode() + b"\n"
        written = 0
        try:
            while written < len(line):
                written += os.write(self._fd, line[written:])
        except OSError:
            os.ftruncate(self._fd, self._size)
            raise
        self._size += written

    def replace(self, at: int, positions: Iterable[Position], last: tuple[int, int] | None) -> None:
        """Replace the journal by the positions of all files; the log has `at` bytes, of the file `last` in the end.

        OSError: nothing was replaced.
        """
        lines = [_ENCODE([at, last]), *(_ENCODE([at, 0, one.base, one.done, *one]) for one in positions)]
        data = "".join(line + "\n" for line in lines).encode()
        replace_file(self._path, data, sync=False)
        os.close(self._fd)
        self._fd = open_own(self._path, os.O_WRONLY | os.O_APPEND)
        self._size = len(data)

    def close(self) -> None:
        """Remove it: the workload has ended."""
        os.close(self._fd)
        self._path.unlink(missing_ok=True)

    # --- restore ------------------------------------------------------------------------------------------------------

    def _restore(self, log_bytes: int) -> None:
        try:
            header, *lines = read_file(self._path).split(b"\n")[:-1]  # the append of a line that is cut did not begin
            end, last = json.loads(header)
        except (FileNotFoundError, ValueError, TypeError):  # a first runner, or after a power cut
            self.unknown_bytes = log_bytes
            return
        self.lost_bytes = max(end - log_bytes, 0)
        known: dict[tuple[int, int], Position] = {}
        for line in lines:
            try:
                at, size, base, done, *fields = json.loads(line)
                after = Position(*fields)
            except (ValueError, TypeError):  # after a power cut
                break
            end = at + size
            if size and at >= log_bytes:
                continue  # it did not happen
            ident = after.device, after.inode
            last = ident if size else last
            is_whole = not size or end <= log_bytes
            known[ident] = after if is_whole else after._replace(base=base, done=done + log_bytes - at)
        if log_bytes > end:
            self._restore_unannounced(known, log_bytes - end)
        self.restored, self.last = list(known.values()), last and tuple(last)

    def _restore_unannounced(self, known: dict[tuple[int, int], Position], size: int) -> None:
        """The end of the journal was lost: the rest of the log is of the only file, or of unknown ones."""
        if len(known) == 1:
            ((ident, position),) = known.items()
            known[ident] = position._replace(done=position.done + size)
        else:
            self.unknown_bytes = size
