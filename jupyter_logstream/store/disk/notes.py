"""Published records as `notes` and the index store them, encoded in columns. Runner and server; stdlib, no I/O."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from ...model.records import SOURCES, Record, level_code
from ...text.lines import PART
from .layout import NOTE, pack_meta

_ENCODE = json.JSONEncoder(separators=(",", ":")).encode


class Notes:
    """Records, their JSON lines, and the columns of their entries that do not depend on the log before them.

    Encoding is most of the work of an append and needs no log, so a thread can do it. `lines`: the JSON lines if they
    are known. `marks_steps`: whether a record that names no step ends the open one, and one that names another begins
    that; else only the output of the log does. `data`: all lines; `lengths`, `times` (µs) and `metas` (without steps):
    one for each record; `runs`: the step of adjacent records, whether they are system records, and their number.
    """

    __slots__ = ("_records", "data", "lengths", "marks_steps", "metas", "runs", "times")

    def __init__(
        self, records: Iterable[Record], lines: Sequence[bytes] | None = None, *, marks_steps: bool = True
    ) -> None:
        self.marks_steps = marks_steps
        self._records = list(records)
        encoded = list(map(_encoded, self._records)) if lines is None else lines
        self.data = b"".join(encoded)
        self.lengths = list(map(len, encoded))
        self.times = array("Q", [round(record.ts * 1000) for record in self._records])
        self.metas = array("Q", map(_meta, self._records))
        keys = groupby((record.step, record.source == "system") for record in self._records)
        self.runs = [(step, is_system, sum(1 for _ in group)) for (step, is_system), group in keys]

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)


def parse_note(line: bytes) -> Record:
    """The record in a line of `notes`. Raises ValueError if it is damaged."""
    try:
        return Record(seq=0, **json.loads(line))
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def _encoded(record: Record) -> bytes:
    value: dict[str, Any] = record.to_json()
    del value["seq"]
    return _ENCODE(value).encode() + b"\n"


def _meta(record: Record) -> int:
    flags = NOTE | (PART if record.part else 0)
    return pack_meta(source=SOURCES.index(record.source), level=level_code(record.level), flags=flags)
