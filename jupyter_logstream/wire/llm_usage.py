"""What kind of LLM call a request is, and what its bodies tell: model, tokens, errors. Any process; stdlib, no I/O.

Bodies are fed as they pass, in pieces, plain or gzipped, and are never held. Known are the OpenAI forms (chat
completions, completions, responses, embeddings) and Anthropic's messages, whole and streamed. This file must not know
rows, prices or HTTP clients. Names follow the OpenTelemetry conventions for generative AI.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .json_scan import Path, Skim

_LONGEST_INFLATED = 64 * 1024 * 1024  # beyond this a compressed body is not looked at any further
_INFLATED_AT_ONCE = 64 * 1024
_LONGEST_ERROR = 1000

_ASKED: frozenset[Path] = frozenset({("model",), ("stream",)})
_ANSWERED: frozenset[Path] = frozenset({("model",), ("usage",), ("error",), ("message",), ("detail",)})
_STREAMED: frozenset[Path] = frozenset(
    {
        *(("model",), ("usage",), ("error",), ("type",), ("choices",)),
        *(("message", "model"), ("message", "usage")),
        *(("response", "model"), ("response", "usage"), ("response", "error")),
    }
)
_LAST = frozenset({"message_stop", "response.completed", "response.failed", "response.incomplete", "error"})


@dataclass(frozen=True, slots=True)
class Operation:
    """A kind of LLM call: its OpenTelemetry name, and whose form it has."""

    name: str
    provider: str


_OPERATIONS = (
    (re.compile(r"/chat/completions/?$"), Operation("chat", "openai")),
    (re.compile(r"/completions/?$"), Operation("text_completion", "openai")),
    (re.compile(r"/responses/?$"), Operation("chat", "openai")),
    (re.compile(r"/embeddings/?$"), Operation("embeddings", "openai")),
    (re.compile(r"/messages/?$"), Operation("chat", "anthropic")),
)

_HOSTS = (  # the end of a host's name, and whose it is
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
    """The kind of LLM call that a request is, by its path; None: any other call."""
    if method != "POST":
        return None
    return next((kind for pattern, kind in _OPERATIONS if pattern.search(f"/{path.lstrip('/')}")), None)


def provider_of(host: str, operation: Operation) -> str:
    """Whose model it is, by the host's name; of a host that nobody knows: whose form the call has."""
    return next((name for end, name in _HOSTS if host == end or host.endswith(f".{end}")), operation.provider)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a call used. `input` counts all of the input; `cached` and `cache_writes` say how much of it was which."""

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    cache_writes: int | None = None


class AskedReader:
    """Reads a request's body as it is sent: `model` and `stream`."""

    def __init__(self) -> None:
        self._skim = Skim(_ASKED)

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._skim.feed(chunk)

    @property
    def model(self) -> str | None:
        """The model asked for."""
        return _text(self._skim.found.get(("model",)))

    @property
    def stream(self) -> bool:
        """Whether the answer is to be streamed."""
        return self._skim.found.get(("stream",)) is True


class AnswerReader:
    """Reads a response's body as it comes: model, tokens, what went wrong, and whether it came to its end.

    `content_type` and `encoding` as the response's headers have them. What cannot be read (an encoding not known here)
    tells nothing, and counts as whole.
    """

    def __init__(self, content_type: str, encoding: str = "") -> None:
        self.model: str | None = None
        self.error: str | None = None
        self._usage: dict[str, Any] = {}
        self._ended = False
        self._inflate = _inflater(encoding)
        self._readable = encoding in {"", "identity"} or self._inflate is not None
        self.is_stream = content_type.partition(";")[0].strip().lower() == "text/event-stream"
        self._whole = Skim(_ANSWERED)
        self._events = _Events(self._take_event)
        self._inflated = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        if not self._readable:
            return
        if self._inflate is None:
            self._read(chunk)
            return
        try:
            while chunk and self._inflated < _LONGEST_INFLATED:
                plain = self._inflate.decompress(chunk, _INFLATED_AT_ONCE)
                self._inflated += len(plain)
                self._read(plain)
                chunk = self._inflate.unconsumed_tail
        except zlib.error:
            self._readable = False
        self._readable = self._readable and self._inflated < _LONGEST_INFLATED

    def _read(self, plain: bytes) -> None:
        if self.is_stream:
            self._events.feed(plain)
        else:
            self._whole.feed(plain)

    def end(self) -> None:
        """The body has ended."""
        if not self.is_stream:
            self._take(self._whole.found)

    @property
    def ended(self) -> bool:
        """Whether a streamed answer said that it was at its end; callers may leave then, and some do."""
        return self._ended

    @property
    def complete(self) -> bool:
        """Whether nothing is known to be missing."""
        return self._ended or not self.is_stream or not self._readable

    @property
    def tokens(self) -> Tokens:
        """What it used, as far as it has told."""
        return tokens_of(self._usage)

    def _take_event(self, head: bytes, found: Mapping[Path, Any]) -> None:
        if head.strip() == b"[DONE]":
            self._ended = True
            return
        self._take(found)
        if found.get(("type",)) in _LAST:
            self._ended = True
        choices = found.get(("choices",))
        if isinstance(choices, list) and any(isinstance(one, dict) and one.get("finish_reason") for one in choices):
            self._ended = True

    def _take(self, found: Mapping[Path, Any]) -> None:
        for path, value in found.items():
            if path[-1] == "model":
                self.model = _text(value) or self.model
            elif path[-1] == "usage" and isinstance(value, dict):
                self._usage.update({name: used for name, used in value.items() if used is not None})
            elif path[-1] in {"error", "detail"} or path == ("message",):
                self.error = _error(value) or self.error


def tokens_of(usage: Mapping[str, Any]) -> Tokens:
    """A `usage` of any of the known forms. Anthropic's counts what was cached beside its `input_tokens`."""
    asked = _count(usage, "input_tokens", "prompt_tokens")
    cached, written = _count(usage, "cache_read_input_tokens"), _count(usage, "cache_creation_input_tokens")
    if cached is not None or written is not None:
        asked = (asked or 0) + (cached or 0) + (written or 0)
    for name in "input_tokens_details", "prompt_tokens_details":
        if cached is None and isinstance(usage.get(name), dict):
            cached = _count(usage[name], "cached_tokens")
    return Tokens(asked, _count(usage, "output_tokens", "completion_tokens"), cached, written)


class _Events:
    """The `data` of each event of a stream, skimmed as it comes; a stream of CRs only is not read."""

    def __init__(self, take: Any) -> None:
        self._take = take
        self._line = b""  # what is there of a line whose field is not known yet
        self._field: bytes | None = None  # b"data", b"" (of no interest) or None: not known yet
        self._head = b""
        self._skim: Skim | None = None

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
            if self._skim is None:
                self._skim, self._head = Skim(_STREAMED), b""
            if len(self._head) < 8:
                self._head += part[:8]
            self._skim.feed(part)

    def _end_line(self) -> None:
        if self._field is None and not self._line.strip() and self._skim is not None:
            skim, self._skim = self._skim, None
            self._take(self._head, skim.found)
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
    return value[:200] if isinstance(value, str) and value else None


def _error(value: Any) -> str | None:
    """What an `error` says: `{"message"}`, or a text."""
    if isinstance(value, dict):
        value = value.get("message") or value.get("type") or value.get("code")
    return value[:_LONGEST_ERROR] if isinstance(value, str) and value else None
