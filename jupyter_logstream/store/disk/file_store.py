"""File store: a folder per stream below one root. Server; the runner writes into the same folders.

A stream has one writer: the runner while it holds the folder's lock, otherwise this store. A store has one server: a
second one is refused.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ...model.records import Record
from ..errors import BadIndex, NotWriter, StreamEnded, UnknownStream, Unreadable
from .batch import DiskBatch
from .batch_cache import BatchCache
from .download import Download
from .folder import (
    Folder,
    is_folder,
    is_own,
    make_private,
    open_lock,
    read_file,
    remove_own,
    replace_file,
    try_lock,
)
from .layout import LAYOUT
from .notes import Notes
from .reader import BATCH_BYTES, LogReader
from .stream_folders import StreamFolders, names_in
from .watch import Inotify, Poller, watcher
from .writer import LogWriter

_MAX_ATTEMPTS = 5
_LOCK_ATTEMPTS, _LOCK_RETRY_S = 3, 0.005
_MAX_READERS = 512  # beyond it the least recently used one is dropped, and created again when needed
_MAX_WRITERS = 64  # as above; each has up to four open files
_SCAN_BYTES = 16 << 20
_MAX_EAGER_RECORDS = 5001  # batches up to this size load their texts at once; larger reads are scans


class StoreInUse(RuntimeError):
    """Another server uses the store."""


class WrongLayout(RuntimeError):
    """The store was written by another version."""


class FileStore:
    """Streams below `root/streams`. `keep`: bytes of one log on disk before its oldest segment is removed.

    Raises StoreInUse, WrongLayout, OSError.
    """

    def __init__(self, root: Path, *, keep: int = 1 << 30) -> None:
        self.root = root
        self.keep = keep
        make_private(root)
        self._streams = StreamFolders(root / "streams")
        self._locks = {root: _acquire(root)}  # of this store and of the adopted ones
        self._readers: OrderedDict[str, LogReader] = OrderedDict()
        self._cache = BatchCache()
        self._writers: OrderedDict[str, tuple[int, LogWriter]] = OrderedDict()  # with the lock of its folder
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
        writer = self._writer(stream)
        last = writer.publish(records)
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
        self._release(stream)
        self._readers.pop(stream, None)
        self._cache.forget(stream)
        folder = self._streams / stream
        gone = folder.with_name(f".{stream}.gone")  # renamed first, so a crash leaves no half-removed log
        try:
            folder.rename(gone)
        except FileNotFoundError:
            return
        self._remover.submit(_remove, gone)

    def finish(self, stream: str) -> None:
        """Repair and end a stream that no other process writes. Raises NotWriter, StreamEnded, OSError."""
        self._writer(stream).close()
        self._release(stream)

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
        for stream in list(self._writers):
            self._release(stream)
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
        self._locks[root] = _acquire(root)
        self._streams.add(root / "streams")
        return names_in(root / "streams")

    def give_back(self, root: Path) -> None:
        """Close an adopted store, so that another server can open it."""
        for stream in names_in(root / "streams"):
            self._release(stream)
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

    def _writer(self, stream: str) -> LogWriter:
        if stream in self._writers:
            self._writers.move_to_end(stream)
            return self._writers[stream][1]
        folder = self.folder(stream)
        with contextlib.suppress(FileExistsError):
            folder.path.mkdir(mode=0o700)
        if not is_folder(folder.path):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if is_own(folder.path / "end"):
            raise StreamEnded(f"the stream {stream} was ended")
        lock = folder.lock()
        if lock is None:
            raise NotWriter(f"another process writes the stream {stream}")
        try:
            writer = LogWriter(folder.path, keep=self.keep)
        except (OSError, BadIndex):
            os.close(lock)
            raise
        self._writers[stream] = lock, writer
        if len(self._writers) > _MAX_WRITERS:
            self._release(next(iter(self._writers)))
        return writer

    def _release(self, stream: str) -> None:
        if entry := self._writers.pop(stream, None):
            entry[1].release()
            os.close(entry[0])


def _acquire(root: Path) -> int:
    """Lock a store, check its layout, and remove what a crash left. Raises StoreInUse, WrongLayout, OSError."""
    streams = root / "streams"
    streams.mkdir(mode=0o700, exist_ok=True)
    lock = open_lock(root / "lock")
    if not _try_lock_again(lock):
        os.close(lock)
        raise StoreInUse(f"another server uses the log store {root}")
    version = root / "layout"
    try:
        found = read_file(version).decode(errors="replace").strip() if os.path.lexists(version) else ""
    except ValueError as error:  # a link or a pipe in its place
        raise WrongLayout(f"the log store {root} cannot be used: {error}") from None
    if found not in {"", str(LAYOUT)}:  # empty: a crash interrupted its creation
        os.close(lock)
        raise WrongLayout(f"the log store {root} has layout {found[:20]}, this version reads {LAYOUT}")
    if not found:
        replace_file(version, f"{LAYOUT}\n".encode())
    for entry in os.scandir(streams):  # drafts and half-removed logs of a crash
        if entry.name.startswith("."):
            _remove(Path(entry.path))
    return lock


def _try_lock_again(lock: int) -> bool:
    """As `try_lock`; a client that probes the lock holds it for microseconds."""
    for _ in range(_LOCK_ATTEMPTS):
        if try_lock(lock):
            return True
        time.sleep(_LOCK_RETRY_S)
    return False


def _remove(path: Path) -> None:
    """Remove a folder with its content, or a link or file in its place. What cannot be removed stays."""
    if is_folder(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
