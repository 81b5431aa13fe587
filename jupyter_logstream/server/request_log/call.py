"""A call as it passes: what of it goes into its row, and when. Server side; no HTTP client, no handlers.

The proxy hands over every piece of both bodies; what is looked at is at most a few values (`usage.py`), and nothing is
held but what the user asked to keep. A row is written when the call starts, when its answer begins, at most once a
second while it streams, and when it ends.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...model.ids import ID
from ...wire.llm_usage import AnswerReader, AskedReader, Operation
from .log import RequestLog, RowEnded, UnknownRow
from .prices import Prices, Table
from .redaction import Masks

Header = tuple[str, str]

_UPDATES_APART = 1.0  # seconds
_LONGEST_ERROR = 2000  # bytes of an error's body that are looked at
_LONGEST_NAME = 200
_SPARE = 4096  # bytes held beyond those that are kept, so that a secret that lies across the cut is seen whole


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call, as the caller says: for the table, never for a decision."""

    session: str | None = None
    workload_id: str | None = None
    cell: str | None = None


def caller_of(context: str) -> Caller:
    """From what the kernel side appends to its key: base64url of JSON. What is malformed says nothing."""
    try:
        value = json.loads(base64.urlsafe_b64decode(context + "=" * (-len(context) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return Caller()
    if not isinstance(value, dict):
        return Caller()
    return check_caller(value.get("session"), value.get("workload_id"), value.get("cell"))


def check_caller(session: Any, workload_id: Any, cell: Any) -> Caller:
    """Only what has the form of what it should be."""
    is_id = isinstance(workload_id, str) and re.fullmatch(ID, workload_id)
    return Caller(_name(session), workload_id if is_id else None, _name(cell))


@dataclass(frozen=True, slots=True)
class Asked:
    """The head of a request: `path` is what follows the upstream's name, `headers` are those of the caller."""

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
    """One call through the proxy. `keep`: bytes of each body that are kept; 0: none."""

    def __init__(self, log: RequestLog, prices: Prices, asked: Asked, masks: Masks, keep: int) -> None:
        self._log, self._prices, self._asked, self._masks, self._keep = log, prices, asked, masks, keep
        self._started = time.monotonic()
        self._sent = self._received = 0
        self._next_update = 0.0
        self._ask_reader = AskedReader() if asked.operation else None
        self._answer_reader: AnswerReader | None = None
        self._first_chunk: float | None = None
        self._status: int | None = None
        self._ended = False
        self._encoding = ""
        self._sent_body, self._received_body, self._error_body = bytearray(), bytearray(), bytearray()
        self._detail: dict[str, Any] = {
            "query": masks.query(asked.query),
            "request_headers": masks.headers(asked.headers),
        }
        row, _ = log.create(
            detail=self._detail,
            upstream=asked.upstream,
            method=asked.method,
            path=masks.text(asked.path)[:_LONGEST_ERROR],
            provider=asked.provider,
            operation=asked.operation.name if asked.operation else None,
            session=asked.caller.session,
            workload_id=asked.caller.workload_id,
            cell=asked.caller.cell,
        )
        self.id = row.id

    @property
    def is_llm(self) -> bool:
        """Whether its bodies are read for tokens."""
        return self._asked.operation is not None

    def sent(self, chunk: bytes) -> None:
        """A piece of the request's body goes out."""
        self._sent += len(chunk)
        if self._ask_reader is not None:
            known = self._ask_reader.model is not None
            self._ask_reader.feed(chunk)
            if not known and self._ask_reader.model is not None:
                self._update(model=self._masks.text(self._ask_reader.model), stream=self._ask_reader.stream)
        self._hold(self._sent_body, chunk)

    def answered(self, status: int, headers: Sequence[Header]) -> None:
        """The response's head has come."""
        self._status = status
        names = {name.lower(): value for name, value in headers}
        self._detail["response_headers"] = self._masks.headers(headers)
        kind, encoding = names.get("content-type", ""), names.get("content-encoding", "").strip().lower()
        if self._asked.operation is not None:
            self._answer_reader = AnswerReader(kind, encoding)
        self._encoding = encoding
        is_stream = kind.partition(";")[0].strip().lower() == "text/event-stream"
        asked = self._ask_reader
        self._update(
            status="streaming",
            http_status=status,
            stream=is_stream or bool(asked and asked.stream),
            request_bytes=self._sent,
        )

    def received(self, chunk: bytes) -> None:
        """A piece of the response's body has come."""
        self._received += len(chunk)
        if self._answer_reader is not None:
            self._answer_reader.feed(chunk)
        if len(self._error_body) < _LONGEST_ERROR and self._status is not None and self._status >= 400:
            self._error_body += chunk[: _LONGEST_ERROR - len(self._error_body)]
        self._hold(self._received_body, chunk)
        now = time.monotonic()
        if self._first_chunk is None:
            self._first_chunk = now
            self._next_update = now + _UPDATES_APART
            self._update(time_to_first_chunk_ms=_ms(now - self._started), **self._told_so_far())
        elif now >= self._next_update:
            self._next_update = now + _UPDATES_APART
            self._update(response_bytes=self._received, **self._told_so_far())

    def finish(self) -> None:
        """The response has come to its end."""
        reader = self._answer_reader
        if reader is not None:
            reader.end()
        if self._status is not None and self._status >= 400:
            self._end("error", error=self._said())
        elif reader is not None and reader.is_stream and reader.error is not None:
            self._end("error", error=reader.error)
        elif reader is not None and not reader.complete:
            self._end("error", error="incomplete: the stream ended without saying that it was at its end")
        else:
            self._end("completed")

    def fail(self, status: str, error: str | None = None, http_status: int | None = None) -> None:
        """It ended otherwise: `status` is cancelled, timeout, error or interrupted. Only the first end counts.

        A caller that leaves when a stream has said that it is at its end has missed nothing.
        """
        if self._answer_reader is not None:
            if status == "cancelled" and self._answer_reader.ended:
                self.finish()
            self._answer_reader.end()
        self._end(status, error=error, http_status=http_status)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _end(self, status: str, *, error: str | None = None, http_status: int | None = None) -> None:
        if self._ended:
            return
        self._ended = True
        if self._keep:
            self._detail["request_body"] = self._kept(self._sent_body, self._sent)
            self._detail["response_body"] = self._kept(self._received_body, self._received)
        changes: dict[str, Any] = {
            "status": status,
            "duration_ms": _ms(time.monotonic() - self._started),
            "error": None if error is None else self._masks.text(error)[:_LONGEST_ERROR],
            "request_bytes": self._sent,
            "response_bytes": self._received,
            **self._told_so_far(),
        }
        if http_status is not None:
            changes["http_status"] = http_status
        self._update(detail=self._detail, **changes)

    def _told_so_far(self) -> dict[str, Any]:
        reader = self._answer_reader
        if reader is None:
            return {}
        tokens, asked = reader.tokens, self._ask_reader.model if self._ask_reader else None
        return {
            "response_model": None if reader.model is None else self._masks.text(reader.model),
            "input_tokens": tokens.input,
            "output_tokens": tokens.output,
            "cached_tokens": tokens.cached,
            "cost_usd": self._prices.cost(self._asked.prices, tokens, reader.model, asked),
        }

    def _update(self, *, detail: dict[str, Any] | None = None, **changes: Any) -> None:
        try:
            self._log.update(self.id, detail=detail, **changes)
        except (UnknownRow, RowEnded):
            return  # the log was cleared meanwhile, or the server stops

    def _said(self) -> str:
        """What an error's answer says, as far as it is text."""
        if self._answer_reader is not None and self._answer_reader.error:
            return self._answer_reader.error
        text = _plain(bytes(self._error_body), self._encoding)
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if isinstance(value, dict):
            inner = value.get("error", value.get("message", value.get("detail")))
            inner = inner.get("message") if isinstance(inner, dict) else inner
            text = inner if isinstance(inner, str) else text
        return text.strip() or f"HTTP {self._status}"

    def _hold(self, body: bytearray, chunk: bytes) -> None:
        if self._keep and len(body) < self._keep + _SPARE:
            body += chunk[: self._keep + _SPARE - len(body)]

    def _kept(self, body: bytearray, total: int) -> dict[str, Any]:
        encoding = self._encoding if body is self._received_body else ""
        text = self._masks.body(_plain(bytes(body), encoding))
        return {"text": text[: self._keep], "bytes": total, "whole": total == len(body) and len(text) <= self._keep}


def _plain(body: bytes, encoding: str) -> str:
    if encoding in {"gzip", "x-gzip", "deflate"}:
        try:
            body = zlib.decompressobj(wbits=47).decompress(body, 16 * len(body) + 4096)
        except zlib.error:
            return ""
    elif encoding not in {"", "identity"}:
        return ""
    return body.decode("utf-8", "replace")


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _name(value: Any) -> str | None:
    return value[:_LONGEST_NAME] if isinstance(value, str) and value.isprintable() and value else None
