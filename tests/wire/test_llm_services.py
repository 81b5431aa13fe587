"""Whole responses of LLM services: model, tokens and reason of the end, whatever the Content-Type and the chunks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.llm_bodies import final

from jupyter_logstream.wire.llm_operations import operation_of

SERVICES: dict[str, tuple[str, dict[str, Any], tuple[Any, ...]]] = {  # path, body, (model, input, output, reason)
    "openai chat": (
        "/v1/chat/completions",
        {"object": "chat.completion", "model": "gpt-x", "usage": {"prompt_tokens": 4, "completion_tokens": 2},
         "choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": "length"}]},
        ("gpt-x", 4, 2, "length"),
    ),
    "openai completions": (
        "/v1/completions",
        {"object": "text_completion", "model": "gpt-x", "choices": [{"text": "a", "finish_reason": "stop"}],
         "usage": {"prompt_tokens": 4, "completion_tokens": 2}},
        ("gpt-x", 4, 2, "stop"),
    ),
    "openai responses": (
        "/v1/responses",
        {"object": "response", "model": "gpt-x", "status": "incomplete", "error": None, "output": [],
         "incomplete_details": {"reason": "max_output_tokens"}, "usage": {"input_tokens": 4, "output_tokens": 2}},
        ("gpt-x", 4, 2, "max_output_tokens"),
    ),
    "openai embeddings": (
        "/v1/embeddings",
        {"object": "list", "model": "emb", "data": [{"embedding": [0.5] * 9}], "usage": {"prompt_tokens": 4}},
        ("emb", 4, None, None),
    ),
    "azure": (
        "/openai/deployments/d/chat/completions",
        {"model": "gpt-x", "prompt_filter_results": [{"prompt_index": 0}],
         "choices": [{"finish_reason": "content_filter", "content_filter_results": {"hate": {"filtered": True}}}],
         "usage": {"prompt_tokens": 4, "completion_tokens": 0}},
        ("gpt-x", 4, 0, "content_filter"),
    ),
    "anthropic": (
        "/v1/messages",
        {"type": "message", "model": "claude", "stop_reason": "max_tokens", "content": [],
         "usage": {"input_tokens": 4, "output_tokens": 2}},
        ("claude", 4, 2, "max_tokens"),
    ),
    "gemini": (
        "/v1beta/models/g:generateContent",
        {"candidates": [{"finishReason": "SAFETY"}], "modelVersion": "g-1", "usageMetadata": {"promptTokenCount": 4}},
        ("g-1", 4, None, "SAFETY"),
    ),
    "ollama chat": (
        "/api/chat",
        {"model": "q", "message": {"content": "a"}, "done": True, "done_reason": "length", "prompt_eval_count": 4,
         "eval_count": 2},
        ("q", 4, 2, "length"),
    ),
    "ollama generate": (
        "/api/generate",
        {"model": "q", "response": "a", "done": True, "done_reason": "stop", "prompt_eval_count": 4, "eval_count": 2},
        ("q", 4, 2, "stop"),
    ),
    "ollama embed": ("/api/embed", {"model": "q", "embeddings": [[1]], "prompt_eval_count": 4}, ("q", 4, None, None)),
    "cohere": (
        "/v2/chat",
        {"finish_reason": "MAX_TOKENS", "message": {"role": "assistant", "content": [{"type": "text", "text": "a"}]},
         "usage": {"billed_units": {"input_tokens": 1, "output_tokens": 2}, "tokens": {"input_tokens": 4.0}}},
        (None, 4, 2, "MAX_TOKENS"),
    ),
    "mistral": (
        "/v1/chat/completions",
        {"model": "mistral-x", "choices": [{"finish_reason": "model_length"}],
         "usage": {"prompt_tokens": 4, "completion_tokens": 2, "num_cached_tokens": 1}},
        ("mistral-x", 4, 2, "model_length"),
    ),
    "vllm": (
        "/v1/chat/completions",
        {"model": "m", "choices": [{"finish_reason": "stop", "stop_reason": None}], "prompt_logprobs": None,
         "usage": {"prompt_tokens": 4, "completion_tokens": 2, "prompt_tokens_details": None}},
        ("m", 4, 2, "stop"),
    ),
    "llama.cpp": (
        "/completion",
        {"content": "a", "model": "m.gguf", "stop": True, "stop_type": "limit", "tokens_evaluated": 4,
         "tokens_predicted": 2},
        ("m.gguf", 4, 2, "limit"),
    ),
    "openrouter": (
        "/api/v1/chat/completions",
        {"model": "openai/gpt-x", "provider": "OpenAI", "usage": {"prompt_tokens": 4, "completion_tokens": 2},
         "choices": [{"finish_reason": "stop", "native_finish_reason": "STOP", "error": None}]},
        ("openai/gpt-x", 4, 2, "stop"),
    ),
    "bedrock converse": (
        "/model/m/converse",
        {"output": {"message": {"content": []}}, "stopReason": "guardrail_intervened",
         "usage": {"inputTokens": 4, "outputTokens": 2, "totalTokens": 6}},
        (None, 4, 2, "guardrail_intervened"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("service", SERVICES)
def test_whole_response_of_every_service_is_read(service: str) -> None:
    path, body, expected = SERVICES[service]
    assert operation_of("POST", path) is not None
    for text in json.dumps(body), json.dumps(body, indent=2):
        for kind, size in ("application/json", 1 << 20), ("text/plain", 7), ("", 1):
            ended = final(text.encode(), kind, size)
            names = ("response_model", "input_tokens", "output_tokens", "finish_reason")
            assert tuple(ended[name] for name in names) == expected
            assert (ended["status"], ended["error"], ended["stream"]) == ("completed", None, False)
