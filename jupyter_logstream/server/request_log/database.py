"""SQLite database of the request log: opening, schema version, damage, failing disks. Server; no event loop.

The file is `requests.sqlite3` in WAL mode with synchronous=NORMAL: a committed transaction survives `kill -9` of the
server, and a commit does not wait for the disk. The server is its only user (the store is locked), so SQLite's VFS
`unix-excl` is used: it needs no shared memory, which network file systems lack.

- A damaged file is renamed to `requests.sqlite3.damaged` and an empty one takes its place.
- While the disk refuses writes, rows are held in a copy in memory; it is written back as soon as the disk accepts it.
"""

from __future__ import annotations

import contextlib
import logging
import math
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from .checkpoint import Checkpoints
from .connections import NewerVersion, is_damage, open_file, open_memory, open_read_only

T = TypeVar("T")
Parameters = Sequence[Any]

RETRY_DISK_S = 10.0
_FILE_NAME = "requests.sqlite3"


class Database:
    """One connection to the database in `folder`, which is created with mode 0700.

    `on_replaced` is called after a damaged file was replaced by an empty one. `clock`: monotonic seconds.
    """

    def __init__(
        self,
        folder: Path,
        log: logging.Logger,
        on_replaced: Callable[[], None] = lambda: None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = folder / _FILE_NAME
        self._log, self._on_replaced, self._clock = log, on_replaced, clock
        self.generation = 0  # increases whenever another file or copy may have other rows
        self._in_memory = False
        self._next_retry = 0.0
        self._checkpoints = Checkpoints(self.path)
        self._connection = self._open()

    def read(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """All rows that a SELECT returns. The result is of an empty database if the file turns out to be damaged."""
        try:
            return self._connection.execute(sql, parameters).fetchall()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self._replace_damaged(error)
            return self._connection.execute(sql, parameters).fetchall()

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one transaction; it runs a second time if the disk fails or the file is damaged."""
        if self._in_memory:
            self._return_to_disk()
        try:
            return self._transaction(work)
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                self._replace_damaged(error)
            elif isinstance(error, sqlite3.OperationalError) and not self._in_memory:
                self._leave_disk(error)
            else:
                raise
            return self._transaction(work)

    def clear(self) -> None:
        """Delete all data, also from the disk. Raises OSError."""
        self._close()
        try:
            for path in self._files():
                path.unlink(missing_ok=True)
        finally:
            self._connection = self._open()

    def close(self) -> None:
        """Close the file; afterwards it is complete without its write-ahead log."""
        self._close()

    # --- opening ------------------------------------------------------------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        """The connection to the file, or to a copy in memory if the file cannot be used; sets `_in_memory`."""
        self._in_memory, self._next_retry = False, 0.0
        self.generation += 1
        try:
            try:
                return open_file(self.path)
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                self._set_aside(error)
                return open_file(self.path)
        except NewerVersion:
            self._log.warning(
                "The request log %s was written by a newer version of jupyter-logstream. It is left as it is; calls are"
                " recorded in memory until this server stops.",
                self.path,
            )
            self._in_memory, self._next_retry = True, math.inf
            return open_memory()
        except (OSError, sqlite3.Error) as error:
            self._report_disk(error)
        self._in_memory, connection = True, open_memory()
        with contextlib.suppress(sqlite3.Error), contextlib.closing(open_read_only(self.path)) as source:
            source.backup(connection)
        return connection

    def _close(self) -> None:
        self._checkpoints.wait()
        self._connection.close()

    def _files(self) -> list[Path]:
        return [self.path, *(self.path.with_name(f"{_FILE_NAME}-{end}") for end in ("wal", "shm", "journal"))]

    # --- failures -----------------------------------------------------------------------------------------------------

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connection
        if not self._in_memory:
            self._checkpoints.before_write(connection)
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # SQLite may have rolled it back already
                connection.execute("ROLLBACK")
            raise
        return result

    def _set_aside(self, error: sqlite3.Error) -> None:
        """Rename the damaged file, so that the data in it is not overwritten; the previous one is replaced."""
        quarantine = self.path.with_name(f"{_FILE_NAME}.damaged")
        self.path.replace(quarantine)
        for path in self._files():
            path.unlink(missing_ok=True)  # a write-ahead log must not be applied to the new file
        self._log.error(
            "The request log is damaged (%s). It was renamed to %s; recording continues in a new, empty log.",
            error,
            quarantine,
        )

    def _replace_damaged(self, error: sqlite3.Error) -> None:
        self._close()
        if not self._in_memory:
            self._set_aside(error)
        self._connection = self._open()
        self._on_replaced()

    def _report_disk(self, error: Exception) -> None:
        self._log.warning(
            "The request log %s cannot be written: %s. Calls are recorded in memory until the disk accepts writes.",
            self.path,
            getattr(error, "strerror", None) or error,
        )
        self._next_retry = self._clock() + RETRY_DISK_S

    def _leave_disk(self, error: sqlite3.Error) -> None:
        self._report_disk(error)
        memory = open_memory()
        self.generation += 1
        with contextlib.suppress(sqlite3.Error):  # what cannot be read is missing until the disk is back
            self._connection.backup(memory)
        self._close()
        self._connection, self._in_memory = memory, True

    def _return_to_disk(self) -> None:
        """Copy the database in memory to the file, if it accepts that; tried every RETRY_DISK_S."""
        if self._clock() < self._next_retry:
            return
        self._next_retry = self._clock() + RETRY_DISK_S
        try:
            connection = open_file(self.path)
        except (OSError, sqlite3.Error, NewerVersion):
            return
        try:
            self._connection.backup(connection)
        except sqlite3.Error:
            connection.close()
            return
        self._connection.close()
        self._connection, self._in_memory = connection, False
        self._log.warning("The request log %s can be written again.", self.path)
