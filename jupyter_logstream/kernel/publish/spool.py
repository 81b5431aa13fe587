"""Spool file: lines waiting to be sent, in a file that outlives the process that wrote them. Runs in kernels.

    <key>.spool    a head of HEAD_BYTES (JSON, padded): the offset of the first unsent line, the last acknowledgement;
                   one line of JSON: the purpose; the lines, each ended by LF

`append` writes before it returns, so a killed process loses nothing that it appended. Three record locks: byte 0 is
held by the sending process for its lifetime; byte 1 by the writer during a write, once the process has forked; byte 2
is shared by the forked children for their lifetimes: they append to the same file, and the parent sends, or the process
that adopts the file while they live on. This file must not know the content of lines, nor how they are sent.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
import weakref
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSION = 1

MAX_SPOOL_BYTES = 64 << 20
"""Size limit of a spool file. Sent lines are removed; at the limit `append` takes no line and returns False."""

MAX_AGE_S = 30 * 86400.0
"""An orphaned spool that could not be sent for this long is removed."""

HEAD_BYTES = 512
COMPACT_BYTES = 1 << 20  # the file is compacted when this much of it was sent
READ_BYTES = 1 << 19  # read at a time; more only where a single line is longer
_SENDER_LOCK, _WRITER_LOCK, _CHILDREN_LOCK = 0, 1, 2  # offsets of the record locks


class SpoolClosed(RuntimeError):
    """The spool accepts no more lines: its process closed it."""


class Batch(NamedTuple):
    """Complete lines as stored, their number, and the offset after them."""

    data: bytes
    lines: int
    end: int


class Spool:
    """One spool that this process sends. `purpose`: the value given to `create`; `shared`: children can append, too.

    `begin`: offset of the first unsent line; `last`: the last acknowledged sequence number; `sent_to`: the id of the
    workload, once known; `is_released`: closed by this process, all further calls have no effect. `append` and `note`
    are thread-safe; `read` and `acknowledge` need one thread at a time.
    """

    def __init__(self, path: Path, log: int, head: int) -> None:
        self.path = path
        self.shared = False
        self._log, self._head = log, head  # two descriptors: one in append mode cannot overwrite the head
        self._mutex = threading.RLock()  # a signal handler or finalizer can run in between
        self._owner = os.getpid()
        self.is_released = False
        state = _read_head(head)
        self.last: int = state["last"]
        self.sent_to: str | None = state["to"]
        self.is_closed: bool = state["closed"]
        raw = os.pread(log, READ_BYTES, HEAD_BYTES)
        self.purpose: dict[str, Any] = json.loads(raw[: raw.index(b"\n")])
        self._floor = HEAD_BYTES + raw.index(b"\n") + 1
        self.begin: int = max(state["begin"], self._floor)
        self._size = os.fstat(log).st_size
        self._end: int = state["cut"]
        if self._end:  # its process was killed while compacting
            self._truncate()
        _live.add(self)

    @classmethod
    def create(cls, folder: Path, key: str, purpose: dict[str, Any]) -> Spool:
        """Create a spool in `folder`, which is created for this user only, with its parents. Raises OSError."""
        for missing in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
            missing.mkdir(mode=0o700, exist_ok=True)
        hidden, path = folder / f"{key}.new", folder / f"{key}.spool"
        log, head = _open(hidden, os.O_CREAT | os.O_EXCL)
        fcntl.lockf(head, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _SENDER_LOCK)
        state = {"spool": VERSION, "begin": 0, "last": 0, "to": None, "cut": 0, "closed": False}
        os.write(log, json.dumps(state).encode().ljust(HEAD_BYTES) + json.dumps(purpose).encode() + b"\n")
        _ours.add(path)
        hidden.rename(path)  # visible to other processes only now, already locked
        return cls(path, log, head)

    # --- writing ------------------------------------------------------------------------------------------------------

    def append(self, line: bytes, *, last: bool = False) -> bool:
        """Append a line that ends with LF. Returns False if it is full. `last`: close the spool. Raises SpoolClosed."""
        with self._mutex:
            if not self.shared or self.is_released:
                return self._append(line, last=last)
            with self._locked():
                self._size = os.fstat(self._log).st_size
                self.is_closed = not os.fstat(self._head).st_nlink or _read_head(self._head)["closed"]
                return self._append(line, last=last)

    def _append(self, line: bytes, *, last: bool) -> bool:
        if self.is_closed:
            raise SpoolClosed(f"{self.path.name} is closed")
        if self._size + len(line) > MAX_SPOOL_BYTES and not last:
            return False
        try:
            written = os.write(self._log, line)
        except OSError:  # a full disk, for example
            written = 0
        if written < len(line):
            os.ftruncate(self._log, os.fstat(self._log).st_size - written)
            return False
        self._size += written
        if last:
            self.is_closed = True
            self._write_head()
        return True

    # --- sending ------------------------------------------------------------------------------------------------------

    @property
    def unsent(self) -> int:
        """Number of unsent bytes."""
        with self._mutex:
            return 0 if self.is_released else os.fstat(self._log).st_size - self.begin

    @property
    def is_untouched(self) -> bool:
        """Whether nothing was ever appended and no workload exists."""
        return self.sent_to is None and self.begin == self._floor and not self.unsent

    def read(self, max_lines: int | None = None) -> Batch | None:
        """The next unsent lines, at most `max_lines` (default: READ_BYTES of them); None: all are sent."""
        for window in () if self.is_released else (READ_BYTES, MAX_SPOOL_BYTES):
            data = os.pread(self._log, window, self.begin)
            lines = data[: data.rfind(b"\n") + 1]  # the rest is being written, or its writer was killed
            if max_lines is not None:
                pieces = lines.split(b"\n", max_lines)
                lines = lines[: len(lines) - len(pieces[-1])]
            if lines:
                return Batch(lines, lines.count(b"\n"), self.begin + len(lines))
        return None

    def acknowledge(self, end: int, last: int) -> None:
        """Mark the lines before offset `end` as sent; `last`: the sequence number that the server returned."""
        with self._mutex:
            if not self.is_released:
                with self._locked():
                    self.begin, self.last = end, last
                    self._write_head()
                    if end - self._floor >= COMPACT_BYTES:
                        self._compact()

    def note(self, sent_to: str) -> None:
        """Store the workload's id. No effect in a forked child: only the parent writes the head."""
        with self._mutex:
            if not self.is_released and os.getpid() == self._owner:
                with self._locked():
                    self.sent_to = sent_to
                    self._write_head()

    def _compact(self) -> None:
        """Move the unsent lines to the front. After a crash the file is in either the old or the new state."""
        size = os.fstat(self._log).st_size
        if size - self.begin > self.begin - self._floor:
            return  # the copy would overlap its source
        rest = os.pread(self._log, size - self.begin, self.begin)
        os.pwrite(self._head, rest, self._floor)
        self.begin, self._end = self._floor, self._floor + len(rest)
        self._write_head()  # from here on the copy is valid and everything after `cut` is not
        self._truncate()

    def _truncate(self) -> None:
        os.ftruncate(self._log, min(self._end, os.fstat(self._log).st_size))
        self._size, self._end = self._end, 0
        self._write_head()

    # --- the head -----------------------------------------------------------------------------------------------------

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.lockf(self._head, fcntl.LOCK_EX, 1, _WRITER_LOCK)
        try:
            yield
        finally:
            fcntl.lockf(self._head, fcntl.LOCK_UN, 1, _WRITER_LOCK)

    def _write_head(self) -> None:
        state = {
            "spool": VERSION, "begin": self.begin, "last": self.last, "to": self.sent_to,
            "cut": self._end, "closed": self.is_closed,
        }  # fmt: skip
        os.pwrite(self._head, json.dumps(state).encode().ljust(HEAD_BYTES), 0)

    # --- closing ------------------------------------------------------------------------------------------------------

    def remove(self) -> None:
        """Delete the file and release the spool. A forked child only releases; repeated calls have no effect."""
        if os.getpid() == self._owner:
            self.path.unlink(missing_ok=True)
        self.release()

    def remove_unless_written(self) -> bool:
        """Remove the spool of a process that is gone; False if lines wait, or forked children of it still append."""
        with self._mutex:
            if self.is_released:
                return True
            with self._locked():  # no child is between its check and its write
                if self.read() is not None or not self._is_childless():
                    return False
                self.path.unlink(missing_ok=True)
            self.release()
            return True

    def _is_childless(self) -> bool:
        try:
            fcntl.lockf(self._head, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _CHILDREN_LOCK)
        except OSError:
            return False
        return True

    def mark_child(self) -> None:
        """In a forked child: the process that sends must not remove the file while this one lives."""
        with suppress(OSError):  # the system is out of locks
            fcntl.lockf(self._head, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, _CHILDREN_LOCK)

    def release(self) -> None:
        """Close the file and drop its lock; the process that adopts it sends the rest."""
        with self._mutex:
            if not self.is_released:
                _live.discard(self)
                _ours.discard(self.path)
                self.is_released = self.is_closed = True
                os.close(self._log)
                os.close(self._head)


def _open(path: Path, flags: int = 0) -> tuple[int, int]:
    log = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | flags, 0o600)
    return log, os.open(path, os.O_RDWR | os.O_CLOEXEC)


def _read_head(head: int) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(os.pread(head, HEAD_BYTES, 0))
    if state["spool"] != VERSION:
        raise ValueError("the spool has another version")
    return state


def adopt(folder: Path) -> Iterator[Spool]:
    """Yield the orphaned spools in `folder`, locked by this process now; those older than MAX_AGE_S are removed."""
    for path in sorted(folder.glob("*.spool")):
        if path in _ours:  # opening and closing it would drop our own record locks
            continue
        try:
            if (spool := _adopt(path)) is not None:
                yield spool
        except FileNotFoundError:
            pass  # another process sent and removed it


def _adopt(path: Path) -> Spool | None:
    log, head = _open(path)
    try:
        fcntl.lockf(head, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _SENDER_LOCK)
        spool = Spool(path, log, head)
    except (OSError, ValueError, KeyError, TypeError):  # its process is alive, or the file is not a spool
        os.close(log)
        os.close(head)
        return None
    _ours.add(path)
    if not os.fstat(head).st_nlink:  # removed between opening and locking
        spool.release()
        return None
    if time.time() - path.stat().st_mtime > MAX_AGE_S:
        spool.remove()
        return None
    return spool


# --- forks: children share the files, so no append may be in progress during a fork --------------------------------

_ours: set[Path] = set()
_live: weakref.WeakSet[Spool] = weakref.WeakSet()
_forking = threading.Lock()
_locked_for_fork: list[Spool] = []


def _before_fork() -> None:
    _forking.acquire()
    _locked_for_fork[:] = list(_live)
    for spool in _locked_for_fork:
        spool._mutex.acquire()  # noqa: SLF001 - this module's own
        spool.shared = True


def _in_parent() -> None:
    for spool in _locked_for_fork:
        spool._mutex.release()  # noqa: SLF001 - as above
    _forking.release()


def _in_child() -> None:
    for spool in _locked_for_fork:
        spool._mutex = threading.RLock()  # noqa: SLF001 - as above
        spool.mark_child()
    _forking.release()


os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
