"""WebSocket tunnel: real frames between a real client and a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.handshake import HANDSHAKE, KEY, switching
from support.proxy_calls import row
from support.upstream import Visit, upstream
from support.waiting import eventually
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.web import Application
from tornado.websocket import WebSocketClientConnection, WebSocketHandler, websocket_connect

SEEN: list[dict[str, str]] = []
CLOSED: list[tuple[int | None, str | None]] = []


class Echo(WebSocketHandler):
    """Echoes messages; the message `close` closes with a code."""

    def check_origin(self, origin: str) -> bool:  # noqa: ARG002
        return True

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return "v2.echo" if "v2.echo" in subprotocols else None

    def get_compression_options(self) -> dict[str, Any]:
        return {}

    def open(self, *_: str) -> None:
        SEEN.append({name.lower(): value for name, value in self.request.headers.get_all()})
        SEEN[-1]["target"] = self.request.uri or ""

    async def on_message(self, message: str | bytes) -> None:
        if message == "close":
            self.close(4321, "on request")
        else:
            await self.write_message(message, binary=isinstance(message, bytes))

    def on_close(self) -> None:
        CLOSED.append((self.close_code, self.close_reason))


@asynccontextmanager
async def echoing() -> AsyncIterator[str]:
    SEEN.clear()
    CLOSED.clear()
    server = HTTPServer(Application([("/prefix/(.*)", Echo)], websocket_max_message_size=1 << 26))
    server.listen(0, "127.0.0.1")
    port = next(iter(server._sockets.values())).getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/prefix"
    finally:
        server.stop()
        await server.close_all_connections()


async def connect(site: Any, path: str = "proxy/ws/a?x=1", **given: Any) -> WebSocketClientConnection:
    headers = {**site.headers, **given.pop("headers", {})}
    request = HTTPRequest(f"ws://127.0.0.1:{site.port}{site.base_url}logstream/{path}", headers=headers)
    return await asyncio.wait_for(websocket_connect(request, max_message_size=1 << 26, **given), 10)


async def test_messages_of_any_size_and_kind_pass_both_ways(serve: Any) -> None:
    async with echoing() as url:
        site = await serve(upstreams={"ws": url})
        for options in {}, {"compression_options": {}}:
            socket = await connect(site, **options)
            for message in "text", "", "\N{SNOWMAN}" * 100_000, b"\0\xff" * 5_000_000, b"":
                await socket.write_message(message, binary=isinstance(message, bytes))
                assert await asyncio.wait_for(socket.read_message(), 20) == message
            socket.close()
        kept = await row(site)
        assert (kept["http_status"], kept["status"], kept["method"]) == (101, "completed", "GET")
        assert kept["request_bytes"] > 0


async def test_subprotocol_target_and_headers_arrive_and_secrets_do_not(serve: Any) -> None:
    async with echoing() as url:
        site = await serve(upstreams={"ws": {"url": url, "headers": {"X-Key": "configured"}}})
        token = site.headers["Authorization"].split()[1]
        headers = {"Cookie": "username-x=0123456789abcdef0123", "X-Mine": "1", "Referer": f"http://h/?token={token}",
                   "Origin": f"http://127.0.0.1:{site.port}"}  # fmt: skip
        path = f"proxy/ws/a?x=1&token={token}"
        socket = await connect(site, path, headers=headers, subprotocols=["v1.echo", "v2.echo"])
        assert socket.selected_subprotocol == "v2.echo"
        socket.close()
        assert SEEN[0]["target"] == "/prefix/a?x=1"
        assert (SEEN[0]["x-mine"], SEEN[0]["x-key"]) == ("1", "configured")
        assert token not in str(SEEN)
        assert not {"cookie", "authorization", "origin", "referer"} & set(SEEN[0])


async def test_no_secret_leaves_with_a_handshake(serve: Any) -> None:
    async with echoing() as url:
        site = await serve(upstreams={"ws": url})
        token = site.headers["Authorization"].split()[1]
        cookie, xsrf = "a-login-cookie-0123456789", "an-xsrf-0123456789"
        canaries = [token, site.services.secret, cookie, xsrf]
        SEEN.clear()
        for canary in canaries:
            for name in "X-Other", "Referer", "x-api-key", "X-XSRFToken", "Sec-WebSocket-Protocol", "User-Agent":
                mine = {"Cookie": f"username-x={cookie}; _xsrf={xsrf}", name: f"v1.{canary}"}
                path = f"proxy/ws/a?token={token}&_xsrf={xsrf}&x={canary}&y=1"
                (await connect(site.with_headers(), path, headers=mine)).close()
        assert len(SEEN) == 24
        assert all(seen["target"] == "/prefix/a?y=1" for seen in SEEN)
        assert not [canary for canary in canaries if canary in str(SEEN)]
        assert "xsrf" not in str(SEEN).lower()


async def test_close_codes_pass_both_ways(serve: Any) -> None:
    async with echoing() as url:
        site = await serve(upstreams={"ws": url})
        socket = await connect(site)
        await socket.write_message("close")
        assert await asyncio.wait_for(socket.read_message(), 5) is None
        assert (socket.close_code, socket.close_reason) == (4321, "on request")
        socket = await connect(site)
        CLOSED.clear()
        socket.close(4001, "bye")
        await eventually(lambda: CLOSED)
        assert CLOSED == [(4001, "bye")]


async def test_when_one_side_disconnects_the_other_is_closed(serve: Any) -> None:
    async with echoing() as url:
        site = await serve(upstreams={"ws": url})
        socket = await connect(site)
        await socket.write_message("here")
        await socket.read_message()
        assert socket.stream is not None
        socket.stream.close()
        await asyncio.wait_for(eventually(lambda: CLOSED), 1)
        await eventually(lambda: not site.services.open_calls)


async def test_unread_socket_applies_back_pressure(serve: Any) -> None:
    sent = 0

    async def script(visit: Visit) -> None:
        nonlocal sent
        await visit.send(switching(KEY))
        while True:
            await visit.send(b"x" * 1_000_000)
            sent += 1_000_000

    async with upstream(script) as up:
        site = await serve(upstreams={"ws": up.url})
        stream = await site.stream("proxy/ws/a", headers=HANDSHAKE)
        assert stream.status == 101
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.3)
        assert sent < 60_000_000
        stream.close()


async def test_refused_upgrade_passes_unchanged(serve: Any) -> None:
    async def script(visit: Visit) -> None:
        headers = "Set-Cookie: a=b\r\nX-Why: no\r\nConnection: close\r\n"
        await visit.answer(b'{"error": "not here"}', "403 Forbidden", headers)
        visit.writer.close()

    async with upstream(script) as up:
        site = await serve(upstreams={"ws": up.url, "gone": "http://127.0.0.1:1"})
        answer = await site.request("GET", "proxy/ws/a", headers={"Upgrade": "websocket", "Connection": "Upgrade"})
        assert (answer.status, answer.headers["x-why"], answer.json) == (403, "no", {"error": "not here"})
        assert "set-cookie" not in answer.headers
        assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
        kept = await row(site)
        assert (kept["status"], kept["http_status"], kept["error"]) == ("error", 403, "not here")
        answer = await site.request("GET", "proxy/gone/a", headers={"Upgrade": "websocket", "Connection": "Upgrade"})
        assert (answer.status, answer.json["reason"]) == (502, "bad_gateway")


async def test_websocket_needs_a_login_and_the_same_site(serve: Any) -> None:
    async with echoing() as url:
        site = await serve(upstreams={"ws": url})
        login = (await site.request("GET", "v1/info")).headers["set-cookie"].split(";")[0]
        for me, headers in [
            (site.with_headers(), {}),
            (site.with_headers(Authorization="Bearer sk-x"), {}),
            (site.with_headers(Cookie=login), {"Origin": "http://evil.example"}),
            (site.with_headers(Cookie=login), {"Sec-Fetch-Site": "cross-site"}),
        ]:
            with pytest.raises(HTTPClientError) as refused:
                await connect(me, headers=headers)
            assert refused.value.code in {403, 404}
        assert not SEEN
        socket = await connect(site.with_headers(Cookie=login), headers={"Origin": f"http://127.0.0.1:{site.port}"})
        socket.close()


async def test_caller_that_disconnects_during_the_handshake_leaves_nothing_open(serve: Any) -> None:
    async def script(visit: Visit) -> None:
        await visit.reader.read(1)

    async with upstream(script) as up:
        site = await serve(upstreams={"ws": up.url, "slow": {"url": up.url, "timeout": 0.2}})
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        head = f"GET {site.base_url}logstream/proxy/ws/a HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\n"
        head += f"Authorization: {site.headers['Authorization']}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        writer.write(head.encode())
        visit = await up.visit(0)
        writer.close()
        await asyncio.wait_for(visit.gone.wait(), 1)
        assert (await row(site))["status"] == "cancelled"
        answer = await site.request("GET", "proxy/slow/a", headers={"Upgrade": "websocket", "Connection": "Upgrade"})
        assert (answer.status, answer.json["reason"]) == (504, "upstream_timeout")
        del reader
