"""Messages of the relay as values: what pages can request, parts of large bodies, sizes. Runs in kernels; no I/O.

docs/protocol.md, "Over a comm", is the contract.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

MAX_PART_BYTES = 120_000
"""Bytes of a response in one message; as base64 and with its envelope it stays below 200 kB."""

MAX_FRAMES_BYTES = 19_000
"""Bytes of one `logs` frame; larger ones are split."""

MAX_RESPONSE_BYTES = 50_000_000
"""A response beyond this many bytes ends with an error."""

TAIL_RECORDS = 200
"""Newest records that a view starts with, and those sent after records were skipped."""

_ID = r"[A-Za-z0-9_-]{1,64}"
_ALLOWED = re.compile(
    rf"GET (?:proxy/{_ID}/)?v1/(?:info|workloads(?:/{_ID}(?:/[a-z.]+)?)?|requests(?:/{_ID})?)"
    rf"|POST (?:proxy/{_ID}/)?v1/(?:events|workloads|workloads/{_ID}/cancel)"
    rf"|DELETE (?:proxy/{_ID}/)?v1/workloads/{_ID}"
)

Message = dict[str, Any]


def is_allowed(method: str, path: str) -> bool:
    """Whether views send this request; the query is free. Anything else below `logstream/` is refused."""
    return _ALLOWED.fullmatch(f"{method} {path.partition('?')[0]}") is not None


def main_streams(view: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The streams that a view with these traits follows first; none for the log of an upstream."""
    kind = view.get("view")
    if kind != "log":
        return [{"stream": str(kind), "tail": view.get("limit") or TAIL_RECORDS}]
    if view.get("scope") == "service":
        return [{"stream": "service", "tail": TAIL_RECORDS}]
    return [] if view.get("upstream") else [{"stream": f"workload/{view['workload']}", "tail": TAIL_RECORDS}]


def size_of(value: object) -> int:
    """Bytes of a value as JSON."""
    return len(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def split_records(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Split a `logs` frame into frames of at most MAX_FRAMES_BYTES; a record larger than that is left out.

    The page fetches the record left out by its number, when it is shown.
    """
    part: list[Any] = []
    size = 0
    for record in data["logs"]:
        length = size_of(record)
        if part and size + length > MAX_FRAMES_BYTES:
            yield {**data, "logs": part, "cursor": part[-1]["seq"]}
            part, size = [], 0
        if length <= MAX_FRAMES_BYTES:
            part.append(record)
            size += length
    yield {**data, "logs": part}


def chunk(request: str, data: bytes) -> Message:
    """A part of a response's body."""
    return {"type": "chunk", "id": request, "base64": base64.b64encode(data).decode()}


def error_body(message: str, reason: str) -> str:
    """The body of an error that the relay itself reports, in the server's form."""
    return json.dumps({"message": message, "reason": reason})
