"""Batches for the push to OpenTelemetry: what each log has behind its position. Server; reads in a thread, no queue.

Nothing is held for the collector in memory but one batch: while it is away, the logs themselves are the queue, and
their retention is the bound. What retention removed before it was sent is sent as a gap.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...model.workload import Workload
from ...store.errors import BadIndex, UnknownStream
from ...store.protocol import Batch, Store
from ..engine import Engine, UnknownWorkload
from ..request_log.log import RequestLog
from .calls import call_record
from .cursors import Cursors
from .records import encode, gap_record, log_record, workload_resource

MAX_BATCH_BYTES = 1 << 20
"""Text of one batch, about; a record has at most 64 KiB."""

MAX_CALLS = 200
ENDED_INTERVAL_S = 30.0
"""Interval between two looks at a workload that has ended: background processes can add to its log."""

DAMAGED_INTERVAL_S = 60.0

Group = tuple[Mapping[str, Any], list[bytes]]
"""A resource and its log records, encoded."""


@dataclass(slots=True)
class PushBatch:
    """Records to send, and the positions behind them. `skipped`: records that retention had removed."""

    groups: list[Group] = field(default_factory=list)
    moves: dict[str, int] = field(default_factory=dict)
    calls: int | None = None
    skipped: int = 0

    @property
    def count(self) -> int:
        """The number of log records."""
        return sum(len(records) for _, records in self.groups)


class Feed:
    """Makes batches of the logs of all workloads and of the request log, in turn.

    Create it before the engine loads its workloads. `linger_s`: how long output is added to an ended workload's log.
    `resource`: attributes that replace ours; `host`: this machine's name.
    """

    def __init__(
        self,
        engine: Engine,
        store: Store,
        calls: RequestLog,
        cursors: Cursors,
        log: logging.Logger,
        *,
        linger_s: float,
        resource: Mapping[str, str],
        host: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine, self._store, self._calls, self._cursors, self._log = engine, store, calls, cursors, log
        self._linger_s, self._resource, self._host, self._clock = linger_s, resource, host, clock
        self._due: dict[str, float] = {}  # workload that can have more -> when to look at it; the longest waiting first
        self._epoch = calls.epoch
        engine.watch_all(self._changed)

    async def next(self, limit: int) -> PushBatch | None:
        """At most `limit` log records, None if there are none. Their positions do not move until `accepted`."""
        made = PushBatch()
        self._add_calls(made, limit)
        now, looked = self._clock(), []
        for workload_id in [known for known, due in self._due.items() if due <= now]:
            try:
                looked.append(self._engine.status_of(workload_id))
            except UnknownWorkload:
                self._close(workload_id)
        if looked and made.count < limit:
            await asyncio.to_thread(self._add_logs, made, looked, limit)
        return made if made.groups else None

    def accepted(self, batch: PushBatch) -> None:
        """Move the positions behind a batch: it was sent, or given up. Raises OSError if that cannot be stored."""
        problem: OSError | None = None
        for workload_id, seq in batch.moves.items():
            try:
                self._cursors.set(workload_id, seq)
            except OSError as error:
                problem = error
        if batch.calls is not None:
            self._cursors.set_calls(batch.calls)
        if problem is not None:
            raise problem

    # --- inside -------------------------------------------------------------------------------------------------------

    def _changed(self, workload_id: str) -> None:
        """A workload is new, has another state, or is gone."""
        self._due[workload_id] = 0.0

    def _close(self, workload_id: str) -> None:
        self._due.pop(workload_id, None)
        self._cursors.forget(workload_id)

    def _add_calls(self, made: PushBatch, limit: int) -> None:
        if self._epoch != self._calls.epoch or self._cursors.calls > self._calls.seq:  # cleared, or another file
            self._epoch = self._calls.epoch
            with contextlib.suppress(OSError):  # it counts all the same until the server stops
                self._cursors.set_calls(0)
        ended = self._calls.ended(self._cursors.calls, min(limit, MAX_CALLS))
        if ended:
            resource = {"service.name": "jupyter-logstream", "host.name": self._host, **self._resource}
            made.groups.append((resource, [encode(call_record(row)) for _, row in ended]))
            made.calls = ended[-1][0]

    def _add_logs(self, made: PushBatch, looked: list[Workload], limit: int) -> None:
        """Add records of the workloads in turn until the batch is full; in a thread."""
        left_bytes = MAX_BATCH_BYTES
        for workload in looked:
            left = limit - made.count
            if left <= 0 or left_bytes <= 0:
                return  # those that were not looked at are the first next time
            self._due[workload.id] = self._due.pop(workload.id, 0.0)
            try:
                batch = self._unsent(workload, left)
            except (UnknownStream, FileNotFoundError):  # deleted, or retention removes the beginning at this moment
                continue
            except BadIndex as error:
                self._log.warning("OTLP: the log of %s cannot be read now: %s", workload.id, error)
                self._due[workload.id] = self._clock() + DAMAGED_INTERVAL_S
                continue
            if batch is None or not len(batch):
                self._rest(workload)
                continue
            left_bytes -= sum(batch.text_bytes)
            self._add(made, workload, batch)

    def _unsent(self, workload: Workload, limit: int) -> Batch | None:
        """The next records of a workload; None if its log need not be opened. Raises UnknownStream, BadIndex."""
        sent = self._cursors.get(workload.id)
        if workload.status.final:
            ended = workload.status.ended or workload.created
            if not sent and ended < self._cursors.since:
                return None
            if sent >= workload.lines and self._is_old(workload):
                return None
        batch = self._store.read(workload.id, sent, limit)
        batch.loaded()
        return batch

    def _add(self, made: PushBatch, workload: Workload, batch: Batch) -> None:
        records, sent = [], self._cursors.get(workload.id)
        if batch.seqs[0] > sent + 1:
            gap = sent + 1, batch.seqs[0] - 1
            made.skipped += gap[1] - gap[0] + 1
            records.append(encode(gap_record(*gap, "retention", batch.times[0] / 1000, workload.id)))
        records += [encode(log_record(record, workload.id)) for record in batch.records()]
        made.groups.append((workload_resource(workload, self._host, self._resource), records))
        made.moves[workload.id] = batch.last

    def _rest(self, workload: Workload) -> None:
        """All of a workload is sent: look again soon, later if it has ended, or no more."""
        if not workload.status.final:
            return
        if self._is_old(workload):
            self._close(workload.id)
        else:
            self._due[workload.id] = self._clock() + ENDED_INTERVAL_S

    def _is_old(self, workload: Workload) -> bool:
        """Whether nothing is added any more to the log of an ended workload."""
        age_ms = time.time() * 1000 - (workload.status.ended or workload.created)
        return age_ms > (self._linger_s + ENDED_INTERVAL_S) * 1000
