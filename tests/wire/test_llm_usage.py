"""LLM usage read from bodies as they pass: any API form, any chunks, bounded memory."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from typing import Any

import pytest

from jupyter_logstream.wire.json_scan import JsonScanner, Paths
from jupyter_logstream.wire.llm_dialects import Tokens, tokens_of
from jupyter_logstream.wire.llm_operations import Operation, operation_of, provider_of
from jupyter_logstream.wire.llm_usage import RequestReader, ResponseReader

WANTED = Paths(("model",), ("usage",), ("message", "model"), ("message", "usage"))
DOCUMENT = {
    "a": [1, {"model": "not this"}, "]}", [[{"usage": 1}]]],
    "model": 'quoted \\" name \u2603',
    "message": {"content": {"model": "nor this"}, "model": "inner", "usage": {"deep": [{"x": "}"}, 2]}},
    "text": '"model": "nor this", {[\\',
    "usage": {"input_tokens": 1, "nested": {"y": [1, 2]}},
}
FOUND = {
    ("model",): DOCUMENT["model"],
    ("usage",): DOCUMENT["usage"],
    ("message", "model"): "inner",
    ("message", "usage"): DOCUMENT["message"]["usage"],  # type: ignore[index]
}


def scan(*pieces: bytes) -> dict[tuple[str, ...], Any]:
    reading = JsonScanner(WANTED)
    for piece in pieces:
        reading.feed(piece)
    return reading.found


@pytest.mark.parametrize("style", [{}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}])
def test_wanted_values_are_found_whatever_the_chunks(style: dict[str, Any]) -> None:
    text = json.dumps(DOCUMENT, **style).encode()
    for size in range(1, len(text) + 1):
        assert scan(*(text[at : at + size] for at in range(0, len(text), size))) == FOUND


@pytest.mark.parametrize("text", ["", "[1, 2]", '"model"', "null", "{", '{"model"', '{"model": "x', "}}}", "[{",
    '{"model":}',
                                  "data: x", '{"model":"x"', "\0\xff", '{"model": [1,}', "{" * 100_000,
                                      '{"a":' * 5000])  # fmt: skip
def test_invalid_or_truncated_json_yields_nothing(text: str) -> None:
    assert scan(text.encode("latin-1")) == {}


def test_a_megabyte_of_prompt_is_not_held() -> None:
    reading = RequestReader()
    piece = json.dumps("x" * 1_000_000)[1:-1].encode()
    reading.feed(b'{"messages":[{"content":"')
    tracemalloc.start()
    for _ in range(20):
        reading.feed(piece)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    reading.feed(b'"}],"model":"tiny","stream":true}')
    assert (reading.model, reading.stream) == ("tiny", True)
    assert peak < 100_000


def test_too_long_value_is_dropped() -> None:
    assert scan(b'{"usage": {"x": "' + b"y" * 100_000 + b'"}, "model": "m"}') == {("model",): "m"}


@pytest.mark.parametrize(("method", "path", "name", "provider"), [
    ("POST", "/v1/chat/completions", "chat", "openai"), ("POST", "chat/completions/", "chat", "openai"),
    ("POST", "/openai/deployments/x/chat/completions", "chat", "openai"), ("POST", "/v1/completions",
        "text_completion", "openai"),
    ("POST", "/v1/responses", "chat", "openai"), ("POST", "/v1/embeddings", "embeddings", "openai"),
    ("POST", "/v1/messages", "chat", "anthropic"),
])  # fmt: skip
def test_llm_call_is_recognized_by_its_path(method: str, path: str, name: str, provider: str) -> None:
    assert operation_of(method, path) == Operation(name, provider)


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/chat/completions"), ("POST", "/v1/messages/batches"),
    ("POST", ""),
                                              ("POST", "/v1/models"), ("POST", "/mychat/notcompletions")])  # fmt: skip
def test_other_calls_are_no_llm_calls(method: str, path: str) -> None:
    assert operation_of(method, path) is None


@pytest.mark.parametrize(("host", "provider"), [
    ("api.openai.com", "openai"), ("x.openai.azure.com", "azure.ai.openai"), ("api.mistral.ai", "mistral_ai"),
    ("api.groq.com", "groq"), ("localhost", "form"), ("evilopenai.com", "form"), ("api.x.ai", "x_ai"),
])  # fmt: skip
def test_provider_is_recognized_by_host_else_by_api_form(host: str, provider: str) -> None:
    assert provider_of(host, Operation("chat", "form")) == provider


@pytest.mark.parametrize(("usage", "tokens"), [
    ({"prompt_tokens": 9, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}, Tokens(9, 5, 4)),
    ({"input_tokens": 9, "output_tokens": 5, "input_tokens_details": {"cached_tokens": 0}}, Tokens(9, 5, 0)),
    ({"input_tokens": 3, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 2, "output_tokens": 5},
        Tokens(9, 5, 4, 2)),
    ({"prompt_tokens": 9, "total_tokens": 9}, Tokens(9)), ({}, Tokens()),
    ({"prompt_tokens": "9", "completion_tokens": -1, "prompt_tokens_details": None}, Tokens()),
        ({"input_tokens": True}, Tokens()),
])  # fmt: skip
def test_every_form_of_usage_is_parsed(usage: dict[str, Any], tokens: Tokens) -> None:
    assert tokens_of(usage) == tokens


CHUNK = {"id": "1", "model": "tiny-1", "choices": [{"delta": {"content": 'a "word" \u2603'}, "finish_reason": None}]}
USAGE = {"prompt_tokens": 9, "completion_tokens": 2}
ENDED = [CHUNK, {**CHUNK, "choices": [{"finish_reason": "stop"}]}, {**CHUNK, "choices": [], "usage": USAGE}]


def stream(*events: Any, end: str = "\n") -> bytes:
    lines = [f"data: {event if isinstance(event, str) else json.dumps(event)}{end}{end}" for event in events]
    return "".join(lines).encode()


def read(
    data: bytes, size: int = 1 << 20, encoding: str = "", kind: str = "text/event-stream; charset=utf-8"
) -> ResponseReader:
    reader = ResponseReader(kind, encoding)
    for at in range(0, len(data), size):
        reader.feed(data[at : at + size])
    reader.end()
    return reader


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_stream_yields_model_tokens_and_end_whatever_the_chunks(end: str) -> None:
    data = stream(*ENDED, "[DONE]", end=end)
    for size in range(1, len(data) + 1):
        reader = read(data, size)
        assert (reader.model, reader.tokens, reader.ended, reader.error) == ("tiny-1", Tokens(9, 2), True, None)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_compressed_stream_is_read_and_a_corrupt_one_ignored(encoding: str) -> None:
    data = (gzip.compress if encoding == "gzip" else zlib.compress)(stream(*ENDED, "[DONE]"))
    for size in 1, 7, 1 << 20:
        assert read(data, size, encoding).tokens == Tokens(9, 2)
    broken = read(b"\x1f\x8bnonsense", encoding=encoding)
    assert (broken.tokens, broken.complete) == (Tokens(), True)
    assert read(data, encoding="br").complete


def test_decompression_bomb_is_not_inflated() -> None:
    reader = ResponseReader("text/event-stream", "gzip")
    bomb = gzip.compress(b"data: " + b"0" * 200_000_000, 9)
    tracemalloc.start()
    reader.feed(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000
    assert reader.complete  # an unread body counts as complete


def test_endless_line_is_not_held_in_memory() -> None:
    reader = ResponseReader("text/event-stream")
    tracemalloc.start()
    for _ in range(50):
        reader.feed(b"data: " + b"x" * 1_000_000)
    assert tracemalloc.get_traced_memory()[1] < 3_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(("events", "ended"), [
    ([CHUNK], False), ([], False), ([CHUNK, "[DONE]"], True), (["not json", "[DONE]"], True), (ENDED[:2], True),
    ([{"type": "message_delta", "usage": {"output_tokens": 1}}], False), ([{"type": "message_stop"}], True),
    ([{"type": "response.completed", "response": {"model": "m"}}], True), (["{", "}", "]["], False),
])  # fmt: skip
def test_stream_has_ended_only_with_an_end_marker(events: list[Any], ended: bool) -> None:
    assert read(stream(*events)).ended is ended


def test_event_of_several_lines_and_unknown_fields_is_read() -> None:
    data = b': hello\nevent: x\nid: 1\ndata: {"model":\ndata:  "m"}\n\ndat\ndata\n\nretry: 1\n\ndata:[DONE]\n\n'
    for size in range(1, len(data) + 1):
        reader = read(data, size)
        assert (reader.model, reader.ended) == ("m", True)


@pytest.mark.parametrize(("body", "error"), [
    ({"error": {"message": "no", "type": "t"}}, "no"), ({"error": "no"}, "no"), ({"detail": "no"}, "no"),
        ({"error": None}, None),
    ({"message": "no"}, "no"), ({"type": "error", "error": {"type": "overloaded"}}, "overloaded"), ({"error": 5}, None),
])  # fmt: skip
def test_error_message_is_read_from_any_form(body: dict[str, Any], error: str | None) -> None:
    assert read(json.dumps(body).encode(), kind="application/json").error == error
    if "error" in body:
        assert read(stream(body)).error == error


def test_anthropic_tokens_combine_the_start_and_end_of_the_stream() -> None:
    usage = {"input_tokens": 3, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 2, "output_tokens": 1}
    start = {"type": "message_start", "message": {"model": "claude", "content": [], "usage": usage}}
    reader = read(
        stream(start, {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 7}}, {"type": "message_stop"})
    )
    assert (reader.model, reader.tokens, reader.ended) == ("claude", Tokens(9, 7, 4, 2), True)
