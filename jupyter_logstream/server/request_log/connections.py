"""SQLite connections of the request log: to its file, to memory, read-only; schema version, damage. Server."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from .queries import any_contains
from .schema import MIGRATIONS, SCHEMA, SCHEMA_VERSION

WAL_BYTES = 16 * 1024 * 1024
"""Size of the write-ahead log at which it is copied into the database without waiting for a pause, and to which the
file is truncated when it has grown beyond."""


class NewerVersion(Exception):
    """A newer version of this package wrote the file."""


def open_file(path: Path) -> sqlite3.Connection:
    """The connection to the file, which is created with mode 0600. Raises OSError, sqlite3.Error, NewerVersion."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # SQLite would let others read it
    connection = connect_file(path)
    try:
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "wal_autocheckpoint=0",  # checkpoint.py
            f"journal_size_limit={WAL_BYTES}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        _check_schema(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def connect_file(path: Path) -> sqlite3.Connection:
    """A connection to the existing file, beside others of this process, as it is."""
    return _connect(f"{path.absolute().as_uri()}?vfs=unix-excl")


def open_memory() -> sqlite3.Connection:
    """The connection to an empty database in memory."""
    connection = _connect(":memory:")
    _check_schema(connection)
    return connection


def open_read_only(path: Path) -> sqlite3.Connection:
    """A connection to a file on a read-only file system; what its write-ahead log holds is not read."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file is corrupt or no database: sqlite3 reports only these as a plain DatabaseError."""
    return type(error) is sqlite3.DatabaseError


def used_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of the pages that hold data."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _connect(address: str) -> sqlite3.Connection:
    connection = sqlite3.connect(address, isolation_level=None, uri=True)
    connection.create_function("any_contains", -1, any_contains, deterministic=True)
    return connection


def _check_schema(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise NewerVersion
    if version == 0:
        connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
    elif version < SCHEMA_VERSION:
        steps = " ".join(MIGRATIONS[former] for former in range(version, SCHEMA_VERSION))
        connection.executescript(f"BEGIN; {steps} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
