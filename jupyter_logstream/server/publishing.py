"""Publishing into external workloads: idempotent append of batches. Server; no HTTP.

A batch is appended whole or not at all. A client that sends `after`, the last seq before the batch, can repeat it
safely: records that are already in the log are skipped.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from typing import Any
from weakref import WeakValueDictionary

from ..model.protocol import EXTERNAL, now_ms
from ..model.records import SOURCES, Record
from ..store.errors import StreamEnded
from ..store.protocol import LOST, Store
from ..text.published import PublishedBatch, prepare
from ..text.published_tracebacks import PublishedTracebacks
from ..text.redactor import Redactor
from ..text.tracebacks import State as TracebackState
from .engine import Engine, NoRoom

MAX_ITEMS = 100_000
"""Items of a batch: they are appended at once, whole or not at all."""

_MAX_INLINE_ITEMS = 500  # larger batches are checked, masked and encoded in a thread
_SYSTEM = SOURCES.index("system")


class NotExternal(ValueError):
    """The workload's log is written by its runner."""


class TooManyItems(ValueError):
    """The batch has more than MAX_ITEMS items."""


class AheadOfEnd(ValueError):
    """The batch's `after` is larger than the log's last seq."""


class Publisher:
    """Appends batches to logs of external workloads. `redactor` knows the server's secrets; a kernel masks its own."""

    def __init__(self, engine: Engine, store: Store, redactor: Redactor) -> None:
        self._engine, self._store, self._redactor = engine, store, redactor
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tracebacks = PublishedTracebacks()

    async def publish(self, workload_id: str, items: Sequence[Any], after: int | None = None) -> int:
        """Append a batch and return the log's last seq. `after`: the last seq before the batch, or None.

        Raises UnknownWorkload, NotExternal, TooManyItems, SpecError, AheadOfEnd, StreamEnded, NoRoom.
        """
        if self._engine.status_of(workload_id).spec.backend != EXTERNAL:
            raise NotExternal(f"the log of workload {workload_id} is written by its runner")
        if len(items) > MAX_ITEMS:
            raise TooManyItems(f"a batch has at most {MAX_ITEMS} items, not {len(items)}: send several")
        if len(items) > _MAX_INLINE_ITEMS:
            batch = await asyncio.to_thread(prepare, items, self._redactor, now_ms())
        else:
            batch = prepare(items, self._redactor, now_ms())
        # One batch at a time: recording the end takes several steps, and nothing must be appended behind it.
        lock = self._locks.setdefault(workload_id, asyncio.Lock())
        async with lock:
            try:
                return await self._append(workload_id, batch, after)
            except OSError as error:
                raise NoRoom(f"the records could not be stored: {os.strerror(error.errno or 0)}") from error

    async def _append(self, workload_id: str, batch: PublishedBatch, after: int | None) -> int:
        records, guessed, state = batch
        status = self._engine.status_of(workload_id).status
        # Appending nothing opens the log for writing and so repairs it: `after` is compared with its real end.
        end = self._store.read(workload_id, 0, 0).end if status.final else self._store.append(workload_id, ())
        if after is not None and after > end:
            raise AheadOfEnd(f"the log ends at {end}, not at {after}")
        stored = 0 if after is None else self._stored(workload_id, after, len(records))
        new = records[stored:]
        if status.final:
            if after is not None and not new and state in (None, status.state):
                return end  # a repetition of the batch that ended it
            raise StreamEnded(f"the workload {workload_id} has ended")
        last = end
        if new:
            if len(new) > _MAX_INLINE_ITEMS:
                ready, traceback = await asyncio.to_thread(self._ready, workload_id, new, guessed[stored:])
                if self._engine.status_of(workload_id).status.final:
                    raise StreamEnded(f"the workload {workload_id} has ended")
            else:
                ready, traceback = self._ready(workload_id, new, guessed[stored:])
            last = self._store.append(workload_id, ready)
            self._tracebacks.keep(workload_id, None if state else traceback)
        if state is not None:
            await self._engine.end(workload_id, state)
        return last

    def _ready(
        self, workload_id: str, records: Sequence[Record], guessed: Sequence[bool]
    ) -> tuple[Iterable[Record], TracebackState | None]:
        """The records as the store takes them, with the levels of their tracebacks, and the traceback behind them."""
        leveled, traceback = self._tracebacks.spread(workload_id, records, guessed)
        return self._store.prepare(leveled), traceback

    def _stored(self, workload_id: str, after: int, most: int) -> int:
        """Published records behind a seq, at most `most` counted. The store's own reports are not among them."""
        found, batch = 0, self._store.read(workload_id, after, most)
        while len(batch) and found < most:
            found += batch.seqs[0] - after - 1  # removed by retention
            if _SYSTEM in batch.sources:
                found += sum(r.source != "system" or LOST in (r.fields or ()) for r in batch.records())
            else:
                found += len(batch)
            after = batch.last
            batch = self._store.read(workload_id, after, most)
        return found
