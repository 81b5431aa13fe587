"""Frames of the request log for a reader at a cursor. Server; no Tornado, no sockets.

A reader gets each row once per turn, with what is new to it: new rows whole (`log:created`), changed fields of known
ones (`log:updated`), and figures over all rows (`log:stats`): at once, STATS_DELAY_S after a change, and every
STATS_INTERVAL_S.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from ..request_log.log import FIGURES_INTERVAL_S, RequestLog
from ..request_log.stored_row import RowChange
from .protocol import Cursor, Frame, Start, members

STATS_INTERVAL_S = 5.0
STATS_DELAY_S = 1.0
HEARTBEAT_INTERVAL_S = 30.0
MIN_INTERVAL_S = 0.05  # between frames of a reader that has caught up
MAX_ROWS_PER_TURN = 200  # takes milliseconds; other streams of the connection get their turn in between


class RequestsSubscription:
    """A reader of the request log. Without a cursor it begins with the newest `tail` rows, or with all.

    A cursor that is not of this log is answered with `reset`, and the reader begins again. `heartbeats`: send
    `heartbeat` every HEARTBEAT_INTERVAL_S, whatever else is sent.
    """

    searches = False
    done = False

    def __init__(self, log: RequestLog, start: Start, name: str, *, heartbeats: bool = False) -> None:
        self.name = name
        self.due: float | None = None
        self._log, self._epoch = log, log.epoch
        self._opening: list[Frame] = []
        self._tail: list[RowChange] = []  # the newest rows, if it begins with them; not sent yet
        self._after = start.after or 0
        self._snapshot = log.seq  # rows up to here are sent as they are now
        self._sent = 0  # the reader has everything up to here
        self._not_before = self._stats_due = 0.0
        self._stats_seq = -1
        self._heartbeat_due = None if heartbeats else math.inf
        if start.stale or (start.after is not None and not self._is_valid(start)):
            self._begin_again("unknown_cursor")
        elif start.after is None:
            self._begin(start.tail)
        else:
            self._sent = self._after

    @property
    def cursor(self) -> Cursor:
        """The reader's position."""
        return f"{self._epoch}.{self._sent}"

    def watch(self, wake: Callable[[], None]) -> list[Callable[[], None]]:
        """See `Subscription`."""
        return [self._log.watch(wake)]

    def frames(self, now: float) -> list[Frame]:
        """See `Subscription`."""
        if self._epoch != self._log.epoch:
            self._begin_again("cleared")
        found, self._opening = self._opening, []
        if self._tail:
            found += self._next_of_tail()
        elif self._after < self._log.seq and now >= self._not_before:
            found += self._changes(now)
        if not self._tail:
            found += self._stats(now)
        found += self._heartbeat(now)
        self.due = min(self._stats_due, self._heartbeat_due or now)
        if self._tail or self._after < self._log.seq:
            self.due = min(self.due, max(now, self._not_before))
        return found

    def _changes(self, now: float) -> list[Frame]:
        changes = self._log.changes(self._after, MAX_ROWS_PER_TURN, self._snapshot)
        is_behind = len(changes) >= MAX_ROWS_PER_TURN
        self._not_before = now if is_behind else now + MIN_INTERVAL_S
        found = [_frame(change, f"{self._epoch}.{change.seq}") for change in changes]
        self._after = self._sent = changes[-1].seq if is_behind else self._log.seq
        return found

    def _next_of_tail(self) -> list[Frame]:
        """The next rows of the tail; the cursor moves with the last one, so a reader that is cut off begins again."""
        turn, self._tail = self._tail[:MAX_ROWS_PER_TURN], self._tail[MAX_ROWS_PER_TURN:]
        found = [_frame(change, None) for change in turn]
        if not self._tail:
            self._sent = self._after
            found[-1] = _frame(turn[-1], self.cursor)
        return found

    def _stats(self, now: float) -> list[Frame]:
        is_first = self._stats_seq < 0
        if not is_first and self._stats_seq != self._log.seq:
            self._stats_due = min(self._stats_due, now + STATS_DELAY_S)
        if now < self._stats_due:
            return []
        figures = self._log.figures(0.0 if is_first else FIGURES_INTERVAL_S)
        self._stats_seq = figures.seq
        is_current = figures.seq == self._log.seq
        self._stats_due = now + (STATS_INTERVAL_S if is_current else STATS_DELAY_S)
        return [Frame("log:stats", members({"type": "log:stats", "data": figures.to_json()}))]

    def _heartbeat(self, now: float) -> list[Frame]:
        if self._heartbeat_due is None:
            self._heartbeat_due = now + HEARTBEAT_INTERVAL_S
        if now < self._heartbeat_due:
            return []
        self._heartbeat_due = now + HEARTBEAT_INTERVAL_S
        return [Frame("heartbeat", members({"timestamp": time.time_ns() // 1000 / 1000}))]

    def _begin(self, tail: int | None = None) -> None:
        self._tail = [] if tail is None else self._log.newest_changes(tail)
        self._after = 0 if tail is None else self._log.seq
        self._snapshot = self._log.seq
        self._sent = 0 if self._tail else self._after

    def _begin_again(self, reason: str) -> None:
        self._epoch = self._log.epoch
        self._begin()
        self._opening = [Frame("reset", members({"reason": reason}), self.cursor)]

    def _is_valid(self, start: Start) -> bool:
        return start.epoch == self._log.epoch and self._after <= self._log.seq


def _frame(change: RowChange, cursor: Cursor | None) -> Frame:
    kind = "log:created" if change.is_new else "log:updated"
    return Frame(kind, members({"type": kind, "data": change.fields}), cursor)
