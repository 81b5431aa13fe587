"""A stored row with the numbers of its changes, and what a reader at a cursor lacks of it. Server; SQL only."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .row import Row
from .schema import INSERT, UPDATE

History = dict[str, tuple[int, Any]]


@dataclass(frozen=True, slots=True)
class RowChange:
    """A row that is new to a reader (all its fields), or the fields that changed and the id."""

    seq: int
    is_new: bool
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A row as it is now, and when each of its fields changed last."""

    created_seq: int
    changed_seq: int
    history: History  # field -> seq of its last change, value at creation
    row: Row

    def first_seq_after(self, after: int) -> int:
        """The number of the first change that a reader at `after` lacks."""
        if self.created_seq > after:
            return self.created_seq
        return min((seq for seq, _ in self.history.values() if seq > after), default=self.changed_seq)

    def changes(self, after: int, snapshot: int) -> list[RowChange]:
        """What a reader at `after` lacks; rows up to `snapshot` are returned as they are now."""
        if after < self.created_seq <= snapshot:
            return [RowChange(self.created_seq, True, self.row.to_json())]
        changed = {name: getattr(self.row, name) for name, (seq, _) in self.history.items() if seq > after}
        found = []
        if self.created_seq > after:
            first = self.row.to_json() | {name: value for name, (_, value) in self.history.items()}
            found.append(RowChange(self.created_seq, True, first))
        if changed:
            found.append(RowChange(self.first_seq_after(after), False, {"id": self.row.id, **changed}))
        return found

    @classmethod
    def from_sql(cls, values: Sequence[Any]) -> StoredRow:
        """A row from the columns of `schema.SELECT`."""
        created_seq, changed_seq, history, *fields = values
        return cls(created_seq, changed_seq, json.loads(history), Row.from_sql(fields))


def insert_row(
    connection: sqlite3.Connection, seq: int, row: Row, detail: dict[str, Any] | None, key: str | None = None
) -> None:
    """Insert a new row as the change `seq`; a row whose id exists is ignored."""
    if connection.execute(INSERT, (seq, seq, key, "{}", *row.to_sql())).rowcount:  # 0: it exists
        _write_detail(connection, seq, detail)


def insert_rows(connection: sqlite3.Connection, seq: int, rows: Iterable[tuple[Row, dict[str, Any]]]) -> None:
    """Insert rows with their details as the changes from `seq` on."""
    for number, (row, detail) in enumerate(rows, seq):
        insert_row(connection, number, row, detail)


def update_row(
    connection: sqlite3.Connection,
    seq: int,
    created_seq: int,
    row: Row,
    history: History,
    detail: dict[str, Any] | None,
) -> None:
    """Replace a row as the change `seq`; `detail` replaces the previous one unless it is None or empty."""
    connection.execute(UPDATE, (seq, json.dumps(history), *row.to_sql()[1:], created_seq))
    _write_detail(connection, created_seq, detail)


def _write_detail(connection: sqlite3.Connection, created_seq: int, detail: dict[str, Any] | None) -> None:
    if detail:
        connection.execute("INSERT OR REPLACE INTO detail VALUES (?, ?)", (created_seq, json.dumps(detail)))
