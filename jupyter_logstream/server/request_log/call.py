"""A call through the proxy and its row in the request log. Server; no HTTP client, no handlers.

The proxy reports every chunk of both bodies. The row is written when the call starts, when its response begins, at most
once a second while it streams, and when it ends. Bodies are held only if the user enabled it.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...model.ids import ID
from ...wire.call_meter import CallMeter, Fields
from ...wire.decoding import decode_body
from ...wire.llm_operations import Operation
from .log import RequestLog, RowEnded, UnknownRow
from .prices import Prices, Table
from .redaction import CallRedactor
from .row import MAX_TEXT_CHARS

Header = tuple[str, str]

MAX_NAME_CHARS = 200
_MARGIN_BYTES = 4096  # held beyond the retained bytes, so that a secret across the cut is recognized
_REDACTED = ("model", "response_model", "finish_reason", "error")


@dataclass(frozen=True, slots=True)
class Caller:
    """The origin of a call, as the caller reports it: for display, never for a decision."""

    session: str | None = None
    workload_id: str | None = None
    cell: str | None = None


def caller_of(context: str) -> Caller:
    """The caller from what a kernel appends to its key: base64url of JSON. Malformed text gives an unknown caller."""
    try:
        value = json.loads(base64.urlsafe_b64decode(context + "=" * (-len(context) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return Caller()
    if not isinstance(value, dict):
        return Caller()
    return check_caller(value.get("session"), value.get("workload_id"), value.get("cell"))


def check_caller(session: Any, workload_id: Any, cell: Any) -> Caller:
    """A caller with the valid ones of these values."""
    is_id = isinstance(workload_id, str) and re.fullmatch(ID, workload_id)
    return Caller(_name(session), workload_id if is_id else None, _name(cell))


@dataclass(frozen=True, slots=True)
class CallRequest:
    """The head of a request: `path` is the part after the upstream's name, `headers` are those that are shown."""

    upstream: str
    method: str
    path: str
    query: str
    headers: Sequence[Header]
    caller: Caller
    operation: Operation | None
    provider: str | None
    prices: Table


class Call:
    """One call through the proxy. `retained_bytes`: how much of each body is retained; 0: nothing."""

    def __init__(
        self, log: RequestLog, prices: Prices, request: CallRequest, redactor: CallRedactor, retained_bytes: int
    ) -> None:
        self._log, self._prices, self._request, self._redactor = log, prices, request, redactor
        self._meter = CallMeter(request.operation)
        self._sent_body = _RetainedBody(retained_bytes, _header(request.headers, "content-type"))
        self._received_body = _RetainedBody(retained_bytes)
        self._detail: dict[str, Any] = {
            "query": redactor.query(request.query),
            "request_headers": redactor.headers(request.headers),
        }
        model = request.operation.model if request.operation else None
        row, _ = log.create(
            detail=self._detail,
            upstream=request.upstream,
            method=request.method,
            path=redactor.short_text(request.path)[:MAX_TEXT_CHARS],
            provider=request.provider,
            operation=request.operation.name if request.operation else None,
            model=redactor.text(model) if model else None,
            session=request.caller.session,
            workload_id=request.caller.workload_id,
            cell=request.caller.cell,
        )
        self.id = row.id

    @property
    def is_llm(self) -> bool:
        """Whether its bodies are read for tokens."""
        return self._request.operation is not None

    def sent(self, chunk: bytes) -> None:
        """A chunk of the request's body was sent."""
        self._sent_body.add(chunk)
        self._update(self._meter.sent(chunk))

    def answered(self, status: int, headers: Sequence[Header]) -> None:
        """The head of the response arrived."""
        self._detail["response_headers"] = self._redactor.headers(headers)
        content_type, encoding = _header(headers, "content-type"), _header(headers, "content-encoding")
        self._received_body.content_type, self._received_body.encoding = content_type, encoding.strip().lower()
        self._update(self._meter.answered(status, content_type, encoding))

    def received(self, chunk: bytes) -> None:
        """A chunk of the response's body arrived."""
        self._received_body.add(chunk)
        self._update(self._meter.received(chunk))

    @property
    def is_behind(self) -> bool:
        """Whether a part of the received bytes is not read yet. The caller lets other work run, then `read_on`."""
        return self._meter.is_behind

    def read_on(self) -> None:
        """Read the next part of the received bytes."""
        self._update(self._meter.read_on())

    async def prepare_end(self) -> None:
        """Wait for list prices if the cost needs them and they are not loaded yet: of the first calls of a server."""
        if self._meter.tokens.input is not None:
            await self._prices.ready(self._request.prices, *self._meter.models)

    def finish(self) -> None:
        """The response was received completely."""
        self._end(self._meter.finish())

    def fail(self, status: str, error: str | None = None, http_status: int | None = None) -> None:
        """The call ended early: `status` is cancelled, timeout, error or interrupted. Only the first end counts."""
        self._end(self._meter.fail(status, error, http_status))

    # --- inside -------------------------------------------------------------------------------------------------------

    def _end(self, fields: Fields) -> None:
        if not fields:
            return
        for name, body in ("request_body", self._sent_body), ("response_body", self._received_body):
            if body.limit:
                self._detail[name] = body.to_json(self._redactor)
        self._update(fields, self._detail)

    def _update(self, fields: Fields, detail: dict[str, Any] | None = None) -> None:
        if not fields:
            return
        for name in _REDACTED:
            if isinstance(text := fields.get(name), str):
                fields[name] = self._redactor.text(text)[:MAX_TEXT_CHARS]
        if "input_tokens" in fields:
            fields["cost_usd"] = (
                None
                if not self._meter.has_final_tokens
                else self._prices.cost(
                    self._request.prices, self._meter.tokens, *self._meter.models, provider=self._request.provider
                )
            )
        try:
            self._log.update(self.id, detail=detail, **fields)
        except (UnknownRow, RowEnded):
            return  # the log was cleared meanwhile, or the server stops


class _RetainedBody:
    """The beginning of a body. Bounded: `limit` bytes and a margin are held; the rest is only counted."""

    def __init__(self, limit: int, content_type: str = "") -> None:
        self.limit, self.content_type, self.encoding = limit, content_type, ""
        self._held, self._total_bytes = bytearray(), 0

    def add(self, chunk: bytes) -> None:
        self._total_bytes += len(chunk)
        if self.limit and len(self._held) < self.limit + _MARGIN_BYTES:
            self._held += chunk[: self.limit + _MARGIN_BYTES - len(self._held)]

    def to_json(self, redactor: CallRedactor) -> dict[str, Any]:
        """The object of the protocol."""
        text = redactor.body(decode_body(bytes(self._held), self.encoding), self.content_type)
        whole = self._total_bytes == len(self._held) and len(text) <= self.limit
        return {"text": text[: self.limit], "bytes": self._total_bytes, "whole": whole}


def _header(headers: Sequence[Header], name: str) -> str:
    """The value of a header (lower case); the last one counts."""
    return next((value for given, value in reversed(headers) if given.lower() == name), "")


def _name(value: Any) -> str | None:
    return value[:MAX_NAME_CHARS] if isinstance(value, str) and value.isprintable() and value else None
