"""Field cases of LLM responses: usage in every dialect, reasons of the end, streams without an end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.llm_bodies import CHAT, CONTENT, EVENTS, LINES, final, ndjson, sse

from jupyter_logstream.wire.call_meter import CallMeter
from jupyter_logstream.wire.llm_dialects import Tokens
from jupyter_logstream.wire.llm_operations import operation_of
from jupyter_logstream.wire.llm_usage import ResponseReader

START = {"type": "message_start", "message": {"model": "claude", "usage": {"input_tokens": 3, "output_tokens": 1}}}


@pytest.mark.parametrize("body", [sse(CONTENT, CONTENT), sse(START), b": only a comment\n\n", b""])
def test_stream_without_its_end_is_interrupted(body: bytes) -> None:
    ended = final(body)
    assert (ended["status"], ended["output_tokens"]) == ("interrupted", None)


def test_incomplete_answer_has_its_tokens_and_the_reason() -> None:
    details = {"incomplete_details": {"reason": "max_output_tokens"}, "usage": {"input_tokens": 5, "output_tokens": 3}}
    for size in 1 << 20, 1:
        ended = final(sse({"type": "response.incomplete", "response": details}), size=size)
        found = [ended[name] for name in ("status", "input_tokens", "output_tokens", "finish_reason")]
        assert found == ["completed", 5, 3, "max_output_tokens"]


CACHE = {"input_tokens": 31, "cache_read_input_tokens": 1400, "cache_creation_input_tokens": 250}
COHERE = {
    "billed_units": {"input_tokens": 2, "output_tokens": 3},
    "tokens": {"input_tokens": 71.0, "output_tokens": 3.0},
}
GEMINI = {
    "promptTokenCount": 12,
    "cachedContentTokenCount": 8,
    "candidatesTokenCount": 5,
    "thoughtsTokenCount": 20,
    "toolUsePromptTokenCount": 3,
    "totalTokenCount": 40,
}


@pytest.mark.parametrize(
    ("parts", "tokens"),
    [
        (
            [
                {"type": "message_start", "message": {"usage": {**CACHE, "output_tokens": 1}}},
                {
                    "type": "message_delta",
                    "delta": {"stop_reason": "end_turn"},
                    "usage": {**CACHE, "output_tokens": 58},
                },
            ],
            Tokens(1681, 58, 1400, 250),
        ),
        (
            [
                {"type": "message_start", "message": {"usage": {"input_tokens": 9120, "output_tokens": 0}}},
                {
                    "type": "message_delta",
                    "delta": {"stop_reason": "end_turn"},
                    "usage": {"input_tokens": 22, "cache_read_input_tokens": 9103, "output_tokens": 371},
                },
            ],
            Tokens(9125, 371, 9103),
        ),
        (
            [
                {
                    "usage": {
                        "prompt_tokens": 12006,
                        "completion_tokens": 9,
                        "prompt_tokens_details": {"cached_tokens": 11904},
                    }
                }
            ],
            Tokens(12006, 9, 11904),
        ),
        (
            [
                {
                    "usage": {
                        "prompt_tokens": 100,
                        "completion_tokens": 9,
                        "cache_read_input_tokens": 60,
                        "prompt_tokens_details": {"cached_tokens": 60},
                    }
                }
            ],
            Tokens(100, 9, 60),
        ),
        (
            [{"usage": {"prompt_tokens": 100, "completion_tokens": 9, "prompt_cache_hit_tokens": 64}}],
            Tokens(100, 9, 64),
        ),
        (
            [
                {
                    "usage": {
                        "prompt_tokens": 9,
                        "completion_tokens": 30,
                        "completion_tokens_details": {"reasoning_tokens": 20},
                    }
                }
            ],
            Tokens(9, 30, None, None, 20),
        ),
        (
            [
                {
                    "usage": {
                        "prompt_tokens": 9,
                        "completion_tokens": 1,
                        "total_tokens": 30,
                        "completion_tokens_details": {"reasoning_tokens": 20},
                    }
                }
            ],
            Tokens(9, 21, None, None, 20),
        ),
        (
            [{"usage": {"input_tokens": 9, "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 2}}}],
            Tokens(9, 5, None, None, 2),
        ),
        ([{"usageMetadata": GEMINI}], Tokens(15, 25, 8, None, 20)),
        ([{"usageMetadata": {"promptTokenCount": 12, "thoughtsTokenCount": 7}}], Tokens(12, 7, None, None, 7)),
        (
            [{"usage": {"inputTokens": 4, "outputTokens": 6, "totalTokens": 15, "cacheReadInputTokens": 5}}],
            Tokens(9, 6, 5),
        ),
        ([{"amazon-bedrock-invocationMetrics": {"inputTokenCount": 4, "outputTokenCount": 6}}], Tokens(4, 6)),
        ([{"usage": COHERE}], Tokens(71, 3)),
        ([{"response": {"meta": COHERE}}], Tokens(71, 3)),
        ([{"type": "message-end", "delta": {"usage": COHERE}}], Tokens(71, 3)),
        ([{"done": True, "prompt_eval_count": 33, "eval_count": 12}], Tokens(33, 12)),
        ([{"done": True, "eval_count": 12}], Tokens(None, 12)),
        ([{"stop": True, "tokens_evaluated": 8, "tokens_predicted": 2}], Tokens(8, 2)),
        ([{"x_groq": {"usage": {"prompt_tokens": 5, "completion_tokens": 2}}}], Tokens(5, 2)),
        ([{"usage": None}, {"usage": None}], Tokens()),
    ],
)
def test_tokens_are_counted_as_opentelemetry_does(parts: list[Any], tokens: Tokens) -> None:
    for body, kind in (sse(*parts, b"[DONE]"), EVENTS), (ndjson(*parts) + b"\n[DONE]", ""):
        reader = ResponseReader(kind)
        reader.feed(body)
        reader.end()
        assert reader.tokens == tokens


def test_usage_in_every_chunk_is_not_summed_and_comments_are_no_first_chunk() -> None:
    """Also empty names, objects of filters without content, and a usage beside an empty delta."""
    now = [0.0]
    meter = CallMeter(CHAT, clock=lambda: now[0])
    fields = meter.answered(200, EVENTS)
    for _ in range(3):
        now[0] += 1
        assert meter.received(b": PROCESSING\n\n") == {}
    used = [{**CONTENT, "usage": {"prompt_tokens": 10, "completion_tokens": count}} for count in (1, 2, 3)]
    rest = [
        {"choices": [{"index": 0, "content_filter_offsets": {}}], "model": ""},
        {"choices": [{"index": 0, "delta": {}}], "usage": {"prompt_tokens": 10, "completion_tokens": 4}},
    ]
    for event in {"id": "", "model": "", "choices": [], "prompt_filter_results": []}, *used, *rest, b"[DONE]":
        fields |= meter.received(sse(event))
    fields |= meter.finish()
    found = [fields[name] for name in ("status", "input_tokens", "output_tokens", "response_model")]
    assert found == ["completed", 10, 4, "m-1"]
    assert fields["time_to_first_chunk_ms"] == 3000


def test_comments_of_any_event_stream_are_no_first_chunk() -> None:
    now = [0.0]
    meter = CallMeter(None, clock=lambda: now[0])
    meter.answered(200, EVENTS)
    assert meter.received(b": keep-") == meter.received(b"alive\n\n") == {}
    now[0] = 2
    assert meter.received(b"data: x\n\n")["time_to_first_chunk_ms"] == 2000


def test_tool_calls_without_an_index_complete() -> None:
    calls = [{"function": {"name": "f", "arguments": "{}"}}, {"function": {"name": "g", "arguments": "{}"}}]
    parts = [{"model": "m", "choices": [{"delta": {"tool_calls": [call]}}]} for call in calls]
    ended = final(sse(*parts, {"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}, b"[DONE]"))
    assert (ended["status"], ended["finish_reason"]) == ("completed", "tool_calls")


OLLAMA = [{"model": "q:7b", "message": {"content": "a"}, "done": False}] * 3
OLLAMA_END = {"model": "q:7b", "done": True, "done_reason": "stop", "prompt_eval_count": 33, "eval_count": 12}


@pytest.mark.parametrize("kind", [LINES, "application/json", "", "text/plain"])
def test_ollamas_lines_are_a_stream_whatever_their_type(kind: str) -> None:
    for size in 1 << 20, 1, 13:
        ended = final(ndjson(*OLLAMA, OLLAMA_END), kind, size)
        names = ("status", "input_tokens", "output_tokens", "response_model", "stream", "finish_reason")
        assert [ended[name] for name in names] == ["completed", 33, 12, "q:7b", True, "stop"]


GEMINI_PARTS = [
    {"candidates": [{"content": {"parts": [{"text": "a"}]}}], "modelVersion": "gemini-2.5-flash"},
    {"candidates": [{"finishReason": "MAX_TOKENS"}], "usageMetadata": GEMINI},
]


@pytest.mark.parametrize(
    "body",
    [
        sse(*GEMINI_PARTS),
        json.dumps(GEMINI_PARTS).encode(),
        json.dumps(GEMINI_PARTS, indent=2).encode(),
        b"[" + b"\n,\r\n".join(json.dumps(part).encode() for part in GEMINI_PARTS) + b"\n]",
    ],
)
def test_geminis_stream_is_read_as_events_and_as_an_array(body: bytes) -> None:
    for size in 1 << 20, 1, 5:
        ended = final(body, "application/json", size)
        names = ("status", "input_tokens", "output_tokens", "response_model", "finish_reason", "stream")
        assert [ended[name] for name in names] == ["completed", 15, 25, "gemini-2.5-flash", "MAX_TOKENS", True]


def test_cancelled_stream_has_no_output_count_unless_it_was_final() -> None:
    partial = sse({**CONTENT, "usage": {"prompt_tokens": 10, "completion_tokens": 2}})
    ended = final(partial, cancel=True)
    assert (ended["status"], ended["input_tokens"], ended["output_tokens"]) == ("cancelled", 10, None)
    stop = {"choices": [{"finish_reason": "stop"}], "usage": {"prompt_tokens": 10, "completion_tokens": 3}}
    ended = final(partial + sse(stop), cancel=True)
    assert (ended["status"], ended["output_tokens"]) == ("completed", 3)


@pytest.mark.parametrize(
    ("path", "name", "provider", "model"),
    [
        ("/v1beta/models/gemini-2.5-flash:generateContent", "generate_content", "gcp.gemini", "gemini-2.5-flash"),
        ("/v1beta/models/gemini-2.5-flash:streamGenerateContent", "generate_content", "gcp.gemini", "gemini-2.5-flash"),
        (
            "/v1/projects/p/locations/l/publishers/anthropic/models/claude-x:streamRawPredict",
            "chat",
            "gcp.vertex_ai",
            "claude-x",
        ),
        ("/api/chat", "chat", "ollama", None),
        ("/api/generate", "text_completion", "ollama", None),
        ("/api/embed", "embeddings", "ollama", None),
        ("/v2/chat", "chat", "cohere", None),
        ("/completion", "text_completion", "llama_cpp", None),
        ("/embedding", "embeddings", "llama_cpp", None),
        ("/api/embeddings", "embeddings", "ollama", None),
        ("/v1beta/tunedModels/mine:generateContent", "generate_content", "gcp.gemini", "mine"),
        ("/v1beta/models/gemini-x%3AstreamGenerateContent", "generate_content", "gcp.gemini", "gemini-x"),
        ("/openai/deployments/d/embeddings", "embeddings", "openai", None),
        ("/v1/fim/completions", "text_completion", "openai", None),
        ("/model/anthropic.claude-3%3A0/converse-stream", "chat", "aws.bedrock", "anthropic.claude-3:0"),
    ],
)
def test_operation_is_recognized_in_every_dialect(path: str, name: str, provider: str, model: str | None) -> None:
    found = operation_of("POST", path)
    assert found is not None
    assert (found.name, found.provider, found.model) == (name, provider, model)


def test_parts_of_llama_cpps_stream_have_no_reason() -> None:
    part = {"content": "a", "stop": False, "stop_type": "none"}
    assert final(sse(part))["status"] == "interrupted"
    ended = final(sse(part, {"content": "", "stop": True, "stop_type": "eos", "tokens_predicted": 2}))
    assert (ended["status"], ended["output_tokens"], ended["finish_reason"]) == ("completed", 2, "eos")


@pytest.mark.parametrize("kind", ["", "text/plain", "application/json", EVENTS])
def test_first_chunk_is_data_whatever_the_content_type(kind: str) -> None:
    """Comments and blank lines keep a connection alive while the model has not started."""
    now = [0.0]
    meter = CallMeter(CHAT, clock=lambda: now[0])
    meter.answered(200, kind)
    for silence in b": OPENROUTER PROCESSING\n\n", b"\n\n", b":", b"\n", b"  \n":
        now[0] += 1
        assert meter.received(silence) == {}
    now[0] += 1
    assert meter.received(sse(CONTENT))["time_to_first_chunk_ms"] == 6000


def test_text_that_is_no_json_is_data() -> None:
    meter = CallMeter(CHAT)
    meter.answered(200, "text/plain")
    assert "time_to_first_chunk_ms" in meter.received(b"hello")
