"""LLM usage of an HTTP call: operation, provider, model, tokens, errors. Any process; stdlib, no I/O.

Bodies are scanned in chunks as they pass, plain or gzipped, and are never held. Supported forms: OpenAI's (chat
completions, completions, responses, embeddings) and Anthropic's messages, complete and streamed. Names follow the
OpenTelemetry conventions for generative AI. No rows, prices or HTTP clients here.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .json_scan import JsonScanner, Path

_MAX_INFLATED_BYTES = 64 * 1024 * 1024  # a compressed body is not read further than this
_INFLATE_CHUNK_BYTES = 64 * 1024
_MAX_ERROR_CHARS = 1000
_MAX_NAME_CHARS = 200

_REQUEST: frozenset[Path] = frozenset({("model",), ("stream",)})
_RESPONSE: frozenset[Path] = frozenset({("model",), ("usage",), ("error",), ("message",), ("detail",)})
_EVENT: frozenset[Path] = frozenset(
    {
        *(("model",), ("usage",), ("error",), ("type",), ("choices",)),
        *(("message", "model"), ("message", "usage")),
        *(("response", "model"), ("response", "usage"), ("response", "error")),
    }
)
_LAST = frozenset({"message_stop", "response.completed", "response.failed", "response.incomplete", "error"})


@dataclass(frozen=True, slots=True)
class Operation:
    """A kind of LLM call: its OpenTelemetry name, and the provider whose API form it has."""

    name: str
    provider: str


_OPERATIONS = (
    (re.compile(r"/chat/completions/?$"), Operation("chat", "openai")),
    (re.compile(r"/completions/?$"), Operation("text_completion", "openai")),
    (re.compile(r"/responses/?$"), Operation("chat", "openai")),
    (re.compile(r"/embeddings/?$"), Operation("embeddings", "openai")),
    (re.compile(r"/messages/?$"), Operation("chat", "anthropic")),
)

_HOSTS = (  # suffix of the host name, provider
    ("openai.azure.com", "azure.ai.openai"),
    ("services.ai.azure.com", "azure.ai.inference"),
    ("openai.com", "openai"),
    ("anthropic.com", "anthropic"),
    ("aiplatform.googleapis.com", "gcp.vertex_ai"),
    ("generativelanguage.googleapis.com", "gcp.gemini"),
    ("amazonaws.com", "aws.bedrock"),
    ("mistral.ai", "mistral_ai"),
    ("groq.com", "groq"),
    ("deepseek.com", "deepseek"),
    ("cohere.com", "cohere"),
    ("perplexity.ai", "perplexity"),
    ("x.ai", "x_ai"),
)


def operation_of(method: str, path: str) -> Operation | None:
    """The kind of LLM call, by method and path; None for any other call."""
    if method != "POST":
        return None
    return next((kind for pattern, kind in _OPERATIONS if pattern.search(f"/{path.lstrip('/')}")), None)


def provider_of(host: str, operation: Operation) -> str:
    """The provider, by the host's name; for an unknown host the one whose API form the call has."""
    return next((name for end, name in _HOSTS if host == end or host.endswith(f".{end}")), operation.provider)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of a call; None: not reported. `cached` and `cache_writes` are parts of `input`."""

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    cache_writes: int | None = None


class RequestReader:
    """Reads `model` and `stream` from a request's body as it is sent."""

    def __init__(self) -> None:
        self._scanner = JsonScanner(_REQUEST)

    def feed(self, chunk: bytes) -> None:
        """Scan the next bytes."""
        self._scanner.feed(chunk)

    @property
    def model(self) -> str | None:
        """The requested model."""
        return _text(self._scanner.found.get(("model",)))

    @property
    def stream(self) -> bool:
        """Whether a streamed response is requested."""
        return self._scanner.found.get(("stream",)) is True


class ResponseReader:
    """Reads model, tokens, error and completeness from a response's body as it arrives.

    `content_type`, `encoding`: the response's headers. A body in an unknown encoding yields nothing, and counts as
    complete.
    """

    def __init__(self, content_type: str, encoding: str = "") -> None:
        self.model: str | None = None
        self.error: str | None = None
        self._usage: dict[str, Any] = {}
        self._ended = False
        self._inflate = _inflater(encoding)
        self._readable = encoding in {"", "identity"} or self._inflate is not None
        self.is_stream = content_type.partition(";")[0].strip().lower() == "text/event-stream"
        self._scanner = JsonScanner(_RESPONSE)
        self._events = _Events(self._read_event)
        self._inflated = 0

    def feed(self, chunk: bytes) -> None:
        """Scan the next bytes."""
        if not self._readable:
            return
        if self._inflate is None:
            self._read(chunk)
            return
        try:
            while chunk and self._inflated < _MAX_INFLATED_BYTES:
                plain = self._inflate.decompress(chunk, _INFLATE_CHUNK_BYTES)
                self._inflated += len(plain)
                self._read(plain)
                chunk = self._inflate.unconsumed_tail
        except zlib.error:
            self._readable = False
        self._readable = self._readable and self._inflated < _MAX_INFLATED_BYTES

    def _read(self, plain: bytes) -> None:
        if self.is_stream:
            self._events.feed(plain)
        else:
            self._scanner.feed(plain)

    def end(self) -> None:
        """The body has ended."""
        if not self.is_stream:
            self._read_values(self._scanner.found)

    @property
    def ended(self) -> bool:
        """Whether a stream reported its end; a caller can disconnect then, and some do."""
        return self._ended

    @property
    def complete(self) -> bool:
        """Whether nothing is known to be missing."""
        return self._ended or not self.is_stream or not self._readable

    @property
    def tokens(self) -> Tokens:
        """The tokens reported so far."""
        return tokens_of(self._usage)

    def _read_event(self, head: bytes, found: Mapping[Path, Any]) -> None:
        if head.strip() == b"[DONE]":
            self._ended = True
            return
        self._read_values(found)
        if found.get(("type",)) in _LAST:
            self._ended = True
        choices = found.get(("choices",))
        if isinstance(choices, list) and any(isinstance(one, dict) and one.get("finish_reason") for one in choices):
            self._ended = True

    def _read_values(self, found: Mapping[Path, Any]) -> None:
        for path, value in found.items():
            if path[-1] == "model":
                self.model = _text(value) or self.model
            elif path[-1] == "usage" and isinstance(value, dict):
                self._usage.update({name: used for name, used in value.items() if used is not None})
            elif path[-1] in {"error", "detail"} or path == ("message",):
                self.error = _error(value) or self.error


def tokens_of(usage: Mapping[str, Any]) -> Tokens:
    """Parse a `usage` object of any supported form. Anthropic's `input_tokens` exclude cached ones: they are added."""
    total = _count(usage, "input_tokens", "prompt_tokens")
    cached, written = _count(usage, "cache_read_input_tokens"), _count(usage, "cache_creation_input_tokens")
    if cached is not None or written is not None:
        total = (total or 0) + (cached or 0) + (written or 0)
    for name in "input_tokens_details", "prompt_tokens_details":
        if cached is None and isinstance(usage.get(name), dict):
            cached = _count(usage[name], "cached_tokens")
    return Tokens(total, _count(usage, "output_tokens", "completion_tokens"), cached, written)


class _Events:
    """The `data` of each event of a stream, scanned as it arrives; a stream with CR line ends is not supported."""

    def __init__(self, on_event: Any) -> None:
        self._on_event = on_event
        self._line = b""  # the start of a line whose field is not known yet
        self._field: bytes | None = None  # b"data", b"" (ignored) or None: not known yet
        self._head = b""
        self._scanner: JsonScanner | None = None

    def feed(self, chunk: bytes) -> None:
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            self._part(line)
            self._end_line()
        if rest:
            self._part(rest)

    def _part(self, part: bytes) -> None:
        if self._field is None:
            self._line += part
            if len(self._line) < 5 or not self._line.startswith(b"data:"):
                self._field = b"" if len(self._line) >= 5 else None
                return
            self._field, part, self._line = b"data", self._line[5:], b""
        if self._field == b"data":
            if self._scanner is None:
                self._scanner, self._head = JsonScanner(_EVENT), b""
            if len(self._head) < 8:
                self._head += part[:8]
            self._scanner.feed(part)

    def _end_line(self) -> None:
        if self._field is None and not self._line.strip() and self._scanner is not None:
            scanner, self._scanner = self._scanner, None
            self._on_event(self._head, scanner.found)
        self._field, self._line = None, b""


def _inflater(encoding: str) -> Any:
    return zlib.decompressobj(wbits=47) if encoding.lower() in {"gzip", "x-gzip", "deflate"} else None


def _count(usage: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = usage.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53:
            return value
    return None


def _text(value: Any) -> str | None:
    return value[:_MAX_NAME_CHARS] if isinstance(value, str) and value else None


def _error(value: Any) -> str | None:
    """The message of an `error`: an object with `message`, or a string."""
    if isinstance(value, dict):
        value = value.get("message") or value.get("type") or value.get("code")
    return value[:_MAX_ERROR_CHARS] if isinstance(value, str) and value else None
