"""Ended calls of the request log as log records, by the semantic conventions for generative AI. Server; values only.

docs/proxy.md lists the attribute of each field; the conventions have none for money, sessions and cells.
"""

from __future__ import annotations

from typing import Any

from ..request_log.row import Row
from .records import SEVERITIES, attributes

EVENT = "gen_ai.client.inference.operation.details"
"""The event name of calls of a language model; other calls have `logstream.request`."""

_LEVELS = {"completed": "info", "cancelled": "warn", "interrupted": "warn", "error": "error", "timeout": "error"}
_MS = 1000.0


def call_record(row: Row) -> dict[str, Any]:
    """An ended call as a LogRecord, at the time of its end. `log.record.uid` is the same however often it is sent."""
    ended = f"{round((row.initial_time + (row.duration_ms or 0)) * 1000)}000"
    level = _LEVELS.get(row.status, "info")
    what = " ".join(filter(None, [row.operation, row.model])) or f"{row.method or ''} {row.path or ''}".strip()
    return {
        "timeUnixNano": ended,
        "observedTimeUnixNano": ended,
        "severityNumber": SEVERITIES[level],
        "severityText": level.upper(),
        "eventName": EVENT if row.operation or row.model else "logstream.request",
        "body": {"stringValue": f"{what}: {row.status}".lstrip(": ")},
        "attributes": attributes(_attributes(row)),
    }


def _attributes(row: Row) -> dict[str, Any]:
    return {
        "log.record.uid": f"request:{row.id}",
        "gen_ai.operation.name": row.operation,
        "gen_ai.provider.name": row.provider,
        "gen_ai.request.model": row.model,
        "gen_ai.response.model": row.response_model,
        "gen_ai.request.stream": row.stream or None,
        "gen_ai.usage.input_tokens": row.input_tokens,
        "gen_ai.usage.output_tokens": row.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": row.cached_tokens,
        "gen_ai.usage.cache_creation.input_tokens": row.cache_creation_tokens,
        "gen_ai.usage.reasoning.output_tokens": row.reasoning_tokens,
        "gen_ai.response.finish_reasons": None if row.finish_reason is None else [row.finish_reason],
        "gen_ai.response.time_to_first_chunk": _seconds(row.time_to_first_chunk_ms),
        "gen_ai.client.operation.duration": _seconds(row.duration_ms),
        "http.request.method": row.method,
        "url.path": row.path,
        "http.response.status_code": row.http_status,
        "http.request.body.size": row.request_bytes,
        "http.response.body.size": row.response_bytes,
        "error.type": row.error,
        "logstream.request.id": row.id,
        "logstream.request.status": row.status,
        "logstream.upstream": row.upstream,
        "logstream.cost.usd": row.cost_usd,
        "logstream.session.id": row.session,
        "logstream.workload.id": row.workload_id,
        "logstream.cell.id": row.cell,
    }


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else ms / _MS
