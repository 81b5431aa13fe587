"""A spool: lines on their way to the server, in a file that outlives the process that wrote them. Runs in kernels.

    <key>.spool    a head of HEAD bytes, JSON and blanks: where the unsent lines begin, what the server said of the
                   others; one line that says what they are for; the lines, each ended by LF

`append` writes before it returns, so a process that is killed has lost nothing that it appended. Two record locks:
byte 0 is held by the process that sends, for as long as it lives; byte 1 by whoever writes, once the process has
forked: its children write into the same file, and it sends for them. This file must not know what lines say, nor how
they are sent.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSION = 1

LARGEST = 64 << 20
"""Bytes of a spool's file. What is sent makes room again; a line that finds none is not taken, and `append` says so."""

MAX_AGE = 30 * 86400.0
"""Seconds after which a spool that nobody could send is removed."""

HEAD = 512
_SPARE = 1 << 20  # bytes of sent lines that are worth closing up
_WINDOW = 1 << 19  # bytes read at a time, more only where a single line is longer
_SENDS, _WRITES = 0, 1  # the locks


class SpoolClosed(RuntimeError):
    """Nothing more is taken: its process has closed it."""


class Batch(NamedTuple):
    """Whole lines as they lie in the file, how many, and the offset behind them."""

    data: bytes
    lines: int
    end: int


class Spool:
    """One spool that this process sends. `purpose`: what `create` was told; `shared`: children may write, too.

    `begin`: the offset of what is unsent; `last`: the number that came with the last acknowledgement; `sent_to`: an id
    that the sender may note; `is_released`: this process has let go of it, and every call is harmless. `append` and
    `note` may be called from any thread; `read` and `acknowledge` by one at a time.
    """

    def __init__(self, path: Path, log: int, head: int) -> None:
        self.path = path
        self.shared = False
        self._log, self._head = log, head  # two descriptors: in one that appends, nothing can be written in place
        self._mutex = threading.RLock()  # a signal handler, or the collector, may come in between
        self._owner = os.getpid()
        self.is_released = False
        state = _head_of(head)
        self.last: int = state["last"]
        self.sent_to: str | None = state["to"]
        self.is_closed: bool = state["closed"]
        raw = os.pread(log, _WINDOW, HEAD)
        self.purpose: dict[str, Any] = json.loads(raw[: raw.index(b"\n")])
        self._floor = HEAD + raw.index(b"\n") + 1
        self.begin: int = max(state["begin"], self._floor)
        self._size = os.fstat(log).st_size
        self._cut: int = state["cut"]
        if self._cut:  # its process was killed while it closed up
            self._close_end()
        _live.add(self)

    @classmethod
    def create(cls, folder: Path, key: str, purpose: dict[str, Any]) -> Spool:
        """Make a spool in `folder` (made if need be, for this user only). Raises OSError."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        hidden, path = folder / f"{key}.new", folder / f"{key}.spool"
        log, head = _open(hidden, os.O_CREAT | os.O_EXCL)
        fcntl.lockf(head, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _SENDS)
        state = {"spool": VERSION, "begin": 0, "last": 0, "to": None, "cut": 0, "closed": False}
        os.write(log, json.dumps(state).encode().ljust(HEAD) + json.dumps(purpose).encode() + b"\n")
        _ours.add(path)
        hidden.rename(path)  # only now can others see it, and it is locked
        return cls(path, log, head)

    # --- writing ------------------------------------------------------------------------------------------------------

    def append(self, line: bytes, *, last: bool = False) -> bool:
        """Add a line (LF at its end). False: there is no room. `last`: nothing may follow. Raises SpoolClosed."""
        with self._mutex:
            if not self.shared or self.is_released:
                return self._append(line, last=last)
            with self._locked():
                self._size = os.fstat(self._log).st_size
                self.is_closed = not os.fstat(self._head).st_nlink or _head_of(self._head)["closed"]
                return self._append(line, last=last)

    def _append(self, line: bytes, *, last: bool) -> bool:
        if self.is_closed:
            raise SpoolClosed(f"{self.path.name} is closed")
        if self._size + len(line) > LARGEST and not last:
            return False
        try:
            written = os.write(self._log, line)
        except OSError:  # the disk is full, say
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
        """Bytes that wait to be sent."""
        with self._mutex:
            return 0 if self.is_released else os.fstat(self._log).st_size - self.begin

    @property
    def is_untouched(self) -> bool:
        """Whether nothing was ever written, nor sent."""
        return self.sent_to is None and self.begin == self._floor and not self.unsent

    def read(self, most: int | None = None) -> Batch | None:
        """The next unsent lines, at most `most`; None: there are none."""
        for window in () if self.is_released else (_WINDOW, LARGEST):
            data = os.pread(self._log, window, self.begin)
            lines = data[: data.rfind(b"\n") + 1]  # what is behind it is being written, or its writer was killed
            if most is not None:
                pieces = lines.split(b"\n", most)
                lines = lines[: len(lines) - len(pieces[-1])]
            if lines:
                return Batch(lines, lines.count(b"\n"), self.begin + len(lines))
        return None

    def acknowledge(self, end: int, last: int) -> None:
        """What lies before offset `end` was sent; `last` is the server's word for it."""
        with self._mutex:
            if not self.is_released:
                with self._locked():
                    self.begin, self.last = end, last
                    self._write_head()
                    if end - self._floor >= _SPARE:
                        self._close_up()

    def note(self, sent_to: str) -> None:
        """Remember whom the lines are sent to. A child does not: the head is its parent's."""
        with self._mutex:
            if not self.is_released and os.getpid() == self._owner:
                with self._locked():
                    self.sent_to = sent_to
                    self._write_head()

    def _close_up(self) -> None:
        """Move the unsent lines to the front. A crash in between leaves either the old state or the new one."""
        size = os.fstat(self._log).st_size
        if size - self.begin > self.begin - self._floor:
            return  # they would overwrite themselves
        rest = os.pread(self._log, size - self.begin, self.begin)
        os.pwrite(self._head, rest, self._floor)
        self.begin, self._cut = self._floor, self._floor + len(rest)
        self._write_head()  # from here on the lines at the front count, and what is behind `cut` does not
        self._close_end()

    def _close_end(self) -> None:
        os.ftruncate(self._log, min(self._cut, os.fstat(self._log).st_size))
        self._size, self._cut = self._cut, 0
        self._write_head()

    # --- the head -----------------------------------------------------------------------------------------------------

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.lockf(self._head, fcntl.LOCK_EX, 1, _WRITES)
        try:
            yield
        finally:
            fcntl.lockf(self._head, fcntl.LOCK_UN, 1, _WRITES)

    def _write_head(self) -> None:
        state = {
            "spool": VERSION, "begin": self.begin, "last": self.last, "to": self.sent_to,
            "cut": self._cut, "closed": self.is_closed,
        }  # fmt: skip
        os.pwrite(self._head, json.dumps(state).encode().ljust(HEAD), 0)

    # --- its end ------------------------------------------------------------------------------------------------------

    def remove(self) -> None:
        """All is sent, or nobody wants it: the file goes. Harmless in a child, and when done before."""
        if os.getpid() == self._owner:
            self.path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Let go of the file; who takes it in next sends the rest."""
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


def _head_of(head: int) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(os.pread(head, HEAD, 0))
    if state["spool"] != VERSION:
        raise ValueError("a spool of another version")
    return state


def take_in(folder: Path) -> Iterator[Spool]:
    """The spools in `folder` whose processes are gone, now this one's to send. Those that are too old are removed."""
    for path in sorted(folder.glob("*.spool")):
        if path in _ours:  # to open and close it would drop our own locks
            continue
        try:
            if (spool := _take(path)) is not None:
                yield spool
        except FileNotFoundError:
            pass  # somebody else has sent it meanwhile


def _take(path: Path) -> Spool | None:
    log, head = _open(path)
    try:
        fcntl.lockf(head, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _SENDS)
        spool = Spool(path, log, head)
    except (OSError, ValueError, KeyError, TypeError):  # its process lives; or it is none of ours
        os.close(log)
        os.close(head)
        return None
    _ours.add(path)
    if not os.fstat(head).st_nlink:  # sent and removed between our opening and locking it
        spool.release()
        return None
    if time.time() - path.stat().st_mtime > MAX_AGE:
        spool.remove()
        return None
    return spool


# --- forks: children write into the same files, which must be between two lines when they are made ------------------

_ours: set[Path] = set()
_live: weakref.WeakSet[Spool] = weakref.WeakSet()
_forking = threading.Lock()
_held: list[Spool] = []


def _before_fork() -> None:
    _forking.acquire()
    _held[:] = list(_live)
    for spool in _held:
        spool._mutex.acquire()  # noqa: SLF001 - this module's own
        spool.shared = True


def _in_parent() -> None:
    for spool in _held:
        spool._mutex.release()  # noqa: SLF001 - as above
    _forking.release()


def _in_child() -> None:
    for spool in _held:
        spool._mutex = threading.RLock()  # noqa: SLF001 - as above
    _forking.release()


os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
