"""Subscription to the list of workloads: each workload as it is now, then each that changes. Server; no Tornado."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ..engine import UnknownWorkload
from ..workload_feed import Change, WorkloadFeed
from .protocol import Cursor, Frame, Start, members

MAX_PER_POLL = 25
"""Workloads in one poll, which takes milliseconds; other streams and requests run in between."""


class WorkloadsSubscription:
    """A reader of the list. Without a cursor it begins with the newest `tail` workloads (default: all).

    Memory: at most one pending change for each workload.
    """

    searches = False
    done = False

    def __init__(self, feed: WorkloadFeed, start: Start, name: str) -> None:
        self.name = name
        self.due: float | None = None
        self._feed = feed
        self._opening: list[Frame] = []
        self._pending: deque[Change] = deque()  # read from the list, not sent yet
        self._seen = self._at = start.after or 0
        known = start.epoch == feed.epoch and feed.knows(self._at)
        if start.stale or (start.after is not None and not known):
            self._restart("unknown_cursor")
        elif start.after is None:
            self._begin(start.tail)

    @property
    def cursor(self) -> Cursor:
        """The reader's position."""
        return f"{self._feed.epoch}.{self._at}"

    def watch(self, wake: Callable[[], None]) -> list[Callable[[], None]]:
        """See `Subscription`."""
        return [self._feed.watch(wake)]

    def frames(self, now: float) -> list[Frame]:
        """See `Subscription`."""
        if not self._pending:
            if self._feed.knows(self._seen):
                self._pending.extend(self._feed.since(self._seen))
                self._seen = self._feed.last
            else:
                self._restart("too_far_behind")
        found, self._opening = self._opening, []
        while self._pending and len(found) < MAX_PER_POLL:
            found.append(self._frame(self._pending.popleft()))
        if not self._pending:
            self._at = max(self._at, self._seen)
        self.due = now if self._pending or self._seen < self._feed.last else None
        return found

    def _begin(self, count: int | None = None) -> None:
        self._pending = deque(self._feed.newest(count))
        self._seen, self._at = self._feed.last, 0

    def _restart(self, reason: str) -> None:
        self._begin()
        self._opening.append(Frame("reset", members({"reason": reason}), self.cursor))

    def _frame(self, change: Change) -> Frame:
        self._at = change.number
        if not change.gone:
            try:
                workload, last_line = self._feed.snapshot(change.id)
                return Frame("workload", members({**workload.to_json(), "last_line": last_line}), self.cursor)
            except UnknownWorkload:  # deleted in between
                pass
        return Frame("workload", members({"id": change.id, "deleted": True}), self.cursor)
