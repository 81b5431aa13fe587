"""Frames of a workload's stream: what a reader at a cursor is to be told now. Server side; no Tornado, no sockets.

A subscription remembers a cursor and what it last told; asked for frames, it looks at store and engine and returns what
is new. Nothing is queued for a reader, so a slow one costs nothing, and any number of them share a stream.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ..engine import Engine
from ..store import Batch, Store
from ..store.query import Filter, count, matches, tail_cursor

LARGEST_FRAME = 256 * 1024
MOST_RECORDS = 2000
_UPDATES_APART = 0.1  # seconds between two updates of a line being written
_QUIET = 0.2  # seconds after which an unended line is shown


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: its event, its data (a JSON object), and the cursor that it moves the reader to, if it does."""

    event: str
    data: bytes
    cursor: int | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """Where a reader wants to begin. All None: at the beginning. `stale`: its cursor is of no stream of ours."""

    after: int | None = None
    tail: int | None = None
    stale: bool = False


def dump(value: Any) -> bytes:
    """JSON on one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


class Subscription:
    """A reader of a workload's log. `pace`: seconds between `logs` frames for one that has caught up.

    Raises what reading the stream raises (UnknownStream, BadPattern, SlowPattern).
    """

    def __init__(
        self, engine: Engine, store: Store, workload_id: str, start: Start, chosen: Filter, pace: float
    ) -> None:
        self.id = workload_id
        self.done = False
        self._engine, self._store, self._pace = engine, store, pace
        self._filter = chosen
        self._match = chosen.compile()
        self._sent = 0
        self._not_before = 0.0  # when the next logs frame is due
        self._told: Any = None  # the status last told
        self._writing: dict[str, _Writing] = {}  # by source
        self._due: float | None = None
        ends = store.read(workload_id, 0, 0)
        self._opening: list[Frame] = []  # what has to be said of the cursor, first of all
        self.cursor = self._begin(start, ends)
        self._total = ends.end - ends.first + 1 if chosen.empty else count(store, workload_id, chosen)
        self._counted = ends.end
        self._older = self._has_older(ends)

    @property
    def searches(self) -> bool:
        """Whether it looks at texts, so that `frames` is better called off the event loop."""
        return self._filter.q is not None

    @property
    def due(self) -> float | None:
        """When to ask again without a change of the stream (the loop's clock); None: only after one."""
        return self._due

    def frames(self, now: float) -> list[Frame]:
        """What is to be told now: one batch of records at most. Ask again after a change, or when `due` has come.

        Raises UnknownWorkload or UnknownStream when it was deleted.
        """
        self._due = None
        found, self._opening = self._opening, []
        if change := self._status():
            found.append(change)
        return found + self._logs(now)

    # --- the beginning ------------------------------------------------------------------------------------------------

    def _begin(self, start: Start, ends: Batch) -> int:
        """Settle the cursor."""
        if start.tail is not None:
            return tail_cursor(self._store, self.id, self._filter, start.tail)
        after = start.after or 0
        if start.stale or after > ends.end:
            reason = "unknown_cursor" if start.stale else "ahead_of_end"
            self._opening.append(Frame("reset", dump({"reason": reason}), 0))
            after = 0
        return after

    def _has_older(self, ends: Batch) -> bool:
        if self._filter.empty or self.cursor < ends.first:
            return self.cursor >= ends.first
        oldest = next(matches(self._store, self.id, self._filter), None)
        return oldest is not None and oldest.seqs[0] <= self.cursor

    # --- what is new --------------------------------------------------------------------------------------------------

    def _status(self) -> Frame | None:
        status = self._engine.status_of(self.id).status
        if status == self._told:
            return None
        self._told = status
        return Frame("status", dump({"job": self._engine.get(self.id).to_json(), "steps": []}))

    def _logs(self, now: float) -> list[Frame]:
        if now < self._not_before:
            self._due = self._not_before
            return []
        batch = self._store.read(self.id, self.cursor, MOST_RECORDS)
        found: list[Frame] = []
        if batch.end and self.cursor < batch.first - 1:
            gap = {"from": self.cursor + 1, "to": batch.first - 1, "reason": "retention"}
            found.append(Frame("gap", dump(gap), batch.first - 1))
            self.cursor = batch.first - 1
        if len(batch):
            found += self._records(batch)
            for line in self._writing.values():  # the next one begins; but not more than ten updates a second
                line.seen, line.shown = now, None
            self._not_before = now + self._pace if self.cursor >= batch.end else 0.0
            self._due = self._not_before  # then for what follows, or for a line being written
        if self.cursor >= batch.end:
            if not batch.closed:
                found += self._progress(batch, now) if not len(batch) else []
            elif self._engine.status_of(self.id).status.final:
                found += self._end()
            else:
                self._due = None  # the end is being written; the engine wakes us
        return found

    def _end(self) -> list[Frame]:
        self.done = True
        change = self._status()
        done = Frame("done", dump(self._engine.get(self.id).to_json()), self.cursor)
        return [change, done] if change else [done]

    def _records(self, batch: Batch) -> list[Frame]:
        """The batch's matches as one frame, or as many as its size needs."""
        self.cursor = batch.last
        if self._filter.empty:
            self._total = batch.end - batch.first + 1
            return self._packed(batch, batch.last)
        positions = self._match(batch)
        self._total += sum(1 for i in positions if batch.seqs[i] > self._counted)
        self._counted = max(self._counted, batch.last)
        return self._packed(batch.pick(positions), batch.last) if positions else []

    def _packed(self, batch: Batch, cursor: int) -> list[Frame]:
        body = batch.encode()
        if len(body) > LARGEST_FRAME and len(batch) > 1:
            front, back = batch.halves()
            return self._packed(front, front.last) + self._packed(back, cursor)
        self._sent += len(batch)
        meta = {"total_count": self._total, "displayed_count": self._sent, "has_more": self._older}
        return [Frame("logs", b'{"job_id":"%s","logs":[%s],"meta":%s}' % (self.id.encode(), body, dump(meta)), cursor)]

    def _progress(self, batch: Batch, now: float) -> list[Frame]:
        """Lines being written: at once and ten times a second where they are rewritten, else once they stay unended."""
        if self._filter.q or self._filter.level or self._filter.levels or self._filter.step:
            return []  # whether they match is known when they have ended
        found: list[Frame] = []
        for partial in batch.partials():
            if self._filter.source not in (None, partial.source):
                continue
            line = self._writing.setdefault(partial.source, _Writing(seen=now))
            if line.shown == partial.message:
                continue
            wait = max(line.shown_at + _UPDATES_APART, line.seen + (0 if partial.rewritten else _QUIET))
            if now < wait:
                self._due = wait if self._due is None else min(wait, self._due)
                continue
            line.shown, line.shown_at = partial.message, now
            told = {"job_id": self.id, "source": partial.source, "message": partial.message}
            found.append(Frame("progress", dump(told)))
        return found


@dataclass(slots=True)
class _Writing:
    """A line being written, as it was last told. Times by the loop's clock."""

    seen: float
    shown: str | None = None
    shown_at: float = float("-inf")
