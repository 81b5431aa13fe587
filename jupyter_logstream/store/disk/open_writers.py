"""Open writers of a server's logs, each with the lock of its folder. Server."""

from __future__ import annotations

import contextlib
import errno
import os
from collections import OrderedDict

from ..errors import BadIndex, NotWriter, StreamEnded
from .files import is_folder, is_own
from .folder import Folder
from .stream_folders import StreamFolders
from .writer import LogWriter

_MAX_WRITERS = 64  # each has up to four open files


class OpenWriters:
    """The writers of the streams in `folders`. `log_bytes`: bytes of one log before its oldest segment is removed.

    Bound: _MAX_WRITERS; beyond it the least recently used one is released, and opened again when needed.
    """

    def __init__(self, folders: StreamFolders, log_bytes: int) -> None:
        self._folders, self._log_bytes = folders, log_bytes
        self._writers: OrderedDict[str, tuple[int, LogWriter]] = OrderedDict()

    def get(self, stream: str) -> LogWriter:
        """The writer of a stream, which is created if it is new. Raises StreamEnded, NotWriter, BadIndex, OSError."""
        if stream in self._writers:
            self._writers.move_to_end(stream)
            return self._writers[stream][1]
        self._writers[stream] = self._open(Folder(self._folders / stream))
        if len(self._writers) > _MAX_WRITERS:
            self.release(next(iter(self._writers)))
        return self._writers[stream][1]

    def release(self, stream: str) -> None:
        """Close the writer of a stream, if one is open; the stream stays as it is."""
        if entry := self._writers.pop(stream, None):
            entry[1].release()
            os.close(entry[0])

    def close(self) -> None:
        """Release all writers."""
        for stream in list(self._writers):
            self.release(stream)

    def _open(self, folder: Folder) -> tuple[int, LogWriter]:
        with contextlib.suppress(FileExistsError):
            folder.path.mkdir(mode=0o700)
        if not is_folder(folder.path):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if is_own(folder.path / "end"):
            raise StreamEnded(f"the stream {folder.id} was ended")
        lock = folder.lock()
        if lock is None:
            raise NotWriter(f"another process writes the stream {folder.id}")
        try:
            return lock, LogWriter(folder.path, keep=self._log_bytes)
        except (OSError, BadIndex):
            os.close(lock)
            raise
