"""Publishing into external workloads: validation, masking and idempotent append of batches. Server; no HTTP.

A batch is appended whole or not at all. A client that sends `after`, the last seq before the batch, can repeat it
safely: records that are already in the log are skipped.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from ..model.protocol import EXTERNAL, State, now_ms
from ..model.records import LEVELS, SOURCES, Record, level_code
from ..model.spec import SpecError
from ..model.steps import MAX_STEP_NAME_CHARS
from ..model.unprintable import printable
from ..store.errors import StreamEnded
from ..store.protocol import LOST, Store
from ..text.levels import guess_level
from ..text.lines import MAX_TEXT_BYTES
from ..text.redactor import Redactor
from ..text.strict_json import depth
from ..text.tracebacks import State as TracebackState
from .engine import Engine, NoRoom
from .published_tracebacks import PublishedTracebacks

_END_STATES: frozenset[str] = frozenset({"succeeded", "failed", "cancelled", "timed_out"})
_FIELDS = frozenset({"message", "level", "ts", "step", "fields"})
MAX_ITEMS = 100_000
"""Items of a batch: they are appended at once, whole or not at all."""

MAX_FIELDS_DEPTH = 100
"""Objects and arrays inside each other in a record's `fields`."""

_MAX_INLINE_ITEMS = 500  # larger batches are checked, masked and encoded in a thread
_SYSTEM = SOURCES.index("system")
_MAX_TS_MS = 253402300800000  # the year 10000

Published = tuple[list[Record], State | None]
"""Records (numbered when they are stored), and the final state of the workload, or None if it goes on."""


class _Batch(NamedTuple):
    """Records to append, for each whether its level follows from its text, and the final state, if it is the last."""

    records: list[Record]
    guessed: list[bool]
    state: State | None


class NotExternal(ValueError):
    """The workload's log is written by its runner."""


class TooManyItems(ValueError):
    """The batch has more than MAX_ITEMS items."""


class AheadOfEnd(ValueError):
    """The batch's `after` is larger than the log's last seq."""


def check_items(items: Sequence[Any], now: float) -> Published:
    """Validate the items of a batch. `now`: Unix milliseconds, for items without `ts`.

    Raises SpecError, which names item and field.
    """
    records: list[Record] = []
    for i, item in enumerate(items):
        if not isinstance(item, dict):
            raise SpecError(f"[{i}]", "must be an object")
        if "state" in item:
            return records, _check_end(i, item, last=i == len(items) - 1)
        records.append(_check_item(i, item, now))
    return records, None


def _check_end(i: int, item: Mapping[str, Any], *, last: bool) -> State:
    state: State = item["state"]
    if not isinstance(state, str) or state not in _END_STATES:
        raise SpecError(f"[{i}].state", f"must be one of {', '.join(sorted(_END_STATES))}")
    if len(item) > 1 or not last:
        raise SpecError(f"[{i}].state", "must stand alone, in the last item")
    return state


def _check_item(i: int, item: Mapping[str, Any], now: float) -> Record:
    for name in item:
        if name not in _FIELDS:
            raise SpecError(f"[{i}]", f"{name[:60]!r} is not a field of a record")
    given = {name: value for name, value in item.items() if value is not None}
    message = given.get("message")
    if not isinstance(message, str):
        raise SpecError(f"[{i}].message", "must be a string" if "message" in given else "is missing")
    step, fields = given.get("step"), given.get("fields")
    if step is not None and (not isinstance(step, str) or not 0 < len(step) <= MAX_STEP_NAME_CHARS):
        raise SpecError(f"[{i}].step", f"must have 1 to {MAX_STEP_NAME_CHARS} characters")
    if step is not None and (printable(step) != step or not {"\t", "\n"}.isdisjoint(step)):
        raise SpecError(f"[{i}].step", "must not hold control or bidirectional characters")
    if fields is not None and not isinstance(fields, dict):
        raise SpecError(f"[{i}].fields", "must be an object")
    if fields and depth(fields, MAX_FIELDS_DEPTH) > MAX_FIELDS_DEPTH:
        raise SpecError(f"[{i}].fields", f"is nested more than {MAX_FIELDS_DEPTH} levels deep")
    level = _check_level(i, given["level"]) if "level" in given else LEVELS[guess_level(message.encode())]
    return Record(0, _check_ts(i, given.get("ts", now)), level, message, step=step, source="log", fields=fields or None)


def _check_level(i: int, level: Any) -> str:
    code = level_code(level) if isinstance(level, str) else 0
    if not code and level != LEVELS[0]:
        raise SpecError(f"[{i}].level", f"must be one of {', '.join(LEVELS)}, or another usual name")
    return LEVELS[code]


def _check_ts(i: int, ts: Any) -> float:
    if isinstance(ts, bool) or not isinstance(ts, int | float) or not (math.isfinite(ts) and 0 <= ts < _MAX_TS_MS):
        raise SpecError(f"[{i}].ts", "must be a time in Unix milliseconds")
    return float(ts)


def _parts(record: Record) -> list[Record]:
    """Split a record whose message is too long; the last part has the fields."""
    if len(record.message) <= MAX_TEXT_BYTES // 4 or len(record.message.encode()) <= MAX_TEXT_BYTES:
        return [record]
    found: list[Record] = []
    data = record.message.encode()
    while data:
        cut = min(len(data), MAX_TEXT_BYTES)
        while cut < len(data) and data[cut] & 0xC0 == 0x80:  # never inside a character
            cut -= 1
        last = cut == len(data)
        fields = record.fields if last else None
        text = data[:cut].decode()
        found.append(Record(0, record.ts, record.level, text, record.step, record.source, part=not last, fields=fields))
        data = data[cut:]
    return found


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
            batch = await asyncio.to_thread(self._prepared, items)
        else:
            batch = self._prepared(items)
        # One batch at a time: recording the end takes several steps, and nothing must be appended behind it.
        lock = self._locks.setdefault(workload_id, asyncio.Lock())
        async with lock:
            try:
                return await self._append(workload_id, batch, after)
            except OSError as error:
                raise NoRoom(f"the records could not be stored: {os.strerror(error.errno or 0)}") from error

    def _prepared(self, items: Sequence[Any]) -> _Batch:
        records, state = check_items(items, now_ms())
        if not self._redactor.is_clean(chain.from_iterable(map(_texts, records))):
            records = [self._masked(record) for record in records]
        parts: list[Record] = []
        guessed: list[bool] = []
        for item, record in zip(items, records, strict=False):  # the last item can be the end
            parts += (split := _parts(record))
            guessed += [item.get("level") is None] * len(split)
        return _Batch(parts, guessed, state)

    async def _append(self, workload_id: str, batch: _Batch, after: int | None) -> int:
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

    def _masked(self, record: Record) -> Record:
        message = self._redactor.mask(record.message)
        fields = None if record.fields is None else mask_fields(self._redactor, record.fields)
        step = record.step and self._redactor.mask(record.step)
        if message == record.message and fields == record.fields and step == record.step:
            return record
        return Record(0, record.ts, record.level, message, step, record.source, record.part, fields)


def _texts(record: Record) -> Iterator[str]:
    """All texts of a record that can hold a secret."""
    yield record.message
    if record.step:
        yield record.step
    if record.fields:
        yield from _strings(record.fields)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield name
            yield from _strings(item)


def mask_fields(redactor: Redactor, value: Any) -> Any:
    """A copy of a JSON value with the secrets in its strings masked."""
    if isinstance(value, str):
        return redactor.mask(value)
    if isinstance(value, list):
        return [mask_fields(redactor, item) for item in value]
    if isinstance(value, Mapping):
        return {redactor.mask(name): mask_fields(redactor, item) for name, item in value.items()}
    return value
