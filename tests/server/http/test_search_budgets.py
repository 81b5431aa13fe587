"""Searches are bounded: the length of a pattern, the number of streams, the time, and the life of a request."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.waiting import PATIENCE

from jupyter_logstream.server import params
from jupyter_logstream.server.http import logs
from jupyter_logstream.store.queries.budget import SearchCancelled

if TYPE_CHECKING:
    from support.web import Site

ROUTES = ("records", "summary", "marks", "matches")


async def test_long_pattern_is_refused_by_name_on_every_route(site: Site) -> None:
    workload_id = await site.run("true")
    routes = [f"v1/workloads/{workload_id}/{route}?" for route in ROUTES] + [f"v1/logs/stream?job_id={workload_id}&"]
    for name in "q", "not":
        for text in "x" * 1001, "/" + "(?:a|b)" * 143 + "/":
            for route in routes:
                answer = await site.request("GET", f"{route}{name}={text}")
                assert (answer.status, answer.json["reason"]) == (400, "invalid_parameter"), route
                assert answer.json["message"].startswith(f"{name} must have at most 1000 characters"), answer.json
    assert (await site.get(f"v1/workloads/{workload_id}/records?q={'x' * 1000}"))["total"] == 0


async def test_patterns_of_many_streams_are_bounded_together(site: Site) -> None:
    workload_id = await site.run("true")
    streams = [{"stream": f"workload/{workload_id}", "id": str(i), "q": f"/{i}{'(?:a|b)' * 100}/"} for i in range(100)]
    answer = await site.request("POST", "v1/events", json={"streams": streams})
    assert (answer.status, answer.json["reason"]) == (400, "invalid_parameter")
    assert str(params.MAX_PATTERNS_CHARS) in answer.json["message"]


async def test_deeply_nested_expression_is_400_or_found_never_500(site: Site) -> None:
    workload_id = await site.run("echo a")
    for q in (
        "/" + "(" * 490 + ")" * 490 + "/",
        "/" + "(" * 498 + "/",
        "/a{99999999999999999999}/",
        "/(?:a{1000}){1000}/",
    ):
        answer = await site.request("GET", f"v1/workloads/{workload_id}/records?q={q}")
        assert answer.status in {200, 400}, (q[:20], answer.body)


async def test_number_of_streams_is_checked_before_they_are_parsed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(params, "parse_stream", lambda _: pytest.fail("a stream was parsed"))
    answer = await site.request("POST", "v1/events", json={"streams": [{"stream": "requests"}] * 50_000})
    assert (answer.status, answer.json["reason"]) == (400, "invalid_parameter")


async def test_search_ends_when_its_client_disconnects(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    workload_id = await site.run("echo a")
    running, ended = threading.Event(), threading.Event()

    def endless(*_: Any, budget: Any, **__: Any) -> None:
        running.set()
        try:
            while True:
                budget.check(1)
        except SearchCancelled:
            ended.set()
            raise

    monkeypatch.setattr(logs, "page", endless)
    writer = await _request(site, f"v1/workloads/{workload_id}/records?q=a")
    assert await asyncio.to_thread(running.wait, PATIENCE)
    writer.close()
    assert await asyncio.to_thread(ended.wait, PATIENCE)


async def _request(site: Site, path: str) -> asyncio.StreamWriter:
    """Send a GET and do not wait for the response."""
    _, writer = await asyncio.open_connection("127.0.0.1", site.port)
    fields = {"Host": f"127.0.0.1:{site.port}", **site.headers}
    head = f"GET {site.base_url}logstream/{path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items())
    writer.write(head.encode() + b"\r\n")
    await writer.drain()
    return writer
