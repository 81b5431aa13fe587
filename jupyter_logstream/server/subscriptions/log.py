"""Frames of a log: what a reader at a cursor is to be told of its records now. Server side; no Tornado, no sockets.

`LogSubscription` reads any stream of records (the server's own log is one); `WorkloadSubscription` adds what a workload
has besides: its status, the lines being written, and an end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ...store.errors import BadIndex, Unreadable
from ...store.protocol import Batch, Store
from ...store.queries.filters import Filter, behind_unreadable, count, matches, tail_cursor
from ..engine import Engine
from .protocol import LARGEST_FRAME, Cursor, Frame, Start, dump

NextTurn = Callable[[object, float], float]
"""From a reader and a time to a time, both by the loop's clock. See `Pace`."""

MOST_RECORDS = 2000
_FIRST_RECORDS = 100  # then twice as many each time: a connection that is cut soon has moved on all the same
_MOST_FAILURES, _FAILURES_APART = 5, 0.2  # seconds
_MOST_SKIPPED = 64  # gaps of what cannot be read with little between them; then the rest is one
_UPDATES_APART = 0.1  # seconds between two updates of a line being written
_QUIET = 0.2  # seconds after which an unended line is shown


class LogSubscription:
    """A reader of a stream of records. `turn`: when one that was told records at a time is told more.

    `name`: what frames call the stream. `epoch`: of an endless one; its cursors carry it. Raises what reading the
    stream raises (UnknownStream, BadPattern, SlowPattern).
    """

    job = b"null"  # the workload that the records are of, as JSON

    def __init__(
        self, store: Store, stream: str, start: Start, chosen: Filter, turn: NextTurn, *, name: str, epoch: str = ""
    ) -> None:
        self.name, self.done, self.endless = name, False, bool(epoch)
        self._store, self._stream, self._turn, self._epoch = store, stream, turn, epoch
        self._filter = chosen
        self._match = chosen.compile()
        self._sent = 0
        self._failures = 0  # to read, since as many records as may came at once
        self._skipped = 0  # gaps of what could not be read, since then
        self._most = _FIRST_RECORDS
        self._not_before = 0.0  # when the next logs frame is due
        self._due: float | None = None
        ends = store.read(stream, 0, 0)
        self._opening: list[Frame] = []  # what has to be said of the cursor, first of all
        self._at = self._begin(start, ends)
        self._total = ends.end - ends.first + 1 if chosen.empty else count(store, stream, chosen)
        self._counted = ends.end
        self._older = self._has_older(ends)

    @property
    def cursor(self) -> Cursor:
        """Where the reader is."""
        return self._cursor(self._at)

    @property
    def searches(self) -> bool:
        """Whether it looks at texts, so that `frames` is better called off the event loop."""
        return self._filter.reads_texts

    @property
    def due(self) -> float | None:
        """When to ask again without a change of the stream (the loop's clock); None: only after one."""
        return self._due

    def watch(self, wake: Callable[[], None]) -> list[Callable[[], None]]:
        """See `Subscription`."""
        return [self._store.watch(self._stream, partial(self._written, wake))]

    def _written(self, wake: Callable[[], None]) -> None:
        """Wake whoever asks us, unless that comes soon in any case: a log may be written a thousand times a second."""
        if self._due is None or time.monotonic() >= self._not_before:  # the loop's clock is this one
            wake()

    def frames(self, now: float) -> list[Frame]:
        """One batch of records at most, and what else has changed. See `Subscription`."""
        self._due = None
        found, self._opening = self._opening, []
        return found + self._status() + self._logs(now)

    def _cursor(self, seq: int) -> Cursor:
        return f"{self._epoch}.{seq}" if self._epoch else seq

    # --- what only some streams have ----------------------------------------------------------------------------------

    def _status(self) -> list[Frame]:
        """What has changed besides the records."""
        return []

    def _writing(self, batch: Batch, now: float) -> list[Frame]:  # noqa: ARG002 - for those who have such lines
        """The lines being written behind the batch."""
        return []

    def _end(self) -> list[Frame]:
        """What is told when all is told."""
        return []

    # --- the beginning ------------------------------------------------------------------------------------------------

    def _begin(self, start: Start, ends: Batch) -> int:
        """Settle the cursor."""
        if start.tail is not None:
            return tail_cursor(self._store, self._stream, self._filter, start.tail)
        after = start.after or 0
        foreign = start.stale or (start.after is not None and (start.epoch or "") != self._epoch)
        if foreign or after > ends.end:
            reason = "unknown_cursor" if foreign else "ahead_of_end"
            self._opening.append(Frame("reset", dump({"reason": reason}), self._cursor(0)))
            after = 0
        return after

    def _has_older(self, ends: Batch) -> bool:
        if self._filter.empty or self._at < ends.first:
            return self._at >= ends.first
        oldest = next(matches(self._store, self._stream, self._filter), None)
        return oldest is not None and oldest.seqs[0] <= self._at

    # --- records ------------------------------------------------------------------------------------------------------

    def _logs(self, now: float) -> list[Frame]:
        if now < self._not_before:
            self._due = self._not_before
            return []
        try:
            batch = self._store.read(self._stream, self._at, self._most)
        except BadIndex as error:
            return self._skip_unreadable(now, error)
        found: list[Frame] = []
        if batch.end and self._at < batch.first - 1:
            gap = {"from": self._at + 1, "to": batch.first - 1, "reason": "retention"}
            self._at = batch.first - 1
            found.append(Frame("gap", dump(gap), self.cursor))
        if len(batch):
            self._most = min(2 * self._most, MOST_RECORDS)
            found += self._records(batch)
            self._not_before = self._turn(self, now) if self._at >= batch.end else 0.0
            self._due = self._not_before  # then for what follows, or for a line being written
        if self._most == MOST_RECORDS or self._at >= batch.end:
            self._failures = self._skipped = 0
        if self._at >= batch.end:
            found += self._end() if batch.closed else self._writing(batch, now)
        return found

    def _skip_unreadable(self, now: float, error: BadIndex) -> list[Frame]:
        """What cannot be read, however often it is tried, is a gap; what lies before and behind it is told."""
        passes = isinstance(error, Unreadable) and error.is_temporary
        if self._most > 1 and not passes:  # what comes before it can be
            self._most, self._due = self._most // 2, now
            return []
        self._failures += not passes
        if self._failures < _MOST_FAILURES:
            self._due = now + _FAILURES_APART
            return []
        end = self._store.read(self._stream, 0, 0).end
        if self._at >= end:
            raise BadIndex("there is nothing behind what cannot be read")
        try:
            upto = behind_unreadable(self._store, self._stream, self._at) if self._skipped < _MOST_SKIPPED else end
        except Unreadable:  # that passes
            self._due = now + _FAILURES_APART
            return []
        gap = {"from": self._at + 1, "to": upto, "reason": "unreadable"}
        self._at, self._skipped, self._due = upto, self._skipped + 1, now
        return [Frame("gap", dump(gap), self.cursor)]

    def _records(self, batch: Batch) -> list[Frame]:
        """The batch's matches as one frame, or as many as its size needs."""
        self._at = batch.last
        if self._filter.empty:
            self._total = batch.end - batch.first + 1
            return self._packed(batch, batch.last)
        positions = self._match(batch)
        self._total += sum(1 for i in positions if batch.seqs[i] > self._counted)
        self._counted = max(self._counted, batch.last)
        return self._packed(batch.pick(positions), batch.last) if positions else []

    def _packed(self, batch: Batch, upto: int) -> list[Frame]:
        body = batch.encode()
        if len(body) > LARGEST_FRAME and len(batch) > 1:
            middle = len(batch) // 2
            front, back = batch.pick(range(middle)), batch.pick(range(middle, len(batch)))
            return self._packed(front, front.last) + self._packed(back, upto)
        self._sent += len(batch)
        meta = {"total_count": self._total, "displayed_count": self._sent, "has_more": self._older}
        data = b'{"job_id":%s,"logs":[%s],"meta":%s}' % (self.job, body, dump(meta))
        return [Frame("logs", data, self._cursor(upto))]


class WorkloadSubscription(LogSubscription):
    """A reader of a workload's log: its status, its records, the lines being written, and its end.

    `name`: what frames call it instead of `workload/ID`.
    """

    def __init__(
        self,
        engine: Engine,
        store: Store,
        workload_id: str,
        start: Start,
        chosen: Filter,
        turn: NextTurn,
        name: str = "",
    ) -> None:
        self.job = b'"%s"' % workload_id.encode()
        self._engine, self._id = engine, workload_id
        self._told: Any = None  # the status last told
        self._steps: Any = None  # the steps with it
        self._lines: dict[str, _Line] = {}  # being written, by source
        super().__init__(store, workload_id, start, chosen, turn, name=name or f"workload/{workload_id}")

    def watch(self, wake: Callable[[], None]) -> list[Callable[[], None]]:
        """See `Subscription`."""
        return [*super().watch(wake), self._engine.watch(self._id, wake)]

    def _status(self) -> list[Frame]:
        if self._engine.status_of(self._id).status == self._told:
            return []
        return self._changed()

    def _changed(self) -> list[Frame]:
        """The workload, if its status or its steps have changed; looking costs a count of its new lines."""
        status, job = self._engine.status_of(self._id).status, self._engine.get(self._id).to_json()
        if (status, job["steps"]) == (self._told, self._steps):
            return []
        self._told, self._steps = status, job["steps"]
        return [Frame("status", dump({"job": job, "steps": job["steps"]}))]

    def _end(self) -> list[Frame]:
        if not self._engine.status_of(self._id).status.final:
            self._due = None  # the end is being written; the engine wakes us
            return []
        self.done = True
        return [*self._status(), Frame("done", dump(self._engine.get(self._id).to_json()), self.cursor)]

    def _records(self, batch: Batch) -> list[Frame]:
        for line in self._lines.values():  # the next one begins; but not more than ten updates a second
            line.seen, line.shown = None, None
        turned = self._changed() if batch.changes_steps else []
        return turned + super()._records(batch)

    def _writing(self, batch: Batch, now: float) -> list[Frame]:
        """At once and ten times a second where a line is rewritten, else once it stays unended."""
        for line in self._lines.values():
            line.seen = now if line.seen is None else line.seen
        if len(batch) or not self._filter.only_source:
            return []  # whether they match is known when they have ended
        found: list[Frame] = []
        for unended in batch.partials():
            if self._filter.source not in (None, unended.source):
                continue
            line = self._lines.setdefault(unended.source, _Line(seen=now))
            if line.shown == unended.message:
                continue
            wait = max(line.shown_at + _UPDATES_APART, (line.seen or now) + (0 if unended.rewritten else _QUIET))
            if now < wait:
                self._due = wait if self._due is None else min(wait, self._due)
                continue
            line.shown, line.shown_at = unended.message, now
            told = {"job_id": self._id, "source": unended.source, "message": unended.message}
            found.append(Frame("progress", dump(told)))
        return found


@dataclass(slots=True)
class _Line:
    """A line being written, as it was last told. Times by the loop's clock; `seen` None: since the next look."""

    seen: float | None
    shown: str | None = None
    shown_at: float = float("-inf")
