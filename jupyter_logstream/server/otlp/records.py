"""Log records in OpenTelemetry's log data model, in the JSON form of its protocol (OTLP/JSON). Server; values only.

Names of attributes are those of the semantic conventions where these have one, and else begin with `logstream.`.
Sources: opentelemetry-proto 1.x (logs.proto), the JSON encoding of OTLP, the semantic conventions for logs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ..._version import __version__
from ...model.records import Record
from ...model.workload import Workload
from ...text.strict_json import dumps
from ...text.terminal import searched_text

SEVERITIES = {"trace": 1, "debug": 5, "info": 9, "warn": 13, "error": 17, "fatal": 21}
"""Level -> severity number: the lowest of its range. `unknown` has none (0, unspecified)."""

MAX_COMMAND_CHARS = 256
"""Length of `process.command_line`, which is repeated with each line of an export."""

MAX_VALUE_DEPTH = 16
"""Nesting of a value; what is deeper becomes its JSON text. A protobuf parser refuses more than about 30 levels."""

_INT64 = 1 << 63
_ONLY_OUTPUT = frozenset({"stdout", "stderr"})
_encoder = msgspec.json.Encoder()
_SCOPE = _encoder.encode({"name": "jupyter-logstream", "version": __version__})  # of everything that we emit


def encode(value: Any) -> bytes:
    """A value as JSON in one line; a lone surrogate, which UTF-8 cannot have, becomes `?`."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return dumps(value).encode("utf-8", "replace")


def attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A mapping as a list of key and value; a value of None is left out."""
    return [{"key": key, "value": any_value(value)} for key, value in values.items() if value is not None]


def any_value(value: Any, depth: int = 0) -> dict[str, Any]:
    """A JSON value as an AnyValue. An integer of more than 64 bits becomes text, and null, too.

    The schema has an empty value for null, but not every collector accepts it.
    """
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)} if -_INT64 <= value < _INT64 else {"stringValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if value is None or depth >= MAX_VALUE_DEPTH:
        return {"stringValue": dumps(value)}
    if isinstance(value, Mapping):
        found = {key: item for key, item in value.items() if item is not None}
        items = [{"key": key, "value": any_value(item, depth + 1)} for key, item in found.items()]
        return {"kvlistValue": {"values": items}}
    return {"arrayValue": {"values": [any_value(item, depth + 1) for item in value]}}


def workload_resource(workload: Workload, host: str, extra: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What a workload's records come from. `host`: this machine's name; `extra`: attributes that replace ours.

    A workload on another machine has the name that its backend reports, or none.
    """
    spec = workload.spec
    return {
        "service.name": "jupyter-logstream",
        "host.name": workload.status.node or (host if spec.backend == "local" else None),
        "process.command_line": spec.command_line[:MAX_COMMAND_CHARS] or None,
        "logstream.workload.id": workload.id,
        "logstream.workload.name": spec.name or None,
        "logstream.backend": spec.backend,
        **{f"logstream.tag.{name}": value for name, value in spec.tags.items()},
        **(extra or {}),
    }


def log_record(record: Record, workload_id: str) -> dict[str, Any]:
    """A record as a LogRecord. Its body is the text that a terminal shows, without colours.

    `log.record.uid` is the same however often the record is sent, so that doubles can be removed.
    """
    time = f"{round(record.ts * 1000)}000"
    found: dict[str, Any] = {"timeUnixNano": time, "observedTimeUnixNano": time}
    if record.level in SEVERITIES:
        found["severityNumber"] = SEVERITIES[record.level]
        found["severityText"] = record.level.upper()
    found["body"] = {"stringValue": searched_text(record.message)}
    found["attributes"] = [
        {"key": "log.record.uid", "value": {"stringValue": f"{workload_id}:{record.seq}"}},
        {"key": "logstream.seq", "value": {"intValue": str(record.seq)}},
        *_details(record),
    ]
    return found


def gap_record(first: int, last: int, reason: str, time_ms: float, workload_id: str) -> dict[str, Any]:
    """A LogRecord in place of the records `first` to `last`, which cannot be sent."""
    time = f"{round(time_ms * 1000)}000"
    return {
        "timeUnixNano": time,
        "observedTimeUnixNano": time,
        "severityNumber": SEVERITIES["warn"],
        "severityText": "WARN",
        "eventName": "logstream.gap",
        "body": {"stringValue": gap_text(first, last, reason)},
        "attributes": attributes(
            {
                "log.record.uid": f"{workload_id}:{first}-{last}",
                "logstream.source": "system",
                "logstream.gap.from": first,
                "logstream.gap.to": last,
                "logstream.gap.reason": reason,
            }
        ),
    }


def gap_text(first: int, last: int, reason: str) -> str:
    """A gap in words."""
    lines = f"line {first:,} is" if first == last else f"lines {first:,} to {last:,} are"
    return f"{lines} missing ({reason})"


def logs_data(groups: Iterable[tuple[Mapping[str, Any], Sequence[bytes]]]) -> bytes:
    """LogsData as JSON, which is also the body of an export request: for each resource its encoded records.

    Records are encoded one by one: as values, those of a batch would make Python's garbage collector run all the time.
    """
    return b'{"resourceLogs":[%b]}' % b",".join(
        b'{"resource":{"attributes":%b},"scopeLogs":[{"scope":%b,"logRecords":[%b]}]}'
        % (encode(attributes(resource)), _SCOPE, b",".join(records))
        for resource, records in groups
    )


def _details(record: Record) -> list[dict[str, Any]]:
    """The attributes that only some records have, those of its `fields` under their own names."""
    found: dict[str, Any] = {}
    if record.source in _ONLY_OUTPUT:
        found["log.iostream"] = record.source
    else:
        found["logstream.source"] = record.source
    if record.step is not None:
        found["logstream.step"] = record.step
    if record.part:
        found["logstream.part"] = True
    for name, value in (record.fields or {}).items():
        if name == "file" and isinstance(value, str) and record.source == "log":
            found |= _code_location(value)
        elif name not in found and name not in {"log.record.uid", "logstream.seq"}:
            found[name] = value
    return attributes(found)


def _code_location(text: str) -> dict[str, Any]:
    """`train.py:17`, as our logging handler publishes it."""
    path, _, line = text.rpartition(":")
    if not path or not line.isascii() or not line.isdecimal() or len(line) > 9:
        return {"file": text}
    return {"code.file.path": path, "code.line.number": int(line)}
