"""Published records: validation, masking and division of the items of a batch. Runner and server; stdlib, no I/O.

The same items reach an external workload over HTTP, and a workload's own log over its runner's socket.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from ..model.protocol import State
from ..model.records import LEVELS, Record, level_code
from ..model.spec import SpecError
from ..model.steps import MAX_STEP_NAME_CHARS
from ..model.unprintable import printable
from .levels import guess_level
from .lines import MAX_TEXT_BYTES
from .redactor import Redactor
from .strict_json import depth

_END_STATES: frozenset[str] = frozenset({"succeeded", "failed", "cancelled", "timed_out"})
_FIELDS = frozenset({"message", "level", "ts", "step", "fields"})
MAX_FIELDS_DEPTH = 100
"""Objects and arrays inside each other in a record's `fields`."""

_MAX_TS_MS = 253402300800000  # the year 10000


class PublishedBatch(NamedTuple):
    """Records to append, for each whether its level follows from its text, and the final state, if it is the last.

    The records are numbered when they are stored.
    """

    records: list[Record]
    guessed: list[bool]
    state: State | None


def prepare(items: Sequence[Any], redactor: Redactor, now: float) -> PublishedBatch:
    """Validate, mask and divide the items of a batch. `now`: Unix milliseconds. Raises SpecError."""
    records, state = check_items(items, now)
    if not redactor.is_clean(chain.from_iterable(map(_texts, records))):
        records = [_masked(redactor, record) for record in records]
    parts: list[Record] = []
    guessed: list[bool] = []
    for item, record in zip(items, records):  # the last item can be the end
        parts += (split := _parts(record))
        guessed += [item.get("level") is None] * len(split)
    return PublishedBatch(parts, guessed, state)


def check_items(items: Sequence[Any], now: float) -> tuple[list[Record], State | None]:
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
    if isinstance(ts, bool) or not isinstance(ts, (int, float)) or not (math.isfinite(ts) and 0 <= ts < _MAX_TS_MS):
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


def _masked(redactor: Redactor, record: Record) -> Record:
    message = redactor.mask(record.message)
    fields = None if record.fields is None else mask_fields(redactor, record.fields)
    step = record.step and redactor.mask(record.step)
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
