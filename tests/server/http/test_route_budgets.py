"""Every route in one table: action, XSRF check, bounds of request bodies and of answers; checked on the live routes."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from support.logged_in import browser
from support.route_table import ACTIONS, BODIES, JSON, QUERIES, is_error, request, table

from jupyter_logstream.server.http.base import MAX_BODY_BYTES
from jupyter_logstream.server.http.json_page import MAX_PAGE_BYTES

if TYPE_CHECKING:
    from support.web import Site

SAFE = {"GET", "HEAD", "OPTIONS"}
MIB = 1 << 20
ONE_WORKLOAD = 12 * MIB  # its command and tags, each bounded by what a process can be started with
ONE_RECORD = 12 * MIB  # its fields, bounded by the body that published them
PAGE = MAX_PAGE_BYTES + 64 * 1024


@dataclass(frozen=True)
class Budget:
    """What a route and method may cost. `answer_bytes` None: streamed without being held, whatever its size."""

    action: str
    needs_xsrf: bool
    body_bytes: int | None
    answer_bytes: int | None


ANSWERS: dict[tuple[str, str], int | None] = {
    ("v1/info", "GET"): 64 * 1024,
    ("v1/workloads", "GET"): PAGE + ONE_WORKLOAD,
    ("v1/workloads/ID", "GET"): ONE_WORKLOAD,
    ("v1/workloads/ID", "DELETE"): 0,
    ("v1/workloads/ID/input", "POST"): 0,
    ("v1/workloads/ID/logs", "GET"): None,
    ("v1/workloads/ID/logs", "POST"): 1024,
    ("v1/workloads/ID/records", "GET"): 6 * PAGE + ONE_RECORD,  # a control character has six in JSON
    ("v1/workloads/ID/log.txt", "GET"): None,
    ("v1/workloads/ID/log.txt", "HEAD"): 0,
    ("v1/workloads/ID/export", "GET"): None,
    ("v1/workloads/ID/summary", "GET"): 2 * MIB + ONE_RECORD,
    ("v1/workloads/ID/marks", "GET"): 64 * 1024,
    ("v1/workloads/ID/matches", "GET"): 128 * 1024,
    ("v1/logs/stream", "GET"): None,
    ("v1/events", "GET"): None,
    ("v1/events", "POST"): None,
    ("v1/requests", "GET"): PAGE,
    ("v1/requests", "DELETE"): 0,
    ("v1/requests/stream", "GET"): None,
    ("v1/requests/stats", "GET"): PAGE,
    ("v1/requests/ID", "GET"): MIB,
    ("v1/requests/ID", "PATCH"): 128 * 1024,
    ("v1/requests", "POST"): 128 * 1024,
    ("v1/workloads", "POST"): ONE_WORKLOAD,
    ("v1/workloads/ID/cancel", "POST"): ONE_WORKLOAD,
    ("v1/backends/ID/check", "POST"): MIB,
    ("v1/workloads/ID/result", "GET"): None,
    ("v1/payloads", "POST"): 1024,
    ("mcp", "POST"): 20_000,
}
STREAMED_BODIES = {("v1/payloads", "POST")}  # written to disk as they arrive, up to c.LogStream.max_payload_bytes
TABLE = {
    (path, method): Budget(
        action,
        method not in SAFE,
        None if path.startswith("proxy/") or (path, method) in STREAMED_BODIES else MAX_BODY_BYTES,
        None if path.startswith("proxy/") else ANSWERS[path, method],
    )
    for (path, method), action in ACTIONS.items()
}
OURS = {route: budget for route, budget in TABLE.items() if not route[0].startswith("proxy/")}


def test_table_has_every_route_and_method() -> None:
    assert set(TABLE) == set(table())
    assert set(ANSWERS) == set(OURS)


async def test_write_by_cookie_needs_the_xsrf_token_on_every_route(serve: Any) -> None:
    site = await serve(request_listeners=0, upstreams={"x": "http://127.0.0.1:1"})
    user = await browser(site)
    xsrf = re.search(r"_xsrf=([^;]+)", user.headers["Cookie"])
    assert xsrf
    for (path, method), budget in TABLE.items():
        verb, target, body = request(path, method, "x")
        for wrong in {}, {"X-XSRFToken": "wrong"}, {"Authorization": "Bearer wrong"}, {"Origin": "http://127.0.0.1:1"}:
            answer = await user.request(verb, target, body, {**JSON, **wrong})
            refused = {403, 404} if "Origin" in wrong else {403}
            assert not budget.needs_xsrf or answer.status in refused, (path, method, wrong, answer.status)
        right = await user.request(verb, target, body, {**JSON, "X-XSRFToken": xsrf[1]})
        assert right.status != 403, (path, method, right.body)


async def test_body_beyond_the_bound_is_413_on_every_route_whatever_its_method(serve: Any) -> None:
    site = await serve(request_listeners=0)
    body = b" " * (MAX_BODY_BYTES + 1)
    for path, method in OURS.keys() - STREAMED_BODIES:
        verb, target, _ = request(path, method, "x")
        answer = await site.request(verb, target, body, {**JSON, "Content-Length": str(len(body))})
        assert answer.status == 413, (path, method, answer.status)
        assert is_error(answer)
        anonymous = await site.with_headers().request(verb, target, body, JSON)
        assert anonymous.status == 403, (path, method)


async def publish(site: Site, workload_id: str, *items: Any) -> None:
    answer = await site.request("POST", f"v1/workloads/{workload_id}/logs", json=list(items))
    assert answer.status == 202, answer.body


async def external(site: Site, **spec: Any) -> str:
    answer = await site.request("POST", "v1/workloads", json={"backend": "external", **spec})
    assert answer.status == 201, answer.body
    return str(answer.json["id"])


@pytest.fixture
def heavy(serve: Any, jp_asyncio_loop: asyncio.AbstractEventLoop) -> tuple[Site, str]:
    """A server whose lists, log and request log are as large as requests can make them; and a workload in it."""
    site: Site = jp_asyncio_loop.run_until_complete(serve(request_listeners=0))
    return site, jp_asyncio_loop.run_until_complete(fill(site))


async def fill(site: Site) -> str:
    for _ in range(60):
        await external(site, name="x" * 200, command="y" * 100_000, tags={"t": "z" * 100_000})
    workload_id = await external(site, tags={f"t{i}": "\x01" * 20_000 for i in range(64)})
    for _ in range(5):
        await publish(site, workload_id, *({"message": "\x01" * 60_000, "level": "error"} for _ in range(24)))
    await publish(site, workload_id, *({"message": "m", "fields": {"a": "\x01" * 30_000}} for _ in range(50)))
    await publish(site, workload_id, *({"message": "m", "fields": {"a": "x" * 90_000}} for _ in range(100)))
    await publish(site, workload_id, *({"message": "m", "step": f"{i:03} " + "\N{SNOWMAN}" * 196} for i in range(400)))
    fat = "\x01" * 2000
    for i in range(300):
        fields = {"model": f"{i}{fat}", "provider": f"{i}{fat}", "error": fat, "path": fat, "status": "error"}
        assert (await site.request("POST", "v1/requests", json=fields)).status == 201
    return workload_id


async def test_answer_of_every_route_is_bounded_in_bytes(heavy: tuple[Site, str]) -> None:
    site, workload_id = heavy
    row_id = (await site.get("v1/requests?limit=1"))["requests"][0]["id"]
    largest = {"v1/workloads": "?limit=1000", "v1/requests": "?limit=1000", "v1/workloads/ID/records": "?limit=5000",
               "v1/workloads/ID/summary": "?buckets=1000", "v1/workloads/ID/marks": "?buckets=1000",
               "v1/workloads/ID/matches": "?limit=5000"}  # fmt: skip
    for (path, method), budget in OURS.items():
        if budget.answer_bytes is None or method not in {"GET", "HEAD"}:
            continue
        target = path.replace("ID", row_id if path.startswith("v1/requests") else workload_id) + largest.get(path, "")
        answer = await site.request(method, target)
        assert answer.status == 200, (path, answer.status, answer.body[:200])
        assert len(answer.body) <= budget.answer_bytes, (path, method, len(answer.body))


@pytest.mark.parametrize(
    ("path", "name", "cursor"), [("v1/workloads", "workloads", "after"), ("v1/requests", "requests", "before")]
)
async def test_pages_that_end_at_their_bytes_lead_to_every_item_once(
    heavy: tuple[Site, str], path: str, name: str, cursor: str
) -> None:
    site, _ = heavy
    ids, pages, following = [], 0, ""
    while following is not None:
        answer = await site.request("GET", f"{path}?limit=1000{following}")
        found = json.loads(answer.body)
        ids += [one["id"] for one in found[name]]
        assert found[name]
        pages += 1
        following = None if found["next"] is None else f"&{cursor}={found['next']}"
        assert found["next"] in {None, ids[-1]}
    assert pages > 1
    assert len(ids) == len(set(ids)) == {"workloads": 61, "requests": 300}[name]
    assert ids == sorted(ids, reverse=True)


async def test_streams_of_a_heavy_store_send_bounded_frames(heavy: tuple[Site, str]) -> None:
    site, workload_id = heavy
    stream = await site.stream(f"v1/events?stream=workload/{workload_id}&stream=workloads&stream=requests@0")
    await stream.until(lambda s: any(event.type == "ping" for event in s.events[-5:]))  # everything was sent
    assert len(stream.data("workload")) >= 61
    assert len(stream.data("log:created")) == 300
    assert len(stream.records()) == 670
    sizes = {event.type: len(event.data) for event in sorted(stream.events, key=lambda event: len(event.data))}
    assert max(sizes.values()) <= ONE_WORKLOAD, sizes
    assert sizes["logs"] <= 6 * 256 * 1024 + 6 * 64 * 1024, sizes
    stream.close()


def test_requests_of_the_table_are_the_ones_of_its_routes() -> None:
    assert {path for path in QUERIES if isinstance(path, str)} <= {path for path, _ in TABLE}
    assert set(BODIES) <= set(TABLE)
