"""LLM usage of an HTTP call: model, tokens, reason of the end, errors. Any process; no I/O.

Bodies are read in chunks as they pass, and are never held. What a response is follows from its content: the dialects of
OpenAI (chat completions, completions, responses, embeddings), Anthropic, Gemini, Ollama, Cohere, Bedrock, llama.cpp and
the services with the same fields are read side by side (`llm_dialects.py`). No rows, prices or HTTP clients here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .decoding import Decoder, DecodingError
from .documents import DocumentReader
from .json_scan import JsonScanner, Path, Paths
from .llm_dialects import (
    RESPONSE,
    Tokens,
    error_of,
    finish_reason_of,
    has_ended,
    is_plain,
    message_of,
    model_of,
    name_of,
    tokens_of,
    usage_of,
)

_REQUEST = Paths(("model",), ("stream",))
_STREAMS = frozenset({"text/event-stream", "application/x-ndjson", "application/jsonl", "application/json-seq"})
_MAX_ERROR_CHARS = 1000


class RequestReader:
    """Reads `model` and `stream` from a request's body as it is sent."""

    def __init__(self) -> None:
        self._scanner = JsonScanner(_REQUEST)

    def feed(self, chunk: bytes) -> None:
        """Scan the next bytes."""
        if not self._scanner.done:
            self._scanner.budget.allow(len(chunk))
            self._scanner.feed(chunk)

    @property
    def model(self) -> str | None:
        """The requested model."""
        return name_of(self._scanner.found.get(("model",)))

    @property
    def stream(self) -> bool:
        """Whether a streamed response is requested."""
        return self._scanner.found.get(("stream",)) is True


class ResponseReader:
    """Reads model, tokens, error and completeness from a response's body as it arrives.

    `content_type`, `encoding`: the response's headers. A body in an unknown encoding yields nothing, and counts as
    complete; so does one that exceeds the budgets of `decoding.py` or `json_scan.py`.
    """

    def __init__(self, content_type: str, encoding: str = "") -> None:
        self.model: str | None = None
        self._plain_model: Any = None
        self.finish_reason: str | None = None
        self._error: str | None = None
        self._message: str | None = None  # what may be an error: the text of a body without an answer
        self._usage: dict[str, Any] = {}
        self._ended = False
        kind = content_type.partition(";")[0].strip().lower()
        self._is_stream, self._is_events = kind in _STREAMS, kind == "text/event-stream"
        self._documents = DocumentReader(RESPONSE, self._read_document, self._read_text)
        self._decoder: Decoder | None = None  # None: the body cannot be read (further)
        try:
            self._decoder = Decoder(encoding)
        except DecodingError:
            return

    def feed(self, chunk: bytes) -> None:
        """Scan the next bytes."""
        if self._decoder is None:
            return
        try:
            for piece in self._decoder.feed(chunk):
                self._documents.feed(piece)
        except DecodingError:
            self._decoder = None
        if self._documents.budget.spent:
            self._decoder = None

    def end(self) -> None:
        """The body has ended."""
        self._documents.end()

    @property
    def is_stream(self) -> bool:
        """Whether the response is streamed: by its type, or because it is events, or more than one object."""
        return self._is_stream or self._documents.has_events or self._documents.count > 1

    @property
    def has_data(self) -> bool:
        """Whether the response has begun; comments of a stream do not count."""
        return not self._is_events or self._decoder is None or self._documents.has_data

    @property
    def error(self) -> str | None:
        """The message of the error that the body reports, also in the middle of a stream."""
        is_answer = self.model is not None or bool(self._usage) or self.finish_reason is not None
        return self._error or (None if is_answer else self._message)

    @property
    def ended(self) -> bool:
        """Whether a stream reported its end; a caller can disconnect then, and some do."""
        return self._ended

    @property
    def complete(self) -> bool:
        """Whether nothing is known to be missing."""
        return self._ended or not self.is_stream or self._decoder is None

    @property
    def tokens(self) -> Tokens:
        """The tokens reported so far; the output of a stream is not known before its end."""
        tokens = tokens_of(self._usage)
        is_final = not self.is_stream or (self._ended and self._error is None)
        return tokens if is_final else tokens.without_output()

    def _read_document(self, found: Mapping[Path, Any], event: bytes) -> None:
        if is_plain(found) and found.get(("model",)) == self._plain_model and not event:
            return  # most parts of a stream
        self._plain_model = found.get(("model",))
        self.model = model_of(found) or self.model
        self._usage.update(usage_of(found))
        self.finish_reason = finish_reason_of(found) or self.finish_reason
        if error := error_of(found, is_error=event == b"error"):
            self._error = error[:_MAX_ERROR_CHARS]
        elif message := message_of(found):
            self._message = message[:_MAX_ERROR_CHARS]
        self._ended = self._ended or self._error is not None or has_ended(found)

    def _read_text(self, text: bytes, event: bytes) -> None:
        if text == b"[DONE]":
            self._ended = True
        elif event == b"error":
            self._error, self._ended = text.decode("utf-8", "replace"), True
