"""Meter of one HTTP call: status, times, sizes, model, tokens and error from the bytes. Any process; no I/O.

The proxy of the server and the call recorder of kernels report every chunk of both bodies here and record the returned
fields in the request log. At most 2,000 bytes of a body are held (the beginning of an error response).
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable
from typing import Any

from .llm_usage import Operation, RequestReader, ResponseReader, Tokens

Fields = dict[str, Any]
"""Fields of a row of the request log that changed; empty: nothing to record."""

UPDATE_INTERVAL_S = 1.0
MAX_ERROR_BYTES = 2000
_INCOMPLETE = "incomplete: the stream ended without its end marker"


class CallMeter:
    """One call. Each method reports an event and returns the fields of the call's row that changed.

    `operation`: the kind of LLM call, whose bodies are read for model and tokens; None: any other call. `clock`:
    monotonic seconds. Fields are returned when the response begins, with its first chunk, at most once per
    UPDATE_INTERVAL_S while it streams, and once at the end; only the first end counts.
    """

    def __init__(self, operation: Operation | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._sent_bytes = self._received_bytes = 0
        self._request = RequestReader() if operation else None
        self._reads_usage = operation is not None
        self._response: ResponseReader | None = None
        self._status: int | None = None
        self._encoding = ""
        self._error_body = bytearray()
        self._next_update: float | None = None  # None: no chunk so far
        self._ended = False

    @property
    def tokens(self) -> Tokens:
        """The tokens that the response has reported so far."""
        return self._response.tokens if self._response is not None else Tokens()

    @property
    def models(self) -> tuple[str | None, str | None]:
        """The model that responded and the one that was requested; None: unknown."""
        response = self._response.model if self._response is not None else None
        return response, self._request.model if self._request is not None else None

    def sent(self, chunk: bytes) -> Fields:
        """A chunk of the request's body was sent."""
        self._sent_bytes += len(chunk)
        if self._request is None:
            return {}
        was_known = self._request.model is not None
        self._request.feed(chunk)
        if was_known or self._request.model is None:
            return {}
        return {"model": self._request.model, "stream": self._request.stream}

    def answered(self, status: int, content_type: str = "", content_encoding: str = "") -> Fields:
        """The head of the response arrived."""
        self._status, self._encoding = status, content_encoding.strip().lower()
        if self._reads_usage:
            self._response = ResponseReader(content_type, self._encoding)
        is_stream = content_type.partition(";")[0].strip().lower() == "text/event-stream"
        return {
            "status": "streaming",
            "http_status": status,
            "stream": is_stream or bool(self._request and self._request.stream),
            "request_bytes": self._sent_bytes,
        }

    def received(self, chunk: bytes) -> Fields:
        """A chunk of the response's body arrived."""
        self._received_bytes += len(chunk)
        if self._response is not None:
            self._response.feed(chunk)
        if self._is_error and len(self._error_body) < MAX_ERROR_BYTES:
            self._error_body += chunk[: MAX_ERROR_BYTES - len(self._error_body)]
        now = self._clock()
        if self._next_update is None:
            self._next_update = now + UPDATE_INTERVAL_S
            return {"time_to_first_chunk_ms": self._elapsed_ms(now), **self._usage()}
        if now < self._next_update:
            return {}
        self._next_update = now + UPDATE_INTERVAL_S
        return {"response_bytes": self._received_bytes, **self._usage()}

    def finish(self) -> Fields:
        """The response was received completely."""
        response = self._response
        if response is not None:
            response.end()
        if self._is_error:
            return self._end("error", self._error_text())
        if response is not None and response.is_stream and response.error is not None:
            return self._end("error", response.error)
        if response is not None and not response.complete:
            return self._end("error", _INCOMPLETE)
        return self._end("completed")

    def fail(self, status: str, error: str | None = None, http_status: int | None = None) -> Fields:
        """The call ended early: `status` is cancelled, timeout, error or interrupted.

        A client that leaves a stream after its end marker has missed nothing: that call finished.
        """
        if self._response is not None:
            if status == "cancelled" and self._response.ended:
                return self.finish()
            self._response.end()
        fields = self._end(status, error)
        return fields if http_status is None or not fields else {**fields, "http_status": http_status}

    # --- inside -------------------------------------------------------------------------------------------------------

    @property
    def _is_error(self) -> bool:
        return self._status is not None and self._status >= 400

    def _end(self, status: str, error: str | None = None) -> Fields:
        if self._ended:
            return {}
        self._ended = True
        return {
            "status": status,
            "duration_ms": self._elapsed_ms(self._clock()),
            "error": error,
            "request_bytes": self._sent_bytes,
            "response_bytes": self._received_bytes,
            **self._usage(),
        }

    def _elapsed_ms(self, now: float) -> float:
        return round((now - self._started) * 1000, 3)

    def _usage(self) -> Fields:
        if self._response is None:
            return {}
        tokens = self._response.tokens
        return {
            "response_model": self._response.model,
            "input_tokens": tokens.input,
            "output_tokens": tokens.output,
            "cached_tokens": tokens.cached,
        }

    def _error_text(self) -> str:
        """The message of an error response, as far as it is text."""
        if self._response is not None and self._response.error:
            return self._response.error
        text = decode_body(bytes(self._error_body), self._encoding)
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            message = value.get("error", value.get("message", value.get("detail")))
            message = message.get("message") if isinstance(message, dict) else message
            text = message if isinstance(message, str) else text
        return text.strip() or f"HTTP {self._status}"


def decode_body(body: bytes, encoding: str) -> str:
    """The text of (the beginning of) a body; "" if its Content-Encoding is not gzip, deflate or identity."""
    if encoding in {"gzip", "x-gzip", "deflate"}:
        try:
            body = zlib.decompressobj(wbits=47).decompress(body, 16 * len(body) + 4096)
        except zlib.error:
            return ""
    elif encoding not in {"", "identity"}:
        return ""
    return body.decode("utf-8", "replace")
