"""Checkpoints of the request log's write-ahead log (WAL), in a thread: their fsync must not hold up a loop. Server.

A checkpoint copies the committed pages from the WAL into the database; the writer then starts the WAL again. It has a
connection of its own and locks out neither reads nor writes of the others, but a disk that is busy with an fsync lets
writes wait; so it starts in a pause between writes.

Bounds: one thread at a time. Without a pause it starts when the WAL has WAL_BYTES; while the disk is so slow that the
WAL grows to _MAX_WAL_BYTES, writes wait for it.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from pathlib import Path

from .connections import WAL_BYTES, connect_file

_WRITES = 250  # between checkpoints; some 10 MiB of pages
_WRITES_PER_LOOK = 16  # between looks at the size of the file
_PAUSE_S = 0.1
_MAX_WAL_BYTES = 24 * 1024 * 1024


class Checkpoints:
    """Checkpoints of the database in `path`."""

    def __init__(self, path: Path) -> None:
        self._path, self._wal = path, path.with_name(f"{path.name}-wal")
        self._writes = 0
        self._written_at = 0.0  # monotonic seconds
        self._is_urgent = threading.Event()
        self._thread: threading.Thread | None = None

    def before_write(self, connection: sqlite3.Connection) -> None:
        """A transaction on `connection` is about to begin: start a checkpoint if one is due. Raises sqlite3.Error."""
        self._writes += 1
        self._written_at = time.monotonic()
        if self._writes < _WRITES and self._writes % _WRITES_PER_LOOK:
            return
        size = self._wal_bytes()
        if size > _MAX_WAL_BYTES:
            self.wait()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        elif self._writes >= _WRITES or size > WAL_BYTES:
            self._start(urgent=size > WAL_BYTES)

    def wait(self) -> None:
        """Wait for the running checkpoint: afterwards no other connection to the file is open."""
        self._is_urgent.set()
        if self._thread is not None:
            self._thread.join()

    def _start(self, *, urgent: bool) -> None:
        if urgent:
            self._is_urgent.set()
        if self._thread is None or not self._thread.is_alive():
            self._writes = 0
            self._thread = threading.Thread(target=self._run, name="request-log-checkpoint", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while (pause := time.monotonic() - self._written_at) < _PAUSE_S:
            if self._is_urgent.wait(_PAUSE_S - pause):
                break
        self._is_urgent.clear()
        # If it fails, the WAL grows until `before_write` runs a checkpoint, which reports the failure.
        with contextlib.suppress(sqlite3.Error), contextlib.closing(connect_file(self._path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _wal_bytes(self) -> int:
        try:
            return self._wal.stat().st_size
        except OSError:
            return 0
