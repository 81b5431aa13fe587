"""The request log: rows by id, their changes by cursor, what survives a restart. Server side; no HTTP.

Every change has a number (`seq`), and a row knows at which number each of its fields changed last. So a reader at any
cursor is told, once per row, what is new to it: nothing is queued for readers, and one that was away for an hour gets
as little as possible. Numbers belong to an `epoch`: a new one begins with every start and whenever the log is cleared,
and a reader with a cursor of another epoch starts again.

Bounds: the `most` newest rows in memory, older than `max_age` seconds goes; the journal has its own.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Any

from ...model.ids import IdSource
from .journal import Journal, Place
from .row import Row, from_json
from .stats import Figures, figures

Wake = Callable[[], None]


class UnknownRow(LookupError):
    """There is no such row."""


class RowEnded(RuntimeError):
    """The row is final: it never changes again."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a reader is to be told of one row: all of it (`is_new`), or the fields that changed and its id."""

    seq: int
    is_new: bool
    fields: dict[str, Any]


@dataclass(slots=True)
class _Kept:
    row: Row
    first: Row  # as it was created
    created: int  # seq
    last: int  # seq
    changed: dict[str, int] = field(default_factory=dict)  # field -> seq
    key: str | None = None
    place: Place | None = None


class RequestLog:
    """Rows of calls. `most`: rows that are kept; `max_age`: seconds a row is kept; both oldest first."""

    def __init__(
        self,
        journal: Journal,
        log: logging.Logger,
        *,
        most: int = 10_000,
        max_age: float = 30 * 86400,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._journal, self._log, self._most, self._max_age, self._now = journal, log, most, max_age, now
        self._rows: dict[str, _Kept] = {}  # oldest first
        self._by_change: OrderedDict[str, _Kept] = OrderedDict()  # least recently changed first
        self._by_key: dict[str, str] = {}
        self._ids = IdSource()
        self._wakes: list[Wake] = []
        self._figures: tuple[int, Figures] | None = None
        self._disk_fails = False
        self.seq = 0
        self.epoch = ""
        self._begin_epoch()
        self._recover()

    def __len__(self) -> int:
        return len(self._rows)

    # --- rows ---------------------------------------------------------------------------------------------------------

    def get(self, row_id: str) -> Row:
        """A row by its id. UnknownRow."""
        return self._kept(row_id).row

    def detail(self, row_id: str) -> dict[str, Any]:
        """What is kept of a call beside its row: headers, query, bodies if they are kept. UnknownRow, OSError."""
        place = self._kept(row_id).place
        return {} if place is None else self._journal.detail(place)

    def newest(self, before: str | None = None) -> Iterator[Row]:
        """Rows, newest first; `before`: those older than this one."""
        for row_id in reversed(self._rows):
            if before is None or row_id < before:
                yield self._rows[row_id].row

    def create(
        self, *, key: str | None = None, detail: dict[str, Any] | None = None, **fields: Any
    ) -> tuple[Row, bool]:
        """A new row, pending unless `fields` say otherwise; with a `key` used before: the first one, and False."""
        if key is not None and (known := self._by_key.get(key)) in self._rows:
            return self._rows[known].row, False
        fields = {"status": "pending", "initial_time": round(self._now() * 1000, 3), **fields}
        row = Row(id=self._ids.new(), **fields)
        self.seq += 1
        kept = _Kept(row, row, self.seq, self.seq, key=key)
        self._rows[row.id] = self._by_change[row.id] = kept
        if key is not None:
            self._by_key[key] = row.id
        self._write(kept, detail)
        self._retain()
        self._tell()
        return row, True

    def update(self, row_id: str, *, detail: dict[str, Any] | None = None, **fields: Any) -> Row:
        """Change fields of a row; it is written down when it becomes final. UnknownRow, RowEnded."""
        kept = self._kept(row_id)
        if kept.row.final:
            raise RowEnded("the call has ended: its row never changes again")
        fields = {name: value for name, value in fields.items() if getattr(kept.row, name) != value}
        if not fields:
            return kept.row
        kept.row = kept.row.but(**fields)
        self.seq += 1
        kept.last = self.seq
        kept.changed.update(dict.fromkeys(fields, self.seq))
        self._by_change.move_to_end(row_id)
        if kept.row.final:
            self._write(kept, detail)
        self._tell()
        return kept.row

    def clear(self) -> None:
        """Forget all rows; calls that run go on, unseen. OSError."""
        self._journal.clear()
        self._rows.clear()
        self._by_change.clear()
        self._by_key.clear()
        self._begin_epoch()
        self._tell()

    def close(self) -> None:
        """The server stops: what is open was interrupted."""
        self._interrupt()
        self._journal.close()

    # --- readers ------------------------------------------------------------------------------------------------------

    def watch(self, wake: Wake) -> Wake:
        """Call `wake` after each change; returns its end."""
        self._wakes.append(wake)

        def remove() -> None:
            with contextlib.suppress(ValueError):
                self._wakes.remove(wake)

        return remove

    def changes(self, after: int, most: int, history: int = 0) -> list[Change]:
        """What is new to a reader that knows everything up to `after`; at most `most` rows.

        A row comes at the place of its first change that is new to the reader, with all that changed since: so no
        cursor between two of them skips anything. Rows created up to `history` come as they are now; a younger one
        comes as it was created, and with its changes right behind, however soon they came.
        """
        new: list[_Kept] = []
        for kept in reversed(self._by_change.values()):
            if kept.last <= after:
                break
            new.append(kept)
        chosen = nsmallest(most, new, key=lambda kept: _first(kept, after))
        return [change for kept in chosen for change in _changes(kept, after, history)]

    def newest_changes(self, most: int) -> list[Change]:
        """The newest rows as new ones, oldest first."""
        chosen = [kept for kept, _ in zip(reversed(self._rows.values()), range(most), strict=False)]
        return [Change(kept.created, True, kept.row.to_json()) for kept in reversed(chosen)]

    @property
    def figures(self) -> Figures:
        """Totals over all rows; made anew only after a change."""
        if self._figures is None or self._figures[0] != self.seq:
            self._figures = self.seq, figures(kept.row for kept in self._rows.values())
        return self._figures[1]

    # --- inside -------------------------------------------------------------------------------------------------------

    def _kept(self, row_id: str) -> _Kept:
        try:
            return self._rows[row_id]
        except KeyError:
            raise UnknownRow(row_id) from None

    def _begin_epoch(self) -> None:
        former = self.epoch
        self.epoch = f"{int(self._now() * 1000):x}"
        if self.epoch == former:  # cleared twice within a millisecond
            self.epoch += "a"
        self.seq = 0
        self._figures = None

    def _recover(self) -> None:
        for value, place in self._journal.read():
            row = from_json(value)
            if row is not None:
                self.seq += 1
                self._rows[row.id] = _Kept(row, row, self.seq, self.seq, place=place)
        for row_id in sorted(self._rows)[: -self._most]:
            del self._rows[row_id]
        self._rows = {row_id: self._rows[row_id] for row_id in sorted(self._rows)}
        self._by_change = OrderedDict(sorted(self._rows.items(), key=lambda item: item[1].last))
        self._interrupt()
        self._retain()

    def _interrupt(self) -> None:
        for kept in list(self._rows.values()):
            if not kept.row.final:
                self.update(kept.row.id, status="interrupted", error="the Jupyter server stopped during the call")

    def _write(self, kept: _Kept, detail: dict[str, Any] | None) -> None:
        """Write it down. A full disk costs the row its survival, and is told once in the server's log."""
        try:
            if detail is None and kept.place is not None:
                detail = self._journal.detail(kept.place)
            kept.place = self._journal.append(kept.row.to_json(), detail or None)
            self._disk_fails = False
        except OSError as error:
            if not self._disk_fails:
                self._log.warning("The request log cannot be written: %s", error.strerror)
            self._disk_fails = True

    def _retain(self) -> None:
        oldest_segment = self._journal.drop_oldest()
        too_old = (self._now() - self._max_age) * 1000
        for row_id in list(self._oldest(len(self._rows) - self._most, too_old, oldest_segment)):
            kept = self._rows.pop(row_id)
            del self._by_change[row_id]
            if kept.key is not None:
                self._by_key.pop(kept.key, None)

    def _oldest(self, surplus: int, too_old: float, oldest_segment: int) -> Iterator[str]:
        """The ids of rows that have to go, oldest first; a call that runs stays, and so what is younger."""
        for row_id, kept in self._rows.items():
            gone = kept.place is not None and kept.place.segment < oldest_segment
            if surplus <= 0 and not gone and kept.row.initial_time >= too_old:
                return
            if kept.row.final:
                surplus -= 1
                yield row_id

    def _tell(self) -> None:
        for wake in list(self._wakes):
            wake()


def _first(kept: _Kept, after: int) -> int:
    """The number of the first change that a reader who knows everything up to `after` does not know."""
    return kept.created if kept.created > after else min(seq for seq in kept.changed.values() if seq > after)


def _changes(kept: _Kept, after: int, history: int) -> list[Change]:
    if after < kept.created <= history:
        return [Change(kept.created, True, kept.row.to_json())]
    changed = {name: getattr(kept.row, name) for name, seq in kept.changed.items() if seq > after}
    found = [Change(kept.created, True, kept.first.to_json())] if kept.created > after else []
    if changed:
        found.append(Change(_first(kept, after), False, {"id": kept.row.id, **changed}))
    return found
