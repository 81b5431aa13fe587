"""Meter of one HTTP call: status, times, sizes, model, tokens and error from the bytes. Any process; no I/O.

The proxy of the server and the call recorder of kernels report every chunk of both bodies here and record the returned
fields in the request log. At most 2,000 bytes of a body are held (the beginning of an error response).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from .decoding import decode_body
from .llm_dialects import Tokens, error_text
from .llm_operations import Operation
from .llm_usage import RequestReader, ResponseReader

Fields = dict[str, Any]
"""Fields of a row of the request log that changed; empty: nothing to record."""

UPDATE_INTERVAL_S = 1.0
MAX_ERROR_BYTES = 2000
_INCOMPLETE = "incomplete: the stream ended without its end marker"


class CallMeter:
    """One call. Each method reports an event and returns the fields of the call's row that changed.

    `operation`: the kind of LLM call, whose bodies are read for model and tokens; None: any other call. `clock`:
    monotonic seconds. Fields are returned when the response begins, with its first chunk, at most once per
    UPDATE_INTERVAL_S while it streams, and once at the end; only the first end counts. A stream of an LLM that ends or
    breaks off without its end marker is `interrupted`, and one that reports an error is an `error`.
    """

    def __init__(self, operation: Operation | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._sent_bytes = self._received_bytes = 0
        self._operation = operation
        self._request = RequestReader() if operation else None
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
    def has_final_tokens(self) -> bool:
        """Whether the tokens are all of the call: not while it streams, and not of a stream without its end."""
        return self._response is not None and self._response.complete

    @property
    def models(self) -> tuple[str | None, str | None]:
        """The model that responded and the one that was requested; None: unknown."""
        response = self._response.model if self._response is not None else None
        requested = self._request.model if self._request is not None else None
        return response, requested or (self._operation.model if self._operation is not None else None)

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
        self._response = ResponseReader(content_type, self._encoding)
        return {
            "status": "streaming",
            "http_status": status,
            "stream": self._response.is_stream or bool(self._request and self._request.stream),
            "request_bytes": self._sent_bytes,
        }

    def received(self, chunk: bytes) -> Fields:
        """A chunk of the response's body arrived."""
        self._received_bytes += len(chunk)
        response = self._response
        if response is not None and (self._operation is not None or response.is_waiting):
            response.accept(chunk)
        if self._is_error and len(self._error_body) < MAX_ERROR_BYTES:
            self._error_body += chunk[: MAX_ERROR_BYTES - len(self._error_body)]
        return self.read_on()

    @property
    def is_behind(self) -> bool:
        """Whether a part of the received bytes is not read yet; `read_on`, the next chunk or the end reads it."""
        return self._response is not None and self._response.is_behind

    def read_on(self) -> Fields:
        """Read the next part of the received bytes; a large chunk has several, so that an event loop is not held up."""
        response = self._response
        if response is not None:
            response.step()
        now = self._clock()
        if self._next_update is None:
            is_read = self._operation is not None or (response is not None and response.is_event_stream)
            if response is not None and is_read and not response.has_data:
                return {}  # comments that keep the connection alive
            self._next_update = now + UPDATE_INTERVAL_S
            return {"time_to_first_chunk_ms": self._elapsed_ms(now), **self._usage()}
        if now < self._next_update:
            return {}
        self._next_update = now + UPDATE_INTERVAL_S
        return {"response_bytes": self._received_bytes, **self._usage()}

    def finish(self) -> Fields:
        """The response was received completely."""
        response = self._response if self._operation is not None else None
        if response is not None:
            response.end()
        if self._is_error:
            return self._end("error", self._error_text())
        if response is not None and response.error is not None:
            return self._end("error", response.error)
        if response is not None and not response.complete:
            return self._end("interrupted", _INCOMPLETE)
        return self._end("completed")

    def fail(self, status: str, error: str | None = None, http_status: int | None = None) -> Fields:
        """The call ended early: `status` is cancelled, timeout, error or interrupted.

        A client that leaves a stream after its end marker has missed nothing: that call finished.
        """
        response = self._response if self._operation is not None else None
        if response is not None:
            response.end()
            if response.ended and (status == "cancelled" or response.error is not None):
                return self.finish()
            if status == "error" and response.is_stream and not response.ended:
                status = "interrupted"
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
        if self._response is None or self._operation is None:
            return {}
        tokens = self._response.tokens
        return {
            **({"stream": True} if self._response.is_stream else {}),
            "response_model": self._response.model,
            "finish_reason": self._response.finish_reason,
            "input_tokens": tokens.input,
            "output_tokens": tokens.output,
            "cached_tokens": tokens.cached,
            "cache_creation_tokens": tokens.cache_writes,
            "reasoning_tokens": tokens.reasoning,
        }

    def _error_text(self) -> str:
        """The message of an error response, as far as it is text."""
        if self._operation is not None and self._response is not None and self._response.error:
            return self._response.error
        text = decode_body(bytes(self._error_body), self._encoding)
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        message = error_text(value) if isinstance(value, dict) else None
        return message or text.strip() or f"HTTP {self._status}"
