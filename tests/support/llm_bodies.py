"""Bodies of LLM responses, and what the meter of a call reads from them. Test support."""

from __future__ import annotations

import json
from typing import Any

from jupyter_logstream.wire.call_meter import CallMeter
from jupyter_logstream.wire.llm_operations import operation_of

EVENTS = "text/event-stream"
LINES = "application/x-ndjson"
CHAT = operation_of("POST", "/v1/chat/completions")
CONTENT = {"model": "m-1", "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}]}


def sse(*events: Any) -> bytes:
    return b"".join(b"data: " + (e if isinstance(e, bytes) else json.dumps(e).encode()) + b"\n\n" for e in events)


def ndjson(*values: Any) -> bytes:
    return b"\n".join(json.dumps(value).encode() for value in values)


def final(body: bytes, kind: str = EVENTS, size: int = 1 << 20, *, cancel: bool = False) -> dict[str, Any]:
    """The last values of the fields of a call with this response."""
    meter = CallMeter(CHAT)
    fields = meter.answered(200, kind)
    for at in range(0, len(body), size):
        fields |= meter.received(body[at : at + size])
    return fields | (meter.fail("cancelled") if cancel else meter.finish())
