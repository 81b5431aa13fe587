"""Frames of the request log: what a reader at a cursor is to be told now. Server side; no Tornado, no sockets.

A reader is told, once per row, what is new to it since it was told last: rows whole (`log:created`) or what changed of
them (`log:updated`), and now and then figures over all of them. See `frames.Subscription` for how it is asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ..request_log.log import Change, RequestLog
from .protocol import Cursor, Frame, Start, dump

STATS_APART = 5.0  # seconds
HEARTBEATS_APART = 30.0  # seconds
_PACE = 0.05  # seconds between frames of a reader that has caught up
MOST_AT_ONCE = 200
"""Rows told in one turn, which takes milliseconds: others on the connection come between."""


class RequestsSubscription:
    """A reader of the request log. Without a cursor it begins with the newest `tail` rows, or with all.

    A cursor that is none of this log's is told by a `reset`, and the reader begins again. `heartbeats`: whether it is
    told every 30 s, regardless of all else, that the stream lives.
    """

    endless = True
    searches = False
    done = False

    def __init__(self, log: RequestLog, start: Start, name: str, *, heartbeats: bool = False) -> None:
        self.name = name
        self.due: float | None = None
        self._log, self._epoch = log, log.epoch
        self._opening: list[Frame] = []
        self._rows: list[Change] = []  # of a beginning with the newest ones: still to be told
        self._seen = start.after or 0
        self._history = self._log.seq  # what was there when it began is told as it is
        self._told = 0  # up to where the reader knows everything
        self._not_before = self._stats_due = 0.0
        self._heartbeat_due = None if heartbeats else float("inf")
        if start.stale or (start.after is not None and not self._knows(start)):
            self._begin_anew("unknown_cursor")
        elif start.after is None:
            self._begin(start.tail)
        else:
            self._told = self._seen

    @property
    def cursor(self) -> Cursor:
        """Where the reader is."""
        return f"{self._epoch}.{self._told}"

    def watch(self, wake: Callable[[], None]) -> list[Callable[[], None]]:
        """See `Subscription`."""
        return [self._log.watch(wake)]

    def frames(self, now: float) -> list[Frame]:
        """See `Subscription`."""
        if self._epoch != self._log.epoch:
            self._begin_anew("cleared")
        found, self._opening = self._opening, []
        if self._rows:
            found += self._beginning()
        elif self._seen < self._log.seq and now >= self._not_before:
            found += self._changes(now)
        if not self._rows:
            found += self._figures(now)
        found += self._heartbeat(now)
        self.due = min(self._stats_due, self._heartbeat_due or now)
        if self._rows or self._seen < self._log.seq:
            self.due = min(self.due, max(now, self._not_before))
        return found

    def _changes(self, now: float) -> list[Frame]:
        changes = self._log.changes(self._seen, MOST_AT_ONCE, self._history)
        is_behind = len(changes) >= MOST_AT_ONCE
        self._not_before = now if is_behind else now + _PACE
        found = [self._frame(change) for change in changes]
        self._seen = self._told = changes[-1].seq if is_behind else self._log.seq
        return found

    def _beginning(self) -> list[Frame]:
        """Rows of the beginning; the cursor stays until all were told, so that who is cut begins again."""
        told, self._rows = self._rows[:MOST_AT_ONCE], self._rows[MOST_AT_ONCE:]
        found = [_frame(change, None) for change in told]
        if not self._rows:
            self._told = self._seen
            found[-1] = _frame(told[-1], self.cursor)
        return found

    def _figures(self, now: float) -> list[Frame]:
        if now < self._stats_due:
            return []
        self._stats_due = now + STATS_APART
        return [Frame("log:stats", dump({"type": "log:stats", "data": self._log.figures.to_json()}))]

    def _heartbeat(self, now: float) -> list[Frame]:
        if self._heartbeat_due is None:
            self._heartbeat_due = now + HEARTBEATS_APART
        if now < self._heartbeat_due:
            return []
        self._heartbeat_due = now + HEARTBEATS_APART
        return [Frame("heartbeat", dump({"timestamp": time.time_ns() // 1000 / 1000}))]

    def _frame(self, change: Change) -> Frame:
        return _frame(change, f"{self._epoch}.{change.seq}")

    def _begin(self, count: int | None = None) -> None:
        self._rows = [] if count is None else self._log.newest_changes(count)
        self._seen = 0 if count is None else self._log.seq
        self._history = self._log.seq
        self._told = 0 if self._rows else self._seen

    def _begin_anew(self, reason: str) -> None:
        self._epoch = self._log.epoch
        self._begin()
        self._opening = [Frame("reset", dump({"reason": reason}), self.cursor)]

    def _knows(self, start: Start) -> bool:
        return start.epoch == self._log.epoch and self._seen <= self._log.seq


def _frame(change: Change, cursor: Cursor | None) -> Frame:
    kind = "log:created" if change.is_new else "log:updated"
    return Frame(kind, dump({"type": kind, "data": change.fields}), cursor)
