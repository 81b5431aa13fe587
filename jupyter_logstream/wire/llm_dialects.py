"""Fields of LLM responses in the dialects of their APIs: model, usage, reason of the end, errors. Values only.

The functions take the wanted values of one JSON object (`RESPONSE`), which is a whole response or a part of a stream.
Tokens are counted as the OpenTelemetry conventions for generative AI do: input includes what was read from and written
to a cache, output includes reasoning.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .json_scan import Path, Paths

Found = Mapping[Path, Any]

_MAX_NAME_CHARS = 200
_MODELS: tuple[Path, ...] = (("model",), ("message", "model"), ("response", "model"), ("modelVersion",))
_USAGES: tuple[Path, ...] = (
    *(("usage",), ("message", "usage"), ("response", "usage"), ("delta", "usage"), ("x_groq", "usage")),  # OpenAI ...
    *(("usageMetadata",), ("meta",), ("response", "meta"), ("amazon-bedrock-invocationMetrics",)),  # Gemini, Cohere
)
_COUNTS: tuple[Path, ...] = (
    *(("prompt_eval_count",), ("eval_count",)),  # Ollama
    *(("tokens_evaluated",), ("tokens_predicted",)),  # llama.cpp
)
_REASONS: tuple[Path, ...] = (
    *(("choices", "finish_reason"), ("incomplete_details", "reason"), ("response", "incomplete_details", "reason")),
    *(("stop_reason",), ("delta", "stop_reason"), ("stopReason",), ("messageStop", "stopReason")),  # Anthropic, Bedrock
    *(("candidates", "finishReason"), ("promptFeedback", "blockReason"), ("done_reason",)),  # Gemini, Ollama
    *(("finish_reason",), ("delta", "finish_reason"), ("response", "finish_reason")),  # Cohere
    ("stop_type",),  # llama.cpp
)
_NO_REASON = frozenset({"none", "null", "FINISH_REASON_UNSPECIFIED"})  # what a part of a stream can have
_ERRORS: tuple[Path, ...] = (
    *(("error",), ("errors",), ("response", "error"), ("delta", "error"), ("choices", "error"), ("message", "error")),
    *(("Error",), ("exception",), ("fault",)),
    *(("internalServerException",), ("modelStreamErrorException",), ("modelTimeoutException",)),  # Bedrock
    *(("validationException",), ("throttlingException",), ("serviceUnavailableException",)),
)
_MESSAGES: tuple[Path, ...] = (
    *(("message",), ("Message",), ("detail",), ("error_message",), ("errorMessage",), ("error_msg",), ("msg",)),
)
_KINDS: tuple[Path, ...] = (("type",), ("object",), ("event_type",), ("status",), ("response", "status"))
_FLAGS: tuple[Path, ...] = (("done",), ("stop",), ("is_finished",))
_CODE: Path = ("code",)
_ERROR_KINDS = frozenset({"error", "exception", "failed", "response.failed"})
_LAST = frozenset(
    {"message_stop", "message-end", "stream-end", "response.completed", "response.failed", "response.incomplete"}
)
_NOTABLE = _LAST | _ERROR_KINDS
_PLAIN = frozenset({("model",), *_KINDS[:2]})
RESPONSE = Paths(*_MODELS, *_USAGES, *_COUNTS, *_REASONS, *_ERRORS, *_MESSAGES, *_KINDS, *_FLAGS, _CODE)
"""The paths that are read from a response."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens; None: unknown. `cached` and `cache_writes` are part of the input, `reasoning` of the output."""

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    cache_writes: int | None = None
    reasoning: int | None = None

    def without_output(self) -> Tokens:
        """The tokens of the input only."""
        return replace(self, output=None, reasoning=None)


def is_plain(found: Found) -> bool:
    """Whether the object has nothing but a model and a kind that means nothing here: a fast check, often true."""
    return found.keys() <= _PLAIN and all(_text(found.get(path)) not in _NOTABLE for path in _KINDS[:2])


def model_of(found: Found) -> str | None:
    """The model that responds."""
    return next((name for path in _MODELS if (name := name_of(found.get(path)))), None)


def usage_of(found: Found) -> dict[str, Any]:
    """The usage object; {} without one. Several objects of a stream are merged: a later count replaces a former one."""
    usage: dict[str, Any] = {}
    for path in _USAGES:
        value = found.get(path)
        if isinstance(value, dict):
            parts = [value.get("billed_units"), value.get("tokens")]  # Cohere: the billed ones, and all of them
            for part in (value, *(part for part in parts if isinstance(part, dict))):
                usage.update({name: count for name, count in part.items() if count is not None})
    return usage | {path[-1]: found[path] for path in _COUNTS if found.get(path) is not None}


def tokens_of(usage: Mapping[str, Any]) -> Tokens:
    """The tokens of a usage object of any dialect."""
    total = _count(usage, "input_tokens", "prompt_tokens", "inputTokens", "promptTokenCount", "prompt_eval_count")
    total = total if total is not None else _count(usage, "tokens_evaluated", "inputTokenCount")
    apart = _count(usage, "cache_read_input_tokens", "cacheReadInputTokens")
    details = [part for name in _DETAILS if isinstance(part := usage.get(name), dict)]
    cached = _first(apart, _count(usage, "cachedContentTokenCount", "prompt_cache_hit_tokens", "cached_tokens"))
    cached = _first(cached, *(_count(part, "cached_tokens") for part in details))
    written = _count(usage, "cache_creation_input_tokens", "cacheWriteInputTokens")
    is_apart = "prompt_tokens" not in usage and not any("cached_tokens" in part for part in details)
    if is_apart and (apart is not None or written is not None):  # Anthropic and Bedrock count them beside the input
        total = (total or 0) + (apart or 0) + (written or 0)
    elif cached is not None and total is not None and cached > total:
        total += cached
    written = _first(written, *(_count(part, "cache_write_tokens", "cache_creation_tokens") for part in details))
    if total is not None and "promptTokenCount" in usage:
        total += _count(usage, "toolUsePromptTokenCount") or 0
    output, reasoning = _output(usage, details, total)
    return Tokens(total, output, cached, written, reasoning)


_DETAILS = (
    *("input_tokens_details", "prompt_tokens_details"),
    *("output_tokens_details", "completion_tokens_details"),
)


def _output(
    usage: Mapping[str, Any], details: list[dict[str, Any]], total: int | None
) -> tuple[int | None, int | None]:
    """Output with reasoning, and reasoning. Gemini counts it beside the output, and so do some that report a total."""
    output = _count(usage, "output_tokens", "completion_tokens", "outputTokens", "candidatesTokenCount", "eval_count")
    output = output if output is not None else _count(usage, "tokens_predicted", "outputTokenCount")
    thoughts = _count(usage, "thoughtsTokenCount")
    if thoughts is not None:
        return (output or 0) + thoughts, thoughts
    reasoning = _first(_count(usage, "reasoning_tokens"), *(_count(part, "reasoning_tokens") for part in details))
    if reasoning and output is not None and _count(usage, "total_tokens") == (total or 0) + output + reasoning:
        output += reasoning
    return output, reasoning


def finish_reason_of(found: Found) -> str | None:
    """Why the model stopped (`stop`, `length`, `max_tokens` ...), as the API calls it."""
    names = (name_of(found.get(path)) for path in _REASONS)
    return next((name for name in names if name is not None and name not in _NO_REASON), None)


def has_ended(found: Found) -> bool:
    """Whether the object is the last one of a stream, or the one with the reason why the model stopped."""
    if any(found.get(path) is True for path in _FLAGS) or finish_reason_of(found) is not None:
        return True
    return any(_text(found.get(path)) in _LAST for path in _KINDS[:3])


def error_of(found: Found, *, is_error: bool = False) -> str | None:
    """The message of an error that the object reports; `is_error`: its event or field is named `error`."""
    for path in _ERRORS:
        if (value := found.get(path)) and (message := error_text(value) or _described(value)):
            return message
    is_error = is_error or any(found.get(path) is True for path in _ERRORS)
    kinds = [_text(found.get(path)) for path in _KINDS]
    if is_error or _ERROR_KINDS.intersection(kinds):
        code = found.get(_CODE)
        named = next((kind for kind in kinds if kind and kind != "response"), "error")
        return message_of(found) or error_text({"code": code}) or named
    if (finish_reason_of(found) or "").lower() in {"error", "error_toxic"}:
        return message_of(found) or "the model stopped with an error"
    return None


def message_of(found: Found) -> str | None:
    """A message in the object, which is an error if the response has no answer."""
    return next((text for path in _MESSAGES if (text := error_text(found.get(path)))), None)


def is_error_event(event: bytes) -> bool:
    """Whether the name of an event marks an error: `error`, `stream_error`, `throttlingException` ..."""
    return event.lower().endswith((b"error", b"exception"))


def error_text(value: Any, depth: int = 4) -> str | None:
    """The message of an error: a string, or an object or a list with one."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict) and depth:
        names = ("message", "msg", "detail", "error", "description", "faultstring", "type", "status", "code")
        return next((text for name in names if (text := error_text(_as_text(value.get(name)), depth - 1))), None)
    return value.strip() or None if isinstance(value, str) else None


def name_of(value: Any) -> str | None:
    """A name; None for an empty one."""
    return value[:_MAX_NAME_CHARS] if isinstance(value, str) and value else None


def _described(value: Any) -> str | None:
    """An error object in a form that is not known, as JSON."""
    is_object = isinstance(value, dict | list) and any(value.values() if isinstance(value, dict) else value)
    return json.dumps(value, ensure_ascii=False) if is_object else None


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _first(*counts: int | None) -> int | None:
    return next((count for count in counts if count is not None), None)


def _count(usage: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = usage.get(name)
        if isinstance(value, float) and value.is_integer():  # Cohere
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53:
            return value
    return None
