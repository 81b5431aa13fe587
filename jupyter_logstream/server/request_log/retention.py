"""Retention of the request log: the oldest rows of ended calls are deleted until its bounds hold. Server; SQL only."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from .connections import used_bytes
from .schema import IS_OPEN
from .stats import FACT_COLUMNS, Facts

_ENDED = (
    f"SELECT created_seq, initial_time, {FACT_COLUMNS} FROM request"  # noqa: S608 - names of columns only
    f" WHERE NOT {IS_OPEN} ORDER BY created_seq"
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Rows, seconds, and bytes of the database; a running call is never deleted."""

    max_rows: int
    max_age_s: float
    max_bytes: int


def retain(connection: sqlite3.Connection, bounds: Bounds, now: float) -> list[Facts]:
    """Delete rows until the bounds hold; returns the facts of the deleted ones. `now`: Unix seconds."""
    surplus = connection.execute("SELECT COUNT(*) FROM request").fetchone()[0] - bounds.max_rows
    oldest_ms = (now - bounds.max_age_s) * 1000
    deleted: list[Facts] = []
    for created_seq, initial_time, *facts in connection.execute(_ENDED):
        if surplus <= 0 and initial_time >= oldest_ms and used_bytes(connection) <= bounds.max_bytes:
            break
        connection.execute("DELETE FROM request WHERE created_seq = ?", (created_seq,))
        connection.execute("DELETE FROM detail WHERE created_seq = ?", (created_seq,))
        deleted.append(Facts._make(facts))
        surplus -= 1
    return deleted
