"""Records of every kind, and exports of them to read back. Test support."""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue  # noqa: TC002 - as our own values
from support.hostile_text import HOSTILE

from jupyter_logstream.model.records import LEVELS, Record
from jupyter_logstream.model.workload import Status, Workload, WorkloadSpec
from jupyter_logstream.server.export.export import KINDS, Selection, export
from jupyter_logstream.server.export.format import Exported
from jupyter_logstream.store.memory import MemoryStore
from jupyter_logstream.store.queries.filters import Filter

START_MS = 1763600000000.25
FIELDS = {
    "logger": "train",
    "file": "/src/train.py:17",
    "big": 1 << 70,
    "small": -3,
    "ratio": 0.1,
    "on": True,
    "nothing": None,
    "deep": {"a": [1, {"b": "\udcff"}], "c": []},
    "log.record.uid": "of the user",
}


def records() -> list[Record]:
    """Every level, source and kind of text; parts, steps, fields."""
    made = [Record(0, START_MS + i, level, f"a line of {level}") for i, level in enumerate(LEVELS)]
    made += [Record(0, START_MS + 50, "info", text) for text in HOSTILE.values()]
    made += [
        Record(0, START_MS, "info", "\x1b[1;31mred\x1b[0m and \x1b[44mon blue\x1b[0m äöü 日本 \U0001f600"),
        Record(0, START_MS, "info", "x" * 65536, part=True),
        Record(0, START_MS, "info", "the rest"),
        Record(0, START_MS, "warn", "written meanwhile", source="stderr"),
        Record(0, START_MS, "error", "Traceback\n  File 1\nError", step="fit", source="log", fields=FIELDS),
        Record(0, START_MS, "info", "", step="fit <b>2</b>"),
        Record(0, START_MS, "unknown", "lost: a line of stdout", source="system", fields={"lost": True}),
    ]
    return made


def workload(lines: int, **status: Any) -> Workload:
    spec = WorkloadSpec("python '<script>alert(1)</script>' train.py", "<img src=x onerror=alert(1)>", "/tmp/<i>")
    spec = WorkloadSpec(spec.command, spec.name, spec.cwd, tags={"a": "<b>"})
    known = {"state": "failed", "started": START_MS, "ended": START_MS + 5000, "exit_code": 3, **status}
    return Workload("W1", spec, START_MS, Status(**known), lines=lines, levels={"error": 2}, masked=1)


def store_of(found: list[Record]) -> MemoryStore:
    store = MemoryStore()
    store.append("W1", found)
    return store


def exported(store: Any, kind: str, *, chosen: Filter | None = None, after: int = 0, tail: int | None = None) -> bytes:
    """The whole file."""
    about = Exported(workload(store.read("W1", 0, 0).end), {}, START_MS + 9000, "this-host")
    return b"".join(export(store, about, Selection(chosen or Filter(), after, tail), KINDS[kind]))


def parsed(body: bytes | str) -> ExportLogsServiceRequest:
    """A body by the official schema, which rejects unknown fields, wrong types and values."""
    return Parse(body, ExportLogsServiceRequest())


def value_of(value: AnyValue) -> Any:
    """A value of the schema as a value of Python."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [value_of(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: value_of(item.value) for item in value.kvlist_value.values}
    return None if kind is None else getattr(value, kind)


def attributes_of(owner: Any) -> dict[str, Any]:
    """The attributes of a log record or resource; a key that is there twice fails."""
    found = {item.key: value_of(item.value) for item in owner.attributes}
    assert len(found) == len(owner.attributes)
    return found
