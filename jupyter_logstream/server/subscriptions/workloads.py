"""Frames of the list of workloads: each one as it is now, then each that changes. Server side; no Tornado."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ..engine import UnknownWorkload
from ..workload_feed import Change, WorkloadFeed
from .protocol import Cursor, Frame, Start, dump

MOST_AT_ONCE = 25
"""Workloads told in one turn, which takes milliseconds: others on the connection, and other requests, come between."""


class WorkloadsSubscription:
    """A reader of the list. Without a cursor it begins with the newest `tail` workloads, or with all."""

    endless = True
    searches = False
    done = False

    def __init__(self, listed: WorkloadFeed, start: Start, name: str) -> None:
        self.name = name
        self.due: float | None = None
        self._list = listed
        self._opening: list[Frame] = []
        self._waiting: deque[Change] = deque()  # seen, not told yet; at most one for each workload
        self._seen = self._at = start.after or 0
        known = start.epoch == listed.epoch and listed.knows(self._at)
        if start.stale or (start.after is not None and not known):
            self._begin_anew("unknown_cursor")
        elif start.after is None:
            self._begin(start.tail)

    @property
    def cursor(self) -> Cursor:
        """Where the reader is."""
        return f"{self._list.epoch}.{self._at}"

    def watch(self, wake: Callable[[], None]) -> list[Callable[[], None]]:
        """See `Subscription`."""
        return [self._list.watch(wake)]

    def frames(self, now: float) -> list[Frame]:
        """See `Subscription`."""
        if not self._waiting:
            if self._list.knows(self._seen):
                self._waiting.extend(self._list.since(self._seen))
                self._seen = self._list.last
            else:
                self._begin_anew("too_far_behind")
        found, self._opening = self._opening, []
        while self._waiting and len(found) < MOST_AT_ONCE:
            found.append(self._frame(self._waiting.popleft()))
        if not self._waiting:
            self._at = max(self._at, self._seen)
        self.due = now if self._waiting or self._seen < self._list.last else None
        return found

    def _begin(self, count: int | None = None) -> None:
        self._waiting = deque(self._list.newest(count))
        self._seen, self._at = self._list.last, 0

    def _begin_anew(self, reason: str) -> None:
        self._begin()
        self._opening.append(Frame("reset", dump({"reason": reason}), self.cursor))

    def _frame(self, change: Change) -> Frame:
        self._at = change.number
        if not change.gone:
            try:
                workload, last_line = self._list.snapshot(change.id)
                return Frame("workload", dump({**workload.to_json(), "last_line": last_line}), self.cursor)
            except UnknownWorkload:  # deleted since
                pass
        return Frame("workload", dump({"id": change.id, "deleted": True}), self.cursor)
