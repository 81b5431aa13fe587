"""Subscription to a stream of records: turns records behind a cursor into `logs` frames. Server; no Tornado, no I/O.

`LogSubscription` reads any stream of records, for example the server's own log. `workload.WorkloadSubscription` adds
what only workloads have: a status, unfinished lines and an end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from ...store.errors import BadIndex, Unreadable
from ...store.protocol import Batch, Store
from ...store.queries.budget import Budget
from ...store.queries.filters import Filter, behind_unreadable, count, matches, tail_cursor
from .protocol import MAX_FRAME_BYTES, Cursor, Frame, Start, members

NextDue = Callable[[object, float], float]
"""From a reader and the time of its frame to the time of its next frame, in the loop's clock. See `FrameThrottle`."""

MAX_RECORDS = 2000
_FIRST_RECORDS = 100  # doubled with each frame: a connection that breaks early still makes progress
_MAX_FAILURES, _RETRY_INTERVAL_S = 5, 0.2
_MAX_UNREADABLE_GAPS = 64  # neighbouring unreadable ranges reported one by one; then the rest is one gap


class LogSubscription:
    """A reader of a stream of records.

    `name`: the stream's name in frames. `epoch`: of an endless stream; part of its cursors. `next_due`: when a
    caught-up reader receives its next `logs` frame. `budget`: of the searches for the first position and the number of
    matches. Raises UnknownStream, BadPattern, SlowPattern, SearchCancelled, BadIndex.
    """

    job = b"null"  # the id of the workload that wrote the records, as JSON

    def __init__(
        self,
        store: Store,
        stream: str,
        start: Start,
        chosen: Filter,
        next_due: NextDue,
        *,
        name: str,
        epoch: str = "",
        budget: Budget | None = None,
    ) -> None:
        self.name, self.done = name, False
        self._store, self._stream, self._next_due, self._epoch = store, stream, next_due, epoch
        self._filter = chosen
        self._match = chosen.compile()
        self._sent = 0
        self._failures = 0  # failed reads since the last successful read of full size
        self._unreadable_gaps = 0  # likewise
        self._limit = _FIRST_RECORDS
        self._not_before = 0.0  # when the next logs frame is due
        self._due: float | None = None
        ends = store.read(stream, 0, 0)
        self._opening: list[Frame] = []  # frames about the cursor, sent first
        self._at = self._begin(start, ends, budget)
        self._total = ends.end - ends.first + 1 if chosen.empty else count(store, stream, chosen, budget)
        self._counted = ends.end
        self._has_more = self._has_older(ends, budget)

    @property
    def cursor(self) -> Cursor:
        """The reader's position."""
        return self._cursor(self._at)

    @property
    def searches(self) -> bool:
        """Whether the filter reads texts, so that `frames` should run off the event loop."""
        return self._filter.reads_texts

    @property
    def due(self) -> float | None:
        """When to poll without a change of the stream (loop's clock); None: only after a change."""
        return self._due

    def watch(self, wake: Callable[[], None]) -> list[Callable[[], None]]:
        """See `Subscription`."""
        return [self._store.watch(self._stream, partial(self._on_change, wake))]

    def _on_change(self, wake: Callable[[], None]) -> None:
        """Wake the response unless a poll is scheduled soon: a log can be written a thousand times a second."""
        if self._due is None or time.monotonic() >= self._not_before:  # the loop's clock is monotonic()
            wake()

    def frames(self, now: float) -> list[Frame]:
        """At most one batch of records, and what else has changed. See `Subscription`."""
        self._due = None
        found, self._opening = self._opening, []
        return found + self._status() + self._logs(now)

    def _cursor(self, seq: int) -> Cursor:
        return f"{self._epoch}.{seq}" if self._epoch else seq

    # --- hooks for streams that have more than records ----------------------------------------------------------------

    def _status(self) -> list[Frame]:
        """Changes besides the records."""
        return []

    def _unfinished(self, batch: Batch, now: float) -> list[Frame]:  # noqa: ARG002 - for subclasses
        """The unfinished lines behind the batch."""
        return []

    def _end(self) -> list[Frame]:
        """The last frames of a closed stream."""
        return []

    # --- the first position -------------------------------------------------------------------------------------------

    def _begin(self, start: Start, ends: Batch, budget: Budget | None) -> int:
        if start.tail is not None:
            return tail_cursor(self._store, self._stream, self._filter, start.tail, budget)
        after = start.after or 0
        is_foreign = start.stale or (start.after is not None and (start.epoch or "") != self._epoch)
        if is_foreign or after > ends.end:
            reason = "unknown_cursor" if is_foreign else "ahead_of_end"
            self._opening.append(Frame("reset", members({"reason": reason}), self._cursor(0)))
            after = 0
        return after

    def _has_older(self, ends: Batch, budget: Budget | None) -> bool:
        if self._filter.empty or self._at < ends.first:
            return self._at >= ends.first
        oldest = next(matches(self._store, self._stream, self._filter, budget=budget), None)
        return oldest is not None and oldest.seqs[0] <= self._at

    # --- records ------------------------------------------------------------------------------------------------------

    def _logs(self, now: float) -> list[Frame]:
        if now < self._not_before:
            self._due = self._not_before
            return []
        try:
            batch = self._store.read(self._stream, self._at, self._limit)
        except BadIndex as error:
            return self._skip_unreadable(now, error)
        found: list[Frame] = []
        if batch.end and self._at < batch.first - 1:
            found.append(self._gap(batch.first - 1, "retention"))
        if len(batch):
            self._limit = min(2 * self._limit, MAX_RECORDS)
            found += self._records(batch)
            self._not_before = self._next_due(self, now) if self._at >= batch.end else 0.0
            self._due = self._not_before  # for the records that follow, or for an unfinished line
        if self._limit == MAX_RECORDS or self._at >= batch.end:
            self._failures = self._unreadable_gaps = 0
        if self._at >= batch.end:
            found += self._end() if batch.closed else self._unfinished(batch, now)
        return found

    def _gap(self, to: int, reason: str) -> Frame:
        """Move the cursor to `to` and report the records in between as missing."""
        gap = {"from": self._at + 1, "to": to, "reason": reason}
        self._at = to
        return Frame("gap", members(gap), self.cursor)

    def _skip_unreadable(self, now: float, error: BadIndex) -> list[Frame]:
        """Report a range that stays unreadable as a gap; deliver the records before and behind it."""
        is_temporary = isinstance(error, Unreadable) and error.is_temporary
        if self._limit > 1 and not is_temporary:  # the records in front of the damage are readable
            self._limit, self._due = self._limit // 2, now
            return []
        self._failures += not is_temporary
        if self._failures < _MAX_FAILURES:
            self._due = now + _RETRY_INTERVAL_S
            return []
        end = self._store.read(self._stream, 0, 0).end
        if self._at >= end:
            raise BadIndex("no record follows the unreadable range")
        try:
            skip_all = self._unreadable_gaps >= _MAX_UNREADABLE_GAPS
            to = end if skip_all else behind_unreadable(self._store, self._stream, self._at)
        except Unreadable:  # temporary
            self._due = now + _RETRY_INTERVAL_S
            return []
        self._unreadable_gaps, self._due = self._unreadable_gaps + 1, now
        return [self._gap(to, "unreadable")]

    def _records(self, batch: Batch) -> list[Frame]:
        """The matching records of a batch, in as many frames as their size needs."""
        self._at = batch.last
        if self._filter.empty:
            self._total = batch.end - batch.first + 1
            return self._pack(batch, batch.last)
        positions = self._match(batch)
        self._total += sum(1 for i in positions if batch.seqs[i] > self._counted)
        self._counted = max(self._counted, batch.last)
        return self._pack(batch.pick(positions), batch.last) if positions else []

    def _pack(self, batch: Batch, upto: int) -> list[Frame]:
        body = batch.encode()
        if len(body) > MAX_FRAME_BYTES and len(batch) > 1:
            half = len(batch) // 2
            front, back = batch.pick(range(half)), batch.pick(range(half, len(batch)))
            return self._pack(front, front.last) + self._pack(back, upto)
        self._sent += len(batch)
        data = b'"job_id":%s,"logs":[%s],"meta":{"total_count":%d,"displayed_count":%d,"has_more":%s}' % (
            self.job,
            body,
            self._total,
            self._sent,
            b"true" if self._has_more else b"false",
        )
        return [Frame("logs", data, self._cursor(upto))]
