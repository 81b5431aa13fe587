"""Field cases of LLM services through the proxy: bytes pass unchanged, and the row of the call is right."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest
from support.llm_bodies import CONTENT, EVENTS, LINES, ndjson, sse
from support.proxy_calls import row
from support.upstream import Visit, upstream

CHAT = "proxy/llm/v1/chat/completions"
PRICES = {"*": {"input": 1.0, "cached": 0.5, "output": 10.0}}
EXCEEDS = json.dumps({"error": {"code": 400, "message": "prompt of 20011 tokens exceeds 8192"}}).encode()
DIED = {"error": {"message": "engine died", "code": 500}}
START = {"type": "message_start", "message": {"model": "claude", "usage": {"input_tokens": 3, "output_tokens": 1}}}
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
INCOMPLETE = {"incomplete_details": {"reason": "max_output_tokens"}, "usage": {"input_tokens": 5, "output_tokens": 3}}
FAILED = {"type": "response.failed", "response": {"error": {"message": "sorry"}, "usage": None}}
PART = {"model": "q:7b", "message": {"content": "a"}, "done": False}
END = {"model": "q:7b", "done": True, "done_reason": "stop", "prompt_eval_count": 33, "eval_count": 12}


async def call(serve: Any, body: bytes, kind: str = EVENTS, path: str = CHAT, headers: str = "") -> dict[str, Any]:
    """The row of a call with this response, whose bytes must reach the caller."""

    async def script(visit: Visit) -> None:
        await visit.read_body()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n{headers}\r\n"
        await visit.send(head.encode(), body)
        visit.writer.close()

    async with upstream(script) as up:
        site = await serve(upstreams={"llm": {"url": up.url, "prices": PRICES}})
        answer = await site.request("POST", path, json={"model": "m", "stream": True})
        assert (answer.status, answer.body) == (200, body)
        found = await row(site)
        stats = (await site.get("v1/requests/stats"))["totals"]
        assert (stats["requests"], stats["errors"], stats["active"]) == (
            1,
            int(found["status"] in {"error", "interrupted"}),
            0,
        )
        return found


@pytest.mark.parametrize(("body", "kind", "path", "message"), [
    (EXCEEDS, EVENTS, CHAT, "exceeds 8192"),
    (b"data: " + EXCEEDS, EVENTS, CHAT, "exceeds 8192"),
    (sse(CONTENT, CONTENT, DIED, b"[DONE]"), EVENTS, CHAT, "engine died"),
    (sse(START) + b"event: error\n" + sse(OVERLOADED), EVENTS, "proxy/llm/v1/messages", "Overloaded"),
    (sse(FAILED), EVENTS, "proxy/llm/v1/responses", "sorry"),
    (ndjson(PART, PART, {"error": "model runner stopped"}), LINES, "proxy/llm/api/chat", "model runner stopped"),
])  # fmt: skip
async def test_error_in_a_200_is_the_calls_error(serve: Any, body: bytes, kind: str, path: str, message: str) -> None:
    found = await call(serve, body, kind, path)
    assert (found["status"], found["http_status"], found["output_tokens"]) == ("error", 200, None)
    assert message in found["error"]


async def test_stream_that_is_cut_is_interrupted(serve: Any) -> None:
    found = await call(serve, sse(CONTENT, CONTENT))
    assert (found["status"], found["http_status"], found["output_tokens"]) == ("interrupted", 200, None)


@pytest.mark.parametrize(("body", "kind", "path", "expected"), [
    (sse({"type": "response.incomplete", "response": INCOMPLETE}), EVENTS, "proxy/llm/v1/responses",
     (5, 3, None, "max_output_tokens")),
    (ndjson(PART, PART, PART, END), LINES, "proxy/llm/api/chat", (33, 12, None, "stop")),
    (ndjson(PART, {**END, "prompt_eval_count": None}), LINES, "proxy/llm/api/chat", (None, 12, None, "stop")),
    (json.dumps({"model": "m", "usage": {"prompt_tokens": 12006, "completion_tokens": 9,
                 "prompt_tokens_details": {"cached_tokens": 11904}}}).encode(), "application/json", CHAT,
     (12006, 9, 11904, None)),
])  # fmt: skip
async def test_tokens_reason_and_cost_of_an_answer(
    serve: Any, body: bytes, kind: str, path: str, expected: tuple[Any, ...]
) -> None:
    found = await call(serve, body, kind, path)
    names = ("input_tokens", "output_tokens", "cached_tokens", "finish_reason")
    assert (found["status"], tuple(found[name] for name in names)) == ("completed", expected)
    total, output, cached, _ = expected
    cost = None if total is None else (total - (cached or 0) + (cached or 0) * 0.5 + output * 10) / 1e6
    assert found["cost_usd"] == (None if cost is None else pytest.approx(cost))


async def test_compressed_body_that_inflates_to_megabytes_is_read(serve: Any) -> None:
    parts = [{**CONTENT, "id": f"chatcmpl-{number * 2654435761 % 2**32:08x}"} for number in range(20_000)]
    body = gzip.compress(sse(*parts, {**CONTENT, "usage": {"prompt_tokens": 9, "completion_tokens": 5}}, b"[DONE]"))
    found = await call(serve, body, headers="Content-Encoding: gzip\r\n")
    assert (found["status"], found["input_tokens"], found["output_tokens"]) == ("completed", 9, 5)


async def test_comments_are_no_first_chunk_and_the_last_usage_counts(serve: Any) -> None:
    silence, more = 0.5, asyncio.Event()
    used = [{**CONTENT, "usage": {"prompt_tokens": 10, "completion_tokens": count}} for count in (1, 2, 3)]
    last = {"choices": [{"index": 0, "delta": {}}], "usage": {"prompt_tokens": 10, "completion_tokens": 4}}
    empty = {"id": "", "model": "", "choices": [], "prompt_filter_results": []}
    events = sse(empty, *used, {"choices": [{"index": 0, "content_filter_offsets": {}}], "model": ""}, last, b"[DONE]")

    async def script(visit: Visit) -> None:
        await visit.read_body()
        await visit.begin_events()
        await visit.chunk(b": PROCESSING\n\n")
        await more.wait()
        await visit.chunk(events)
        await visit.chunk(b"")

    async with upstream(script) as up:
        site = await serve(upstreams={"llm": up.url})
        stream = await site.stream(CHAT, "POST", json={"model": "m-1", "stream": True})
        await stream.until(lambda s: s.raw, 30)
        (waiting,) = (await site.get("v1/requests"))["requests"]
        assert waiting["time_to_first_chunk_ms"] is None
        await asyncio.sleep(silence)
        more.set()
        await stream.rest()
        assert bytes(stream.raw) == b": PROCESSING\n\n" + events
        found = await row(site)
        assert found["time_to_first_chunk_ms"] >= silence * 1000
        names = ("status", "input_tokens", "output_tokens", "response_model", "cost_usd")
        assert [found[name] for name in names] == ["completed", 10, 4, "m-1", None]
