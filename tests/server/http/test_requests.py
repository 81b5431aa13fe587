"""The request log over HTTP: pages, filters, figures, rows of kernels, details, redaction."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from support.proxy_calls import record, row
from support.upstream import Visit, upstream

FIELDS = {
    *("id", "status", "initial_time", "duration_ms", "time_to_first_chunk_ms", "upstream", "method", "path",
        "http_status"),
    *("provider", "model", "response_model", "operation", "input_tokens", "output_tokens", "cached_tokens", "cost_usd"),
    *("stream", "session", "workload_id", "cell", "error", "request_bytes", "response_bytes"),
    *("finish_reason", "cache_creation_tokens", "reasoning_tokens"),
}  # fmt: skip


async def test_pages_are_newest_first_and_miss_nothing(site: Any) -> None:
    made = [await record(site, model=f"m{number}") for number in range(25)]
    found, before = [], ""
    while True:
        page = await site.get(f"v1/requests?limit=10{before}")
        found += page["requests"]
        if page["next"] is None:
            break
        before = f"&before={page['next']}"
    assert [one["id"] for one in found] == made[::-1]
    assert all(set(one) == FIELDS for one in found)
    assert (await site.get("v1/requests?limit=25"))["next"] is None


async def test_filters_select_rows(site: Any) -> None:
    await record(site, provider="openai", model="gpt-4o", response_model="gpt-4o-2024", status="completed")
    await record(
        site, provider="anthropic", model="claude", status="error", error="Overloaded, Try again", path="/v1/x"
    )
    await record(site, status="pending")

    async def count(query: str) -> int:
        return len((await site.get(f"v1/requests?{query}"))["requests"])

    for query, wanted in {
        "": 3, "provider=openai": 1, "model=gpt-4o": 1, "model=gpt-4o-2024": 1, "model=gpt": 0, "status=error": 1,
        "status=error,pending": 2, "q=overLOADED": 1, "q=v1%2Fx": 1, "q=none": 0, "provider=openai&status=error": 0,
    }.items():  # fmt: skip
        assert await count(query) == wanted, query


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "status=odd", "before=a%2Fb", "nonsense=1", "limit=1&limit=2"]
)
async def test_an_invalid_parameter_is_400(site: Any, query: str) -> None:
    answer = await site.request("GET", f"v1/requests?{query}")
    assert answer.status == 400
    assert answer.json["reason"] in {"invalid_parameter", "unknown_parameter"}


async def test_a_kernel_records_a_row_and_changes_it_until_it_is_final(site: Any) -> None:
    kernel = site.with_headers(Authorization=f"Bearer {site.services.secret}")
    row_id = await record(
        kernel, model="gpt-4o", method="POST", path="/x", session="nb", workload_id="01X", cell="c", stream=True
    )
    first = await site.get(f"v1/requests/{row_id}")
    assert (first["status"], first["upstream"], first["session"], first["detail"]) == ("pending", None, "nb", {})
    for fields, wanted in [
        ({"status": "streaming", "http_status": 200}, {"status": "streaming", "http_status": 200}),
        ({"input_tokens": 1_000_000, "output_tokens": 100_000}, {"cost_usd": 3.5}),
        ({"status": "completed", "cost_usd": 7}, {"cost_usd": 7, "status": "completed"}),
    ]:
        answer = await kernel.request("PATCH", f"v1/requests/{row_id}", json=fields)
        assert answer.status == 200
        assert {name: answer.json[name] for name in wanted} == wanted
    assert answer.json["duration_ms"] >= 0
    refused = await kernel.request("PATCH", f"v1/requests/{row_id}", json={"status": "error"})
    assert (refused.status, refused.json["reason"]) == (409, "ended")
    assert (await kernel.request("PATCH", "v1/requests/none", json={})).status == 404


async def test_the_same_key_records_one_row(site: Any) -> None:
    first = await site.request("POST", "v1/requests", json={"key": "k"})
    again = await site.request("POST", "v1/requests", json={"key": "k"})
    assert (first.status, again.status, again.json["id"]) == (201, 200, first.json["id"])


@pytest.mark.parametrize("fields", [
    {"id": "x"}, {"upstream": "llm"}, {"odd": 1}, {"status": "interrupted"}, {"status": "odd"}, {"status": []},
        {"model": 5},
    {"input_tokens": -1}, {"input_tokens": 1.5}, {"input_tokens": True}, {"cost_usd": "1"}, {"stream": 1},
        {"http_status": 5},
    {"method": "GET $(touch x) #"}, {"method": "get"}, {"method": ""}, {"method": "A" * 21}, {"method": "GET\n"},
    {"workload_id": "a/b"}, {"initial_time": -1}, {"key": ""}, {"key": 5}, {"duration_ms": 1e300},
])  # fmt: skip
async def test_a_wrong_field_is_422_and_named(site: Any, fields: dict[str, Any]) -> None:
    answer = await site.request("POST", "v1/requests", json=fields)
    assert (answer.status, answer.json["reason"]) == (422, "invalid_field")
    assert next(iter(fields)) in answer.json["message"]
    assert (await site.get("v1/requests"))["requests"] == []


async def test_a_kernel_cannot_change_the_row_of_a_proxied_call(serve: Any) -> None:
    async with upstream() as up:
        site = await serve(upstreams={"llm": up.url})
        await site.request("GET", "proxy/llm/a")
        answer = await site.request("PATCH", f"v1/requests/{(await row(site))['id']}", json={"cost_usd": 0})
        assert (answer.status, answer.json["reason"]) == (409, "not_recorded")


async def test_figures_cover_all_calls_or_those_since_a_time(site: Any) -> None:
    now = int(time.time() * 1000)
    await record(
        site,
        initial_time=now - 3000,
        provider="p",
        model="m",
        status="completed",
        duration_ms=5,
        input_tokens=3,
        output_tokens=1,
    )
    await record(site, initial_time=now - 2000, provider="p", model="m", status="error", duration_ms=9)
    await record(site, session="s")
    everything = await site.get("v1/requests/stats")
    totals = everything["totals"]
    assert (totals["requests"], totals["errors"], totals["active"], totals["input_tokens"]) == (3, 1, 1, 3)
    assert totals["duration_ms"] == {"p50": 5, "p95": 9}
    assert (everything["by_provider"]["p"]["requests"], everything["by_model"]["m"]["errors"]) == (2, 1)
    assert everything["active_sessions"] == 1
    assert (await site.get(f"v1/requests/stats?since={now - 2500}"))["totals"]["requests"] == 2
    assert (await site.request("GET", "v1/requests/stats?since=x")).status == 400


async def test_clearing_deletes_rows_and_running_calls_continue(serve: Any) -> None:
    async def script(visit: Visit) -> None:
        await visit.begin_events()
        await visit.chunk(b"data: one\n\n")
        await go_on.wait()
        await visit.chunk(b"data: two\n\n")
        await visit.chunk(b"")

    go_on = asyncio.Event()
    async with upstream(script) as up:
        site = await serve(upstreams={"llm": up.url})
        stream = await site.stream("proxy/llm/a")
        await stream.until(lambda s: s.events)
        assert (await site.request("DELETE", "v1/requests")).status == 204
        go_on.set()
        await stream.rest()
        assert [event.data for event in stream.events] == ["one", "two"]
        assert (await site.get("v1/requests"))["requests"] == []


KEY = "a-vendors-key-of-no-known-form"


async def test_a_key_is_redacted_in_header_query_path_error_and_bodies(serve: Any) -> None:
    async def script(visit: Visit) -> None:
        body = json.dumps(
            {"error": {"message": f"Incorrect API key {KEY}"}, "access_token": "short", "echo": KEY}
        ).encode()
        await visit.read_body()
        await visit.answer(
            body, "401 Unauthorized", f"Content-Type: application/json\r\nX-Echo: {KEY}\r\nX-Auth-Token: abc\r\n"
        )

    async with upstream(script) as up:
        site = await serve(
            upstreams={"llm": {"url": up.url, "headers": {"X-Key": "the-configured-key"}}}, request_bodies=1000
        )
        me = site.with_headers(x_api_key=site.services.secret, Authorization=f"Bearer {KEY}")
        body = json.dumps({"model": "m", "api_key": KEY, "password": "p", "text": "hello"}).encode()
        await me.request(
            "POST", f"proxy/llm/{KEY}/chat/completions?key={KEY}&x=1", body, {"Content-Type": "application/json"}
        )
        stored = await row(site)
        assert stored["error"] == "Incorrect API key ***"
        assert stored["path"] == "/***/chat/completions"
        whole = await site.get(f"v1/requests/{stored['id']}")
        detail = whole["detail"]
        assert ["Authorization", "***"] in detail["request_headers"]
        assert ["X-Key", "***"] in detail["request_headers"]
        assert ["X-Echo", "***"] in detail["response_headers"]
        assert detail["query"] == "key=***&x=1"
        assert json.loads(detail["request_body"]["text"]) == {
            "model": "m",
            "api_key": "***",
            "password": "***",
            "text": "hello",
        }
        assert json.loads(detail["response_body"]["text"])["access_token"] == "***"
        everywhere = json.dumps(whole) + json.dumps(await site.get("v1/requests"))
        everywhere += "".join(
            path.read_bytes().decode("latin-1") for path in (site.services.store.root / "requests").iterdir()
        )
        for canary in KEY, site.services.secret, "the-configured-key", site.headers["Authorization"].split()[1]:
            assert canary not in everywhere


async def test_bodies_are_retained_only_if_configured_and_up_to_the_limit(serve: Any) -> None:
    async with upstream() as up:
        for keep in 0, 100:
            site = await serve(upstreams={"llm": up.url}, request_bodies=keep)
            await site.request("POST", "proxy/llm/a", b"b" * 90)
            await site.request("POST", "proxy/llm/a", b"b" * 50_000)
            details = [(await site.get(f"v1/requests/{(await row(site, n))['id']}"))["detail"] for n in (1, 0)]
            if keep == 0:
                assert all("request_body" not in detail and "response_body" not in detail for detail in details)
            else:
                assert details[0]["request_body"] == {"text": "b" * 90, "bytes": 90, "whole": True}
                assert details[1]["request_body"] == {"text": "b" * 100, "bytes": 50_000, "whole": False}
                assert details[1]["response_body"]["bytes"] > 50_000
            await site.stop()


@pytest.mark.parametrize("body", [b"", b"data: {\n\ndata: ]\n\n", b'data: {"model": "m"}\n\n', b"\xff\xfe\0" * 50])
async def test_a_stream_without_an_end_passes_unchanged_and_is_recorded_as_incomplete(serve: Any, body: bytes) -> None:
    async def script(visit: Visit) -> None:
        await visit.read_body()
        await visit.begin_events()
        if body:
            await visit.chunk(body)
        await visit.chunk(b"")

    async with upstream(script) as up:
        site = await serve(upstreams={"llm": up.url})
        stream = await site.stream("proxy/llm/v1/chat/completions", "POST", b'{"model": "m", "stream": true}')
        await stream.rest()
        assert (bytes(stream.raw), stream.whole) == (body, True)
        stored = await row(site)
        assert (stored["status"], stored["http_status"], stored["model"]) == ("interrupted", 200, "m")
        assert stored["error"].startswith("incomplete")
