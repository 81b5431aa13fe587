"""Subscription to one workload: status, records, unfinished lines, end. Server; no Tornado, no I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...store.protocol import Batch, Store
from ...store.queries.budget import Budget
from ...store.queries.filters import Filter
from ..engine import Engine
from .log import LogSubscription, NextDue
from .protocol import Frame, Start, members

_PROGRESS_INTERVAL_S = 0.1  # minimum interval between two updates of an unfinished line
_UNFINISHED_DELAY_S = 0.2  # an unfinished line that is not rewritten is shown after this time


@dataclass(slots=True)
class _UnfinishedLine:
    """An unfinished line as it was last sent. Times in the loop's clock; `seen` None: since the next poll."""

    seen: float | None
    sent: str | None = None
    sent_at: float = float("-inf")


class WorkloadSubscription(LogSubscription):
    """A reader of a workload's log: its status, its records, its unfinished lines, and its end.

    `name`: the stream's name in frames; default `workload/ID`.
    """

    def __init__(
        self,
        engine: Engine,
        store: Store,
        workload_id: str,
        start: Start,
        chosen: Filter,
        next_due: NextDue,
        name: str = "",
        budget: Budget | None = None,
    ) -> None:
        self.job = b'"%s"' % workload_id.encode()
        self._engine, self._id = engine, workload_id
        self._sent_status: Any = None
        self._sent_steps: Any = None
        self._lines: dict[str, _UnfinishedLine] = {}  # by source
        super().__init__(
            store, workload_id, start, chosen, next_due, name=name or f"workload/{workload_id}", budget=budget
        )

    def watch(self, wake: Callable[[], None]) -> list[Callable[[], None]]:
        """See `Subscription`."""
        return [*super().watch(wake), self._engine.watch(self._id, wake)]

    def _status(self) -> list[Frame]:
        return [] if self._current_status() == self._sent_status else self._changed()

    def _current_status(self) -> Any:
        found = self._engine.status_of(self._id)
        return found.status, found.link

    def _changed(self) -> list[Frame]:
        """A `status` frame if status or steps have changed; counts the log's new lines."""
        status, job = self._current_status(), self._engine.get(self._id).to_json()
        if (status, job["steps"]) == (self._sent_status, self._sent_steps):
            return []
        self._sent_status, self._sent_steps = status, job["steps"]
        return [Frame("status", members({"job": job, "steps": job["steps"]}))]

    def _end(self) -> list[Frame]:
        if not self._engine.status_of(self._id).status.final:
            self._due = None  # the final status is being written; the engine wakes the response
            return []
        self.done = True
        return [*self._status(), Frame("done", members(self._engine.get(self._id).to_json()), self.cursor)]

    def _records(self, batch: Batch) -> list[Frame]:
        for line in self._lines.values():  # the next line begins; the limit of ten updates a second stays
            line.seen, line.sent = None, None
        changed = self._changed() if batch.changes_steps else []
        return changed + super()._records(batch)

    def _unfinished(self, batch: Batch, now: float) -> list[Frame]:
        """`progress` frames: at once, then ten a second, for a rewritten line; else once the line stays unfinished."""
        for line in self._lines.values():
            line.seen = now if line.seen is None else line.seen
        if len(batch) or not self._filter.only_source:
            return []  # whether a line matches is known when it is finished
        found: list[Frame] = []
        for partial in batch.partials():
            if self._filter.source not in (None, partial.source):
                continue
            line = self._lines.setdefault(partial.source, _UnfinishedLine(seen=now))
            if line.sent == partial.message:
                continue
            delay = 0 if partial.rewritten else _UNFINISHED_DELAY_S
            due = max(line.sent_at + _PROGRESS_INTERVAL_S, (line.seen or now) + delay)
            if now < due:
                self._due = due if self._due is None else min(due, self._due)
                continue
            line.sent, line.sent_at = partial.message, now
            progress = {"job_id": self._id, "source": partial.source, "message": partial.message}
            found.append(Frame("progress", members(progress)))
        return found
