"""The request log: rows by id, changes by cursor, retention. Server; no HTTP.

Every change has a number (`seq`), and the database stores for each row at which number each of its fields changed
last. A reader at any cursor therefore gets each row once, with what is new to it; nothing is queued for readers.
Numbers belong to an `epoch`: a new one begins with every start and whenever the log is cleared, and a reader whose
cursor has another epoch starts again.

Bounds: the newest `max_rows` rows, `max_age_s` seconds and `max_bytes` of the file; the oldest rows of ended calls are
deleted first.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
import time
from collections.abc import Callable
from heapq import nsmallest
from pathlib import Path
from typing import Any

from ...model.ids import IdSource
from .database import Database
from .figures import LogFigures
from .journal_import import delete_imported, mark_imported, read_journal
from .queries import RowFilter, page_query
from .retention import Bounds, retain
from .row import Row, storable
from .schema import IS_OPEN, SELECT
from .stats import Facts, Figures
from .stored_row import RowChange, StoredRow, insert_row, insert_rows, update_row

Wake = Callable[[], None]

FIGURES_INTERVAL_S = 1.0
_MAX_CACHED_CHANGES = 16  # cursors
_STOPPED = "the Jupyter server stopped during the call"


class UnknownRow(LookupError):
    """There is no row with this id."""


class RowEnded(RuntimeError):
    """The call has ended: its row is final."""


class RequestLog:
    """Rows of calls in `folder`.

    `max_rows`, `max_age_s` (seconds) and `max_bytes` bound it; a running call is never deleted. `now`: Unix seconds.
    """

    def __init__(
        self,
        folder: Path,
        log: logging.Logger,
        *,
        max_rows: int = 10_000,
        max_age_s: float = 30 * 86400,
        max_bytes: int = 40 * 1024 * 1024,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._folder, self._log, self._now = folder, log, now
        self._bounds = Bounds(max_rows, max_age_s, max_bytes)
        self._ids = IdSource()
        self._wakes: list[Wake] = []
        self._cached_changes: dict[tuple[int, int, int], list[RowChange]] = {}
        self._closed = False
        self.epoch = ""
        self.seq = 0
        self._database = Database(folder, log, self._begin_epoch)
        self._figures = LogFigures(self._database)
        self._begin_epoch()
        self._import_journal()
        self._interrupt()
        self._database.write(self._retain)

    def __len__(self) -> int:
        return int(self._database.read("SELECT COUNT(*) FROM request")[0][0])

    # --- rows ---------------------------------------------------------------------------------------------------------

    def get(self, row_id: str) -> Row:
        """A row by its id. Raises UnknownRow."""
        return self._stored(row_id).row

    def detail(self, row_id: str) -> dict[str, Any]:
        """The headers, query and bodies that are retained of a call; {} if there are none. Raises UnknownRow."""
        found = self._database.read(
            "SELECT value FROM detail WHERE created_seq = ?", (self._stored(row_id).created_seq,)
        )
        detail: dict[str, Any] = json.loads(found[0][0]) if found else {}
        return detail

    def page(self, limit: int, before: str | None = None, chosen: RowFilter | None = None) -> list[Row]:
        """The newest rows that pass a filter, newest first; `before`: only rows older than the one with this id."""
        found = self._database.read(*page_query(limit, before, chosen or RowFilter()))
        return [StoredRow.from_sql(values).row for values in found]

    def create(
        self, *, key: str | None = None, detail: dict[str, Any] | None = None, **fields: Any
    ) -> tuple[Row, bool]:
        """Add a row and return it with True; with a `key` that was used before, return that row with False.

        The status is `pending` and the time is now unless `fields` contain them.
        """
        if key is not None and (known := self._select("key = ?", key)):
            return known[0].row, False
        fields = {"status": "pending", "initial_time": round(self._now() * 1000, 3), **fields}
        row = Row(id=self._ids.new(), **storable(fields))

        def insert(connection: sqlite3.Connection) -> list[Facts]:
            insert_row(connection, self.seq + 1, row, detail, key)
            return self._retain(connection)

        deleted = self._database.write(insert)
        self.seq += 1
        self._figures.changed(None, row, deleted)
        self._notify()
        return row, True

    def update(self, row_id: str, *, detail: dict[str, Any] | None = None, **fields: Any) -> Row:
        """Change fields of a row and return it; `detail` replaces the previous one. Raises UnknownRow, RowEnded."""
        stored = self._stored(row_id)
        if stored.row.final:
            raise RowEnded("the call has ended: its row never changes again")
        row = stored.row.but(**storable(fields))
        changed = [name for name in fields if getattr(row, name) != getattr(stored.row, name)]
        if not changed:
            return stored.row
        first = {name: value for name, (_, value) in stored.history.items()}

        def write(connection: sqlite3.Connection) -> None:
            seq = self.seq + 1
            new = {name: (seq, first.get(name, getattr(stored.row, name))) for name in changed}
            update_row(connection, seq, stored.created_seq, row, {**stored.history, **new}, detail)

        self._database.write(write)
        self.seq += 1
        self._figures.changed(stored.row, row)
        self._notify()
        return row

    def clear(self) -> None:
        """Delete all rows; running calls continue without one. Raises OSError."""
        self._database.clear()
        delete_imported(self._folder)
        self._begin_epoch()
        self._notify()

    def close(self) -> None:
        """Mark running calls as interrupted and close the file: the server stops. No row is found afterwards."""
        if self._closed:
            return
        self._interrupt()
        self._closed = True
        self._database.close()

    # --- readers ------------------------------------------------------------------------------------------------------

    def watch(self, wake: Wake) -> Wake:
        """Call `wake` after each change; returns a function that ends that."""
        self._wakes.append(wake)

        def remove() -> None:
            with contextlib.suppress(ValueError):
                self._wakes.remove(wake)

        return remove

    def changes(self, after: int, limit: int, snapshot: int = 0) -> list[RowChange]:
        """The changes that a reader at the cursor `after` lacks, of at most `limit` rows.

        A row stands at its first change that the reader lacks, with everything that changed since: no cursor between
        two of them skips anything. Rows created up to the number `snapshot` are returned as they are now; a younger
        row is returned as it was created, followed by its changes.
        """
        key = after, limit, max(after, snapshot)
        if key not in self._cached_changes:
            if len(self._cached_changes) >= _MAX_CACHED_CHANGES:
                self._cached_changes.clear()
            self._cached_changes[key] = self._read_changes(*key)
        return self._cached_changes[key]

    def ended(self, after: int, limit: int) -> list[tuple[int, Row]]:
        """The next rows of ended calls, at most `limit`, each with the number of its last change, beyond `after`."""
        if self._closed:
            return []
        found = self._select(f"changed_seq > ? AND NOT ({IS_OPEN}) ORDER BY changed_seq LIMIT ?", after, limit)
        return [(stored.changed_seq, stored.row) for stored in found]

    def newest_changes(self, limit: int) -> list[RowChange]:
        """The newest rows as new ones, oldest first."""
        newest = self._select(f"1 ORDER BY created_seq DESC LIMIT {limit:d}")
        return [RowChange(stored.created_seq, True, stored.row.to_json()) for stored in newest[::-1]]

    def figures(self, max_age_s: float = 0.0) -> Figures:
        """Figures over all rows, computed at most once per change; `max_age_s`: a result this old is good enough."""
        return self._figures.get(self.seq, max_age_s)

    def figures_since(self, since_ms: float) -> Figures:
        """Figures over the rows of calls that started at `since_ms` (Unix ms) or later."""
        return self._figures.since(self.seq, since_ms)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _select(self, where: str, *parameters: Any) -> list[StoredRow]:
        return [StoredRow.from_sql(values) for values in self._database.read(f"{SELECT} WHERE {where}", parameters)]

    def _stored(self, row_id: str) -> StoredRow:
        found = [] if self._closed else self._select("id = ?", row_id)
        if not found:
            raise UnknownRow(row_id)
        return found[0]

    def _read_changes(self, after: int, limit: int, snapshot: int) -> list[RowChange]:
        created = self._select("created_seq > ? ORDER BY created_seq LIMIT ?", after, limit)
        # The plus keeps SQLite from scanning all older rows instead of using the index of changed_seq.
        changed = self._select("changed_seq > ? AND +created_seq <= ?", after, after)
        chosen = nsmallest(limit, [*created, *changed], key=lambda stored: stored.first_seq_after(after))
        return [change for stored in chosen for change in stored.changes(after, snapshot)]

    def _begin_epoch(self) -> None:
        former = self.epoch
        self.epoch = f"{int(self._now() * 1000):x}"
        if self.epoch == former:  # cleared twice within a millisecond
            self.epoch += "a"
        self.seq = self._database.read("SELECT COALESCE(MAX(changed_seq), 0) FROM request")[0][0]
        self._figures.reset()
        self._cached_changes.clear()

    def _import_journal(self) -> None:
        rows = read_journal(self._folder)
        if rows:
            newest = rows[-self._bounds.max_rows :]
            self._database.write(lambda connection: insert_rows(connection, self.seq + 1, newest))
            self._begin_epoch()
            self._log.info("Imported %d calls from the request log of an earlier version.", len(rows))
        try:
            mark_imported(self._folder)
        except OSError as error:
            self._log.warning("The request log of an earlier version cannot be renamed: %s", error.strerror)
        delete_imported(self._folder, self._bounds.max_age_s)

    def _interrupt(self) -> None:
        for stored in self._select(IS_OPEN):
            self.update(stored.row.id, status="interrupted", error=_STOPPED)

    def _retain(self, connection: sqlite3.Connection) -> list[Facts]:
        return retain(connection, self._bounds, self._now())

    def _notify(self) -> None:
        self._cached_changes.clear()
        for wake in list(self._wakes):
            wake()
