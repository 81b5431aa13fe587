"""LLM usage of an HTTP call: model, tokens, reason of the end, errors. Any process; no I/O.

Bodies are read in chunks as they pass, and are never held. What a response is follows from its content: the dialects of
OpenAI (chat completions, completions, responses, embeddings), Anthropic, Gemini, Ollama, Cohere, Bedrock, llama.cpp and
the services with the same fields are read side by side (`llm_dialects.py`). No rows, prices or HTTP clients here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from .aws_events import AwsEventReader
from .decoding import PIECE_BYTES, Decoder, DecodingError
from .documents import DocumentReader
from .json_scan import JsonScanner, Path, Paths, ScanBudget
from .llm_dialects import (
    RESPONSE,
    Tokens,
    error_of,
    finish_reason_of,
    has_ended,
    is_error_event,
    is_plain,
    message_of,
    model_of,
    name_of,
    tokens_of,
    usage_of,
)

_REQUEST = Paths(("model",), ("stream",))
_STREAMS = frozenset(
    {
        *("text/event-stream", "application/x-ndjson", "application/jsonl", "application/json-seq"),
        "application/vnd.amazon.eventstream",
    }
)
_ERROR_TEXT = re.compile(rb"\[?error\b", re.IGNORECASE)
_MAX_ERROR_CHARS = 1000
_MAX_STEP_BYTES = 256 * 1024  # some 0.1 s of processor time for the most hostile text
_COMPRESSED_WEIGHT = 16  # a compressed byte allows as much scanning as this many plain ones
_MIN_PIECE_BYTES = 1024  # what a piece counts at least: also an empty one takes time


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
        self._is_stream, self.is_event_stream = kind in _STREAMS, kind == "text/event-stream"
        self._budget = ScanBudget()
        self._documents: DocumentReader | AwsEventReader = DocumentReader(
            RESPONSE, self._read_document, self._read_text, self._budget
        )
        self._has_begun = False
        self._rest: Iterator[bytes] | None = None  # pieces of the accepted chunk that are not scanned yet
        self._decoder: Decoder | None = None  # None: the body cannot be read (further)
        try:
            self._decoder = Decoder(encoding)
        except DecodingError:
            return

    def feed(self, chunk: bytes) -> None:
        """Scan the next bytes."""
        self.accept(chunk)
        while self.is_behind:
            self.step()

    def accept(self, chunk: bytes) -> None:
        """Take the next bytes, which `step` then scans; small plain ones, and what is left of former ones, at once."""
        while self._rest is not None:
            self.step()
        decoder = self._decoder
        if decoder is None:
            return
        if decoder.inflates or len(chunk) > PIECE_BYTES:
            self._budget.allow(len(chunk) * (_COMPRESSED_WEIGHT if decoder.inflates else 1))
            self._rest = decoder.feed(chunk)
            return
        self._budget.allow(len(chunk))
        try:
            self._scan(chunk)
        except DecodingError:
            self._stop()

    def step(self) -> None:
        """Scan a part of the accepted bytes: at most _MAX_STEP_BYTES after decoding, so that a loop is not held up."""
        if self._rest is None:
            return
        left = _MAX_STEP_BYTES
        try:
            for piece in self._rest:
                self._scan(piece)
                left -= max(len(piece), _MIN_PIECE_BYTES)
                if left <= 0 or self._rest is None:
                    return
            self._rest = None
        except DecodingError:
            self._stop()

    def end(self) -> None:
        """The body has ended."""
        while self.is_behind:
            self.step()
        self._documents.end()

    @property
    def is_behind(self) -> bool:
        """Whether accepted bytes are not scanned yet."""
        return self._rest is not None

    @property
    def is_stream(self) -> bool:
        """Whether the response is streamed: by its type, or because it is events, or more than one object."""
        return self._is_stream or self._documents.has_events or self._documents.count > 1

    @property
    def has_data(self) -> bool:
        """Whether the response has begun; comments and blank lines, which keep a connection alive, do not count."""
        documents = self._documents
        is_open = self._decoder is None or documents.has_data
        return is_open or (documents.has_text and not self.is_event_stream and not documents.has_events)

    @property
    def is_waiting(self) -> bool:
        """Whether the response is a stream of events without one so far."""
        return self.is_event_stream and not self.has_data

    @property
    def error(self) -> str | None:
        """The message of the error that the body reports, also in the middle of a stream."""
        is_answer = self.model is not None or bool(self._usage) or self.finish_reason is not None
        if self._error or is_answer:
            return self._error
        is_text = self.is_event_stream and not self._documents.has_data  # such as that of a proxy in between
        return self._message or (_readable(self._documents.stray) if is_text else None) or None

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

    def _scan(self, piece: bytes) -> None:
        if not self._has_begun and piece:
            self._has_begun = True
            if piece[0] == 0:  # binary: the length of the first message
                self._documents = AwsEventReader(RESPONSE, self._read_document, self._budget)
        self._documents.feed(piece)
        if self._budget.spent:
            self._stop()

    def _stop(self) -> None:
        """Read no further."""
        self._decoder = self._rest = None

    def _read_document(self, found: Mapping[Path, Any], event: bytes) -> None:
        if is_plain(found) and found.get(("model",)) == self._plain_model and not event:
            return  # most parts of a stream
        self._plain_model = found.get(("model",))
        self.model = model_of(found) or self.model
        self._usage.update(usage_of(found))
        self.finish_reason = finish_reason_of(found) or self.finish_reason
        if error := error_of(found, is_error=is_error_event(event)):
            self._error = error[:_MAX_ERROR_CHARS]
        elif message := message_of(found):
            self._message = message[:_MAX_ERROR_CHARS]
        self._ended = self._ended or self._error is not None or has_ended(found)

    def _read_text(self, text: bytes, event: bytes) -> None:
        if text == b"[DONE]":
            self._ended = True
        elif is_error_event(event) or _ERROR_TEXT.match(text):
            self._error, self._ended = (_unquoted(text) or event.decode("utf-8", "replace"))[:_MAX_ERROR_CHARS], True


def _readable(data: bytes) -> str | None:
    """The bytes as text; None if they are something else."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":  # which the bound cut
            return None
        text = data[: error.start].decode()
    return None if "\0" in text else text


def _unquoted(text: bytes) -> str:
    """The text, or the value of a JSON string."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, str) else text.decode("utf-8", "replace")
