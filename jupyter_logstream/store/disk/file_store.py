"""File store: a folder per stream below one root. Server; the runner writes into the same folders.

A stream has one writer: the runner while it holds the folder's lock, otherwise this store. A store has one server: a
second one is refused.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ...model.records import Record
from ..errors import BadIndex, UnknownStream, Unreadable
from .batch import DiskBatch
from .batch_cache import BatchCache
from .download import Download
from .files import is_folder, is_own, make_private, remove_own
from .folder import Folder
from .notes import Notes
from .open_writers import OpenWriters
from .ownership import acquire, remove
from .reader import BATCH_BYTES, LogReader
from .stream_folders import StreamFolders, names_in
from .watch import Inotify, Poller, watcher
from .writer import LogWriter

_MAX_ATTEMPTS = 5
_MAX_READERS = 512  # beyond it the least recently used one is dropped, and created again when needed
_SCAN_BYTES = 16 << 20
_MAX_EAGER_RECORDS = 5001  # batches up to this size load their texts at once; larger reads are scans


class FileStore:
    """Streams below `root/streams`. `keep`: bytes of one log on disk before its oldest segment is removed.

    Raises StoreInUse, WrongLayout, OSError.
    """

    def __init__(self, root: Path, *, keep: int = 1 << 30) -> None:
        self.root = root
        self.keep = keep
        make_private(root)
        self._streams = StreamFolders(root / "streams")
        self._locks = {root: acquire(root)}  # of this store and of the adopted ones
        self._readers: OrderedDict[str, LogReader] = OrderedDict()
        self._cache = BatchCache()
        self._writers = OpenWriters(self._streams, keep)
        self._watcher: Inotify | Poller | None = None
        self._poller = Poller()
        self._remover = ThreadPoolExecutor(1, "logstream-remover")  # a large log takes long to remove
        self._remover.submit(int)  # start the thread now: later the system can be out of threads

    @property
    def folders(self) -> Path:
        """The directory with one folder per stream of this store."""
        return self._streams.own

    @property
    def stream_folders(self) -> StreamFolders:
        """Where the folders of all streams are, those of adopted stores included."""
        return self._streams

    def folder(self, stream: str) -> Folder:
        """The folder of a stream, which need not exist."""
        return Folder(self._streams / stream)

    def streams(self) -> list[str]:
        """The ids of all streams, oldest first. Links and files among the folders are no streams."""
        return self._streams.names()

    def prepare(self, records: Iterable[Record]) -> Iterable[Record]:
        return Notes(records)

    def append(self, stream: str, records: Iterable[Record], *, end: bool = False) -> int:
        last = self._writers.get(stream).publish(records)
        if end:
            self.finish(stream)
        return last

    def read(self, stream: str, after: int, limit: int) -> DiskBatch:
        for attempt in range(_MAX_ATTEMPTS):
            try:
                return self._read_or_refuse(stream, after, limit)
            except BadIndex as error:
                self._cache.forget(stream)
                no_repair_helps = isinstance(error, Unreadable) and not error.is_foreign
                if attempt >= _MAX_ATTEMPTS - 1 or no_repair_helps:
                    raise
                self.repair(stream)
            except FileNotFoundError:
                self._readers.pop(stream, None)
                if not is_folder(self._streams / stream):
                    break
                if attempt >= _MAX_ATTEMPTS - 2:  # an earlier attempt can fail by retention
                    self.repair(stream)
        raise UnknownStream(stream)

    def open_download(self, stream: str, source: str | None, after: int = 0, last: int | None = None) -> Download:
        """See `LogStore`."""
        if not is_folder(self._streams / stream):
            raise UnknownStream(stream)
        try:
            return Download(self.folder(stream).path, source, after, last)
        except OSError as error:
            raise Unreadable(f"the log of {stream} cannot be read: {error.strerror}") from error

    def watch(self, stream: str, wake: Callable[[], None]) -> Callable[[], None]:
        if self._watcher is None:
            self._watcher = watcher(self._streams.own)
        folder = self.folder(stream).path
        if not is_folder(folder):
            raise UnknownStream(stream)
        try:
            return self._watcher.add(folder, wake)
        except FileNotFoundError:
            raise UnknownStream(stream) from None
        except OSError:  # the user's inotify watches are exhausted
            return self._poller.add(folder, wake)

    def drop(self, stream: str) -> None:
        self._writers.release(stream)
        self._readers.pop(stream, None)
        self._cache.forget(stream)
        folder = self._streams / stream
        gone = folder.with_name(f".{stream}.gone")  # renamed first, so a crash leaves no half-removed log
        try:
            folder.rename(gone)
        except FileNotFoundError:
            return
        self._remover.submit(remove, gone)

    def finish(self, stream: str) -> None:
        """Repair and end a stream that no other process writes. Raises NotWriter, StreamEnded, OSError."""
        self._writers.get(stream).close()
        self._writers.release(stream)

    def reopen(self, stream: str) -> None:
        """See `LogStore`."""
        remove_own(self._streams / stream / "end")

    def repair(self, stream: str) -> None:
        """Repair a log whose index does not match. Raises BadIndex if its writer is alive, Unreadable."""
        folder = self.folder(stream)
        if not is_folder(folder.path):
            raise UnknownStream(stream)
        try:
            lock = folder.lock()
        except OSError as error:
            raise Unreadable(f"the log of {stream} cannot be repaired: {error.strerror}") from error
        if lock is None:
            raise BadIndex(f"the log of {stream} is damaged, and its writer is running")
        try:
            LogWriter(folder.path, keep=self.keep).release()
        except OSError as error:
            raise Unreadable(f"the log of {stream} cannot be repaired: {error.strerror}") from error
        finally:
            os.close(lock)
        self._readers.pop(stream, None)
        self._cache.forget(stream)

    def size(self, stream: str) -> int:
        """Bytes of a stream on disk."""
        if not is_folder(self._streams / stream):
            return 0
        try:
            return sum(entry.stat(follow_symlinks=False).st_size for entry in os.scandir(self._streams / stream))
        except FileNotFoundError:
            return 0

    @property
    def free_bytes(self) -> int:
        """Free bytes of the disk; 0 if the store was removed."""
        try:
            return shutil.disk_usage(self.root).free
        except FileNotFoundError:
            return 0

    def close(self) -> None:
        """Close all files, watches and the lock; streams stay as they are."""
        self._writers.close()
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None
        self._poller.close()
        self._remover.shutdown()
        for lock in self._locks.values():
            os.close(lock)
        self._locks.clear()

    # --- adopted stores -----------------------------------------------------------------------------------------------

    def adopt(self, root: Path) -> list[str]:
        """Serve the streams of another store, too, until `give_back`; returns their ids.

        Raises StoreInUse, WrongLayout, OSError.
        """
        self._locks[root] = acquire(root)
        self._streams.add(root / "streams")
        return names_in(root / "streams")

    def give_back(self, root: Path) -> None:
        """Close an adopted store, so that another server can open it."""
        for stream in names_in(root / "streams"):
            self._writers.release(stream)
            self._readers.pop(stream, None)
            self._cache.forget(stream)
        self._streams.remove(root / "streams")
        os.close(self._locks.pop(root))

    def _read_or_refuse(self, stream: str, after: int, limit: int) -> DiskBatch:
        try:
            return self._read(stream, after, limit)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise Unreadable(f"the log of {stream} cannot be read: {error.strerror}") from error

    def _read(self, stream: str, after: int, limit: int) -> DiskBatch:
        reader, path = self._readers.get(stream), self._streams / stream
        if not is_folder(path):
            self._readers.pop(stream, None)
            raise UnknownStream(stream)
        if reader is None:
            reader = LogReader(path, self._cache)
            if is_own(path / "end") and not reader.covers() and not Folder(path).is_locked():  # else it lingers
                raise BadIndex(f"the index of {stream} is shorter than its log")
            if is_own(path / "losses"):
                raise BadIndex(f"the log of {stream} has losses that are not reported yet")
            self._readers[stream] = reader
            if len(self._readers) > _MAX_READERS:
                self._readers.popitem(last=False)
        with contextlib.suppress(KeyError):  # a scan in another thread can have dropped it
            self._readers.move_to_end(stream)
        batch = reader.read(after, limit, BATCH_BYTES if limit <= _MAX_EAGER_RECORDS else _SCAN_BYTES)
        if limit <= _MAX_EAGER_RECORDS and len(batch):
            _ = batch.messages
        return batch
