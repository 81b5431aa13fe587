"""SQLite database of the request log: opening, schema version, damage, failing disks. Server; no event loop.

The file is `requests.sqlite3` in WAL mode with synchronous=NORMAL: a committed transaction survives `kill -9` of the
server. The server is its only user (the store is locked), so the locking mode is exclusive: SQLite then needs no shared
memory, which network file systems lack.

- A damaged file is renamed to `requests.sqlite3.damaged` and an empty one takes its place.
- While the disk refuses writes, rows are held in a copy in memory; it is written back as soon as the disk accepts it.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from .queries import any_contains
from .schema import MIGRATIONS, SCHEMA, SCHEMA_VERSION

T = TypeVar("T")
Parameters = Sequence[Any]

RETRY_DISK_S = 10.0
_MAX_WAL_BYTES = 4 * 1024 * 1024
_FILE_NAME = "requests.sqlite3"


class _NewerVersion(Exception):
    """A newer version of this package wrote the file."""


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
        self._in_memory = False
        self._next_retry = 0.0
        self._connection = self._open()

    def read(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """All rows that a SELECT returns. The result is of an empty database if the file turns out to be damaged."""
        try:
            return self._connection.execute(sql, parameters).fetchall()
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
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
            if _is_damage(error):
                self._replace_damaged(error)
            elif isinstance(error, sqlite3.OperationalError) and not self._in_memory:
                self._leave_disk(error)
            else:
                raise
            return self._transaction(work)

    def clear(self) -> None:
        """Delete all data, also from the disk. Raises OSError."""
        self._connection.close()
        try:
            for path in self._files():
                path.unlink(missing_ok=True)
        finally:
            self._connection = self._open()

    def close(self) -> None:
        """Close the file; afterwards it is complete without its write-ahead log."""
        self._connection.close()

    # --- opening ------------------------------------------------------------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        """The connection to the file, or to a copy in memory if the file cannot be used; sets `_in_memory`."""
        self._in_memory, self._next_retry = False, 0.0
        try:
            try:
                return self._open_file()
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                self._set_aside(error)
                return self._open_file()
        except _NewerVersion:
            self._log.warning(
                "The request log %s was written by a newer version of jupyter-logstream. It is left as it is; calls are"
                " recorded in memory until this server stops.",
                self.path,
            )
            self._in_memory, self._next_retry = True, math.inf
            return _memory()
        except (OSError, sqlite3.Error) as error:
            self._report_disk(error)
        self._in_memory, connection = True, _memory()
        with contextlib.suppress(sqlite3.Error), contextlib.closing(_read_only(self.path)) as source:
            source.backup(connection)
        return connection

    def _open_file(self) -> sqlite3.Connection:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # SQLite would let others read it
        connection = _connect(self.path)
        try:
            for pragma in (
                "locking_mode=EXCLUSIVE",
                "journal_mode=WAL",
                "synchronous=NORMAL",
                f"journal_size_limit={_MAX_WAL_BYTES}",
            ):
                connection.execute(f"PRAGMA {pragma}")
            _check_schema(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _files(self) -> list[Path]:
        return [self.path, *(self.path.with_name(f"{_FILE_NAME}-{end}") for end in ("wal", "shm", "journal"))]

    # --- failures -----------------------------------------------------------------------------------------------------

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connection
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
        self._connection.close()
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
        memory = _memory()
        with contextlib.suppress(sqlite3.Error):  # what cannot be read is missing until the disk is back
            self._connection.backup(memory)
        self._connection.close()
        self._connection, self._in_memory = memory, True

    def _return_to_disk(self) -> None:
        """Copy the database in memory to the file, if it accepts that; tried every RETRY_DISK_S."""
        if self._clock() < self._next_retry:
            return
        self._next_retry = self._clock() + RETRY_DISK_S
        try:
            connection = self._open_file()
        except (OSError, sqlite3.Error, _NewerVersion):
            return
        try:
            self._connection.backup(connection)
        except sqlite3.Error:
            connection.close()
            return
        self._connection.close()
        self._connection, self._in_memory = connection, False
        self._log.warning("The request log %s can be written again.", self.path)


def used_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of the pages that hold data."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _check_schema(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise _NewerVersion
    if version == 0:
        connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
    elif version < SCHEMA_VERSION:
        steps = " ".join(MIGRATIONS[former] for former in range(version, SCHEMA_VERSION))
        connection.executescript(f"BEGIN; {steps} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")


def _memory() -> sqlite3.Connection:
    connection = _connect(":memory:")
    _check_schema(connection)
    return connection


def _connect(path: Path | str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.create_function("any_contains", -1, any_contains, deterministic=True)
    return connection


def _read_only(path: Path) -> sqlite3.Connection:
    """A connection to a file on a read-only file system; what its write-ahead log holds is not read."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file is corrupt or no database: sqlite3 reports only these as a plain DatabaseError."""
    return type(error) is sqlite3.DatabaseError
