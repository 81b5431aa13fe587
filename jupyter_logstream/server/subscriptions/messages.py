"""Subscription of the simple stream of a workload: messages only, then its final state. Server; no Tornado, no I/O."""

from __future__ import annotations

from collections.abc import Callable

from ...store.protocol import Batch, Store
from ..engine import Engine
from .protocol import Frame, Start, members

_BATCH_RECORDS = 2000


class MessageSubscription:
    """A reader of the simple stream: batches of records and gaps, then a `done` frame. No status, no progress.

    `after`: the last seq that the reader has; one behind the log's end is of an earlier log, and everything is sent.
    """

    searches = False

    def __init__(self, engine: Engine, store: Store, workload_id: str, start: Start) -> None:
        self.name, self.done = f"workload/{workload_id}", False
        self.due: float | None = None
        self._engine, self._store, self._id = engine, store, workload_id
        end = store.read(workload_id, 0, 0).end
        after = max(end - start.tail, 0) if start.tail is not None else start.after or 0
        self.cursor = after if after <= end else 0

    def watch(self, wake: Callable[[], None]) -> list[Callable[[], None]]:
        """See `Subscription`."""
        return [self._store.watch(self._id, wake), self._engine.watch(self._id, wake)]

    def frames(self, now: float) -> list[Batch | Frame]:
        """The next batch, or the end. See `Subscription`."""
        batch = self._store.read(self._id, self.cursor, _BATCH_RECORDS)
        if len(batch):
            gap = self._gap_before(batch.seqs[0])
            self.cursor, self.due = batch.last, now
            return [*gap, batch]
        self.due = None
        if not batch.closed or not self._engine.status_of(self._id).status.final:
            return []
        self.done = True
        return [Frame("done", members(self._engine.get(self._id).to_json()), self.cursor)]

    def _gap_before(self, seq: int) -> list[Frame]:
        """The records that retention removed before they were read."""
        if seq == self.cursor + 1:
            return []
        return [Frame("gap", members({"from": self.cursor + 1, "to": seq - 1, "reason": "retention"}))]
