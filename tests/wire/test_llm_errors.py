"""Errors that an LLM service reports inside a 200: in any spelling and form, also in the middle of a stream."""

from __future__ import annotations

import json

import pytest
from support.llm_bodies import CONTENT, EVENTS, LINES, final, ndjson, sse

EXCEEDS = {"error": {"code": 400, "message": "prompt of 20011 tokens exceeds 8192"}}
DIED = {"error": {"message": "engine died", "code": 500}}
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
START = {"type": "message_start", "message": {"model": "claude", "usage": {"input_tokens": 3, "output_tokens": 1}}}
RAW = json.dumps(EXCEEDS).encode()


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (RAW, EVENTS, "exceeds 8192"),
        (b"data: " + RAW, EVENTS, "exceeds 8192"),
        (b"data:" + RAW + b"\r\n\r\n", EVENTS, "exceeds"),
        (b"[" + RAW + b"]", EVENTS, "exceeds"),
        (json.dumps(EXCEEDS, indent=2).encode(), EVENTS, "exceeds"),
        (RAW, "application/json", "exceeds"),
        (RAW, "text/plain", "exceeds"),
        (RAW, "", "exceeds"),
        (b"error: " + RAW + b"\n\n", EVENTS, "exceeds"),
        (b'error: {"code":500,"message":"no slot"}\n\n', EVENTS, "no slot"),
        (sse(CONTENT, CONTENT, DIED, b"[DONE]"), EVENTS, "engine died"),
        (sse(CONTENT) + json.dumps(DIED).encode(), EVENTS, "engine died"),
        (sse(CONTENT) + b"data: " + json.dumps(DIED).encode(), EVENTS, "engine died"),
        (sse(CONTENT) + b'data: {"choices":[{"del\n' + json.dumps(DIED).encode() + b"\n", EVENTS, "engine died"),
        (sse(START) + b"event: error\n" + sse(OVERLOADED), EVENTS, "Overloaded"),
        (sse(START) + b"event: error\ndata: upstream broke\n\n", EVENTS, "upstream broke"),
        (sse(CONTENT) + b'event: error\ndata: {"message": "slow down"}\n\n', EVENTS, "slow down"),
        (sse({"type": "response.failed", "response": {"error": None, "usage": None}}), EVENTS, "response.failed"),
        (
            sse(
                {
                    "type": "response.failed",
                    "response": {"error": {"code": "server_error", "message": "sorry"}, "usage": None},
                }
            ),
            EVENTS,
            "sorry",
        ),
        (sse({"type": "error", "code": "e1", "message": "bad thing", "param": None}), EVENTS, "bad thing"),
        (sse({"object": "error", "message": "too long", "type": "BadRequestError", "code": 400}), EVENTS, "too long"),
        (
            sse({"choices": [{"delta": {}, "finish_reason": "error", "error": {"message": "provider died"}}]}),
            EVENTS,
            "provider died",
        ),
        (sse(CONTENT, {"error": "plain text"}), EVENTS, "plain text"),
        (sse({"error": {"code": 503}}), EVENTS, "503"),
        (sse({"error": {"error": {"message": "nested"}}}), EVENTS, "nested"),
        (sse({"errors": [{"message": "first"}]}), EVENTS, "first"),
        (sse({"detail": [{"msg": "field required"}]}), EVENTS, "field required"),
        (b'{"detail": "not here"}', "application/json", "not here"),
        (
            ndjson({"model": "q", "message": {"content": "a"}, "done": False}, {"error": "model runner stopped"}),
            LINES,
            "runner stopped",
        ),
        (
            ndjson([{"candidates": [{"content": {}}]}, {"error": {"code": 429, "message": "quota"}}]),
            "application/json",
            "quota",
        ),
        (
            sse({"type": "message-end", "delta": {"error": "cohere failed", "finish_reason": "ERROR"}}),
            EVENTS,
            "cohere failed",
        ),
        (sse(CONTENT, {"error": True, "message": "engine died"}), EVENTS, "engine died"),
        (sse(CONTENT, {"error": {"reason": {"id": "E7"}}}), EVENTS, "E7"),
        (sse(CONTENT, {"error": {"message": None, "code": "rate_limited"}}), EVENTS, "rate_limited"),
        (sse(CONTENT, {"errors": ["one", "two"]}), EVENTS, "one"),
        (sse(CONTENT, {"status": "error", "message": "slow down"}), EVENTS, "slow down"),
        (sse(CONTENT, b"[ERROR] engine died"), EVENTS, "engine died"),
        (sse(CONTENT, b"Error: engine died"), EVENTS, "engine died"),
        (b"upstream connect error", EVENTS, "upstream connect error"),
        (b": ping\n\nInternal Server Error\nno more\n", EVENTS, "Internal Server Error"),
        (sse(CONTENT) + b'event: error\ndata: "boom"\n\n', EVENTS, "boom"),
        (sse(CONTENT) + b"event: error\ndata:\n\n", EVENTS, "error"),
        (sse(CONTENT, DIED).replace(b"\n", b"\r"), EVENTS, "engine died"),
        (b"\x1e" + json.dumps(DIED).encode() + b"\n", "application/json-seq", "engine died"),
        (sse(CONTENT) + b'data: {"message": "slow down"}\nevent: error\n\n', EVENTS, "slow down"),
        (sse(CONTENT) + b"event: stream_error\n" + sse({"detail": "lost"}), EVENTS, "lost"),
        (b'{"code": "InvalidParameter", "error_msg": "too long"}', "application/json", "too long"),
        (b'{"fault": {"faultstring": "quota exceeded"}}', "application/json", "quota exceeded"),
        (b'{"Message": "User is not authorized"}', "application/json", "not authorized"),
        (b'  \n{"error":\n {"message":\n "split over lines"}}\n', EVENTS, "split over lines"),
    ],
)
def test_error_inside_a_200_makes_the_call_an_error_with_its_message(body: bytes, kind: str, message: str) -> None:
    for size in 1 << 20, 1, 7:
        ended = final(body, kind, size)
        assert (ended["status"], ended["http_status"], ended["output_tokens"]) == ("error", 200, None)
        assert message in ended["error"]


@pytest.mark.parametrize(
    "body",
    [
        sse(
            CONTENT,
            {"choices": [{"delta": {"content": '"error": {"message": "x"}'}, "finish_reason": "stop"}]},
            b"[DONE]",
        ),
        sse({**CONTENT, "error": None}, {**CONTENT, "error": {}}, {**CONTENT, "error": ""}, b"[DONE]"),
        json.dumps({"model": "m", "message": "all is well", "usage": {"prompt_tokens": 1}}).encode(),
        json.dumps({"id": "r", "object": "response", "status": "completed", "error": None, "model": "m"}).encode(),
    ],
)
def test_answer_that_speaks_of_errors_is_no_error(body: bytes) -> None:
    assert final(body, "")["status"] == "completed"


def test_stream_of_ids_and_comments_only_is_interrupted() -> None:
    for size in 1 << 20, 1:
        ended = final(b"id: 1\nretry: 5\n: ping\nevent\ndata\n\n", size=size)
        assert (ended["status"], ended["error"]) == (
            "interrupted",
            "incomplete: the stream ended without its end marker",
        )
