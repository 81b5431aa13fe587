"""Bad input on every route of the extension's live route table."""

from __future__ import annotations

import asyncio
import random
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from support.bad_requests import BAD_BODIES, NO_IDS
from support.called import run_call
from support.route_table import JSON, is_error, request, table
from support.waiting import eventually

if TYPE_CHECKING:
    from support.web import Site

# The proxy forwards requests unchanged: it has tests of its own.
ROUTES = [route for route in table() if not route[0].startswith("proxy/")]
PATHS = sorted({path for path, _ in ROUTES})
WITH_ID = [route for route in ROUTES if "ID" in route[0]]
WITH_JSON = [("v1/workloads", "POST"), ("v1/events", "POST"), ("v1/workloads/ID/logs", "POST")]
WITH_JSON += [("v1/requests", "POST"), ("v1/requests/ID", "PATCH")]
ENDLESS = "v1/requests/stream"
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "TRACE", "CONNECT", "PROPFIND", "BREW", "get", "Post"]


@pytest.fixture
def site(serve: Any, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Site:
    """Without readers of the request log, whose stream never ends."""
    made: Site = jp_asyncio_loop.run_until_complete(serve(request_listeners=0))
    return made


def joined(path: str, query: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}{query}"


async def workload_for(site: Site, path: str, method: str) -> str:
    """An id with which the request succeeds."""
    if (path, method) == ("v1/workloads/ID/logs", "POST"):
        made = await site.request("POST", "v1/workloads", json={"backend": "external"})
        return str(made.json["id"])
    if path == "v1/requests/ID":
        return str((await site.request("POST", "v1/requests", json={})).json["id"])
    if path.endswith("/result"):
        return await run_call(site)
    if path.endswith("/input"):
        return await site.start("cat >/dev/null", stdin=True, tty=False)
    ended = (await site.get("v1/workloads?state=succeeded&limit=1"))["workloads"]
    return str(ended[0]["id"]) if ended and method in {"GET", "HEAD"} else await site.run("echo a")


async def test_every_request_of_the_table_succeeds(site: Site) -> None:
    for path, method in ROUTES:  # otherwise the errors below could have another cause
        answer = await site.request(*request(path, method, await workload_for(site, path, method)), JSON)
        fine = {429} if path == ENDLESS else {200, 201, 202, 204}
        assert answer.status in fine, (path, method, answer.status, answer.body)


async def test_unknown_parameter_is_named_and_has_no_effect(site: Site) -> None:
    for path, method in ROUTES:
        workload_id = await workload_for(site, path, method)
        verb, target, body = request(path, method, workload_id)
        before = (await site.get("v1/info"))["workloads"]
        for query in "surprise=1", "surprise=1&surprise=2", "Limit=5", "%3Cscript%3E=1", "cursor=1":
            answer = await site.request(verb, joined(target, query), body, JSON)
            assert answer.status == 400, (path, method, query, answer.status)
            assert is_error(answer)
            if answer.body:
                assert answer.json["reason"] == "unknown_parameter"
        for query in "%zz=1", "a=%", "%ff=1":
            assert (await site.request(verb, joined(target, query), body, JSON)).status == 400, (path, method, query)
        assert (await site.get("v1/info"))["workloads"] == before
        assert (await site.get("v1/info"))["connections"] == 0


async def test_malformed_id_is_404_on_every_route_with_an_id(site: Site) -> None:
    known = await site.run("true")
    for path, method in WITH_ID:
        for no_id in [*NO_IDS, known[:-1], known.lower(), known + "0", f"{known}/", f"/{known}", f"{known}/.", ""]:
            verb, target, body = request(path, method, no_id)
            answer = await site.request(verb, target, body, JSON)
            listed = path == "v1/workloads/ID" and no_id == ""  # another route
            slashed = target.endswith("/")  # Jupyter's own handler has those
            allowed = {404, 405, 403} if listed else {404, 400} if "%ff" in no_id else {404, 403} if slashed else {404}
            if answer.status == 302:  # Jupyter's: to the same path without the slash, and nowhere else
                assert f"{site.base_url}logstream/{target}" == answer.headers["location"] + "/"
                continue
            assert answer.status in allowed, (path, method, no_id, answer.status)
            assert b"Traceback" not in answer.body
            assert b"/streams" not in answer.body
            assert "x" not in answer.headers  # a header that an id brought along


async def test_unsupported_method_is_405_and_changes_nothing(site: Site) -> None:
    workload_id = await site.run("echo a")
    for path in PATHS:
        for method in METHODS:
            if (path, method) in ROUTES:
                continue
            _, target, _ = request(path, "GET", workload_id)
            body = b"{}" if method in {"POST", "PUT", "PATCH"} else None
            answer = await site.request(method, target, body, JSON)
            assert answer.status in {405, 404 if method == "CONNECT" else 405}, (path, method, answer.status)
    info = await site.get("v1/info")
    assert (info["workloads"], info["connections"]) == (1, 0)


async def test_extra_or_missing_slash_is_another_path(site: Site) -> None:
    workload_id = await site.run("echo a")
    for path in PATHS:
        target = f"{site.base_url}logstream/{path.replace('ID', workload_id)}"
        slashed = await site.request("GET", f"{target}/")
        assert slashed.status == 404 or (slashed.status, slashed.headers["location"]) == (302, target)
        below = f"{site.base_url}logstream/"
        for other in target.replace(below, f"{below}/"), f"{target};x", target.replace(below, below.upper()):
            assert (await site.request("GET", other)).status == 404, other
        absolute = await raw(site, b"GET http://127.0.0.1:%d%s HTTP/1.1\r\n" % (site.port, target.encode()))
        assert absolute.startswith((b"HTTP/1.1 404", b"HTTP/1.1 400")), absolute[:50]


async def test_bad_body_is_refused_on_every_json_route(site: Site) -> None:
    for path, method in WITH_JSON:
        workload_id = await workload_for(site, path, method)
        verb, target, _ = request(path, method, workload_id)
        for body, headers, status in BAD_BODIES:
            if path.endswith("/logs") and body == b"[]":
                continue  # an empty batch
            answer = await site.request(verb, target, body, {**JSON, **headers})
            assert answer.status == status, (path, body[:60], headers, answer.status, answer.body[:200])
            assert set(answer.json) == {"message", "reason"}
        for kind in "multipart/form-data; boundary=x", "multipart/form-data", "text/html", "application/xml":
            answer = await site.request(verb, target, b"--x\r\nbroken", {"Content-Type": kind})
            assert answer.status in {400, 415}, (path, kind)
        if "workloads" in path:
            assert (await site.get(f"v1/workloads/{workload_id}"))["state"] in {"running", "succeeded"}
        assert (await site.get("v1/info"))["connections"] == 0


FORGED = {
    "X-Forwarded-For": "10.0.0.1", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "gopher",
    "X-Forwarded-User": "admin", "X-Real-IP": "127.0.0.1", "X-Original-URL": "/api/contents",
    "X-Rewrite-URL": "/api/contents", "X-HTTP-Method-Override": "DELETE", "X-Method-Override": "DELETE",
    "x-middleware-subrequest": "1", "X-Jupyter-User": "root", "Proxy": "http://evil.example", "Via": "1.1 evil",
    "Forwarded": "for=127.0.0.1;host=evil.example", "X-Forwarded-Prefix": "/evil", "Accept-Language": "<script>",
}  # fmt: skip


async def test_forwarding_and_override_headers_change_nothing(site: Site) -> None:
    for path, method in ROUTES:
        ids = [await workload_for(site, path, method) for _ in range(2)]
        plain, forged = [
            await site.request(*request(path, method, workload_id), {**JSON, **more})
            for workload_id, more in zip(ids, ({}, FORGED), strict=True)
        ]
        assert forged.status == plain.status, (path, method, forged.status)
        assert forged.headers.get("content-type") == plain.headers.get("content-type")
        assert b"evil" not in forged.body
        assert "evil" not in str(forged.headers)


async def raw(site: Site, head: bytes, rest: bytes = b"", *, plain: bool = False) -> bytes:
    """The response to raw bytes; host and login are added unless `plain`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    if not plain:
        head += f"Host: 127.0.0.1:{site.port}\r\nAuthorization: {site.headers['Authorization']}\r\n".encode()
        head += b"Connection: close\r\n\r\n"
    writer.write(head + rest)
    try:
        return await asyncio.wait_for(reader.read(), 20)
    except ConnectionError:
        return b""
    finally:
        writer.close()


MALFORMED = [
    (b"Host: a\r\n", b""), (b"X: \0\r\n", b""), (b" folded\r\n", b""), (b"X Y: 1\r\n", b""),
    (b"Content-Length: -1\r\n", b""), (b"Content-Length: +2\r\n", b"{}"), (b"Content-Length: 2, 3\r\n", b"{}"),
    (b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", b"2\r\n{}\r\n0\r\n\r\n"),
    (b"Transfer-Encoding: xchunked\r\n", b"{}"), (b"Transfer-Encoding: chunked\r\n", b"0x2\r\n{}\r\n0\r\n\r\n"),
    (b"Content-Length: 600000000\r\n", b"{}"), (b"X: " + b"y" * 70_000 + b"\r\n", b""),
]  # fmt: skip


async def test_malformed_requests_are_refused_without_effect(site: Site) -> None:
    for path, method in ROUTES:
        verb, target, _ = request(path, method, "x")
        line = f"{verb} {site.base_url}logstream/{target} HTTP/1.1\r\n".encode()
        for header, body in MALFORMED:
            answer = await raw(site, line + header, body)
            assert answer == b"" or re.match(rb"HTTP/1.1 (4\d\d|501)", answer), (path, method, header, answer[:80])
            assert b"Traceback" not in answer
    for nonsense in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\n" * 100:
        answer = await asyncio.wait_for(raw(site, nonsense + b"\r\n\r\n", plain=True), 20)
        assert not answer.startswith(b"HTTP/1.1 2"), nonsense
    for host in b"localhost/#@x", b"localhost@evil", b"evil.example", b"127.0.0.1.evil.example", b"[::ffff:10.0.0.1]":
        head = b"GET %slogstream/v1/info HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n"
        answer = await raw(site, head % (site.base_url.encode(), host), plain=True)
        assert re.match(rb"HTTP/1.1 40[03]", answer), (host, answer[:60])
    info = await site.get("v1/info")
    assert (info["workloads"], info["connections"], info["running"]) == (0, 0, 0)


async def test_incomplete_request_does_not_block_others(site: Site) -> None:
    halves = []
    for path, method in WITH_JSON:
        verb, target, _ = request(path, method, "x")
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        head = (
            f"{verb} {site.base_url}logstream/{target} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{{}}"
        )
        writer.write(head.encode())
        halves.append((reader, writer))
    for _ in range(20):
        assert (await asyncio.wait_for(site.request("GET", "v1/info"), 5)).status == 200
    for _, writer in halves:
        writer.close()


CURSORS = ["<script>alert(1)</script>", "\xff\xfe", "9" * 60_000, "-1", "1 2", "%00", "workload/x@3"]


@pytest.mark.parametrize("cursor", CURSORS, ids=range(len(CURSORS)))
async def test_malformed_cursor_is_reset_and_never_echoed(site: Site, cursor: str) -> None:
    workload_id = await site.run("seq 1 5")
    for path in f"v1/logs/stream?job_id={workload_id}", f"v1/workloads/{workload_id}/logs":
        try:
            stream = await site.stream(path, headers={"Last-Event-ID": cursor})
        except asyncio.IncompleteReadError:  # Tornado closes what has more than 64 KiB of headers
            assert len(cursor) > 50_000
            continue
        await stream.rest()
        assert stream.status == 200
        assert cursor.encode("latin-1") not in stream.raw or cursor == "-1"
        assert stream.events[-1].type == "done"
        if "logs/stream" in path:
            assert [d["reason"] for d in stream.data("reset")] == ["unknown_cursor"]
            assert [r["seq"] for r in stream.records()] == [1, 2, 3, 4, 5]


async def test_random_requests_cause_no_server_error(site: Site) -> None:
    rng = random.Random(5)
    workload_id = await site.run("seq 1 50")
    values = ["", "1", "-1", "x", "info", "error,warn", "stdout", "/a(b/", "/(a+)+$/", "\u2028", "%00", "0" * 30, "é"]
    names = [
        "after",
        "limit",
        "offset",
        "tail",
        "level",
        "levels",
        "source",
        "step",
        "q",
        "not",
        "buckets",
        "from",
        "to",
        "job_id",
        "scope",
        "stream",
        "state",
    ]
    for _ in range(400):
        path, method = rng.choice([route for route in ROUTES if route[1] == "GET"])
        _, target, _ = request(path, method, workload_id)
        query = "&".join(f"{rng.choice(names)}={quote(rng.choice(values))}" for _ in range(rng.randrange(3)))
        answer = await site.request(method, joined(target, query))
        fine = {200, 204, 400, 404, 422} | ({429} if path == ENDLESS else set())
        assert answer.status in fine, (target, query, answer.status, answer.body[:200])
    await eventually(lambda: site.services.open_streams.counts()["connections"] == 0)


def test_every_json_route_is_in_the_table_of_json_routes() -> None:
    posts = {route for route in ROUTES if route[1] in {"POST", "PUT", "PATCH"}}
    assert posts - set(WITH_JSON) == {
        ("v1/workloads/ID/cancel", "POST"),
        ("v1/backends/ID/check", "POST"),
        ("v1/workloads/ID/input", "POST"),
        ("v1/payloads", "POST"),
        ("mcp", "POST"),  # its errors are JSON-RPC's
    }
