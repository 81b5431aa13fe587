"""WebSocket handshakes that the upstream does not accept: ordinary exchanges, after which nothing more is sent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.handshake import HANDSHAKE, KEY, accept, switching
from support.proxy_calls import row
from support.upstream import Visit, upstream
from support.waiting import eventually

SECOND = b"DELETE /admin/everything HTTP/1.1\r\nHost: x\r\nX-User: root\r\nContent-Length: 2\r\n\r\nhi"
LOGINS = ["token", "kernel"]


def login(site: Any, who: str) -> str:
    return f"Bearer {site.services.secret}" if who == "kernel" else str(site.headers["Authorization"])


async def handshake(
    site: Any, who: str, *, line: str = "GET {} HTTP/1.1", path: str = "proxy/up/a", more: bytes = b"", **headers: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send a handshake, and `more` behind it in the same packet; `_` in a header name stands for `-`."""
    target = f"{site.base_url}logstream/{path}"
    fields = {"Host": f"127.0.0.1:{site.port}", "Authorization": login(site, who), **HANDSHAKE}
    fields.update({name.replace("_", "-"): value for name, value in headers.items()})
    lines = [line.format(target), *(f"{name}: {value}" for name, value in fields.items() if value), "", ""]
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write("\r\n".join(lines).encode() + more)
    return reader, writer


def options(url: str) -> dict[str, Any]:
    return {"up": {"url": f"{url}/prefix/v1", "headers": {"X-User": "alice"}}}


@pytest.mark.parametrize("who", LOGINS)
@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "426 Upgrade Required", "304 Not Modified"])
async def test_second_request_never_reaches_an_upstream_that_did_not_switch(serve: Any, who: str, status: str) -> None:
    async def script(visit: Visit) -> None:
        await visit.answer(b"" if status.startswith("304") else b"no socket here", status)

    async with upstream(script) as up:
        site = await serve(upstreams=options(up.url))
        for is_pipelined in True, False:
            reader, writer = await handshake(site, who, more=SECOND if is_pipelined else b"")
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
            assert head.startswith(f"HTTP/1.1 {status.split(maxsplit=1)[0]} ".encode())
            if not is_pipelined:
                writer.write(SECOND)
            await asyncio.wait_for(read_on(reader), 30)
            writer.close()
        assert (await site.request("GET", "proxy/up/end")).status == int(status.split(maxsplit=1)[0])
        assert [visit.line for visit in up.visits] == [
            "GET /prefix/v1/a HTTP/1.1",
            "GET /prefix/v1/a HTTP/1.1",
            "GET /prefix/v1/end HTTP/1.1",
        ]
        assert all(visit.headers["x-user"] == "alice" for visit in up.visits)
        assert b"admin" not in up.seen
        rows = (await site.get("v1/requests"))["requests"]
        assert [(one["path"], one["http_status"]) for one in rows] == [
            ("/end", int(status.split(maxsplit=1)[0])),
            ("/a", int(status.split(maxsplit=1)[0])),
            ("/a", int(status.split(maxsplit=1)[0])),
        ]


async def read_on(reader: asyncio.StreamReader) -> bytes:
    """Read until the answer to the second request, which Jupyter gives, or the end of the connection."""
    data = b""
    while b"HTTP/1.1 4" not in data and (more := await reader.read(65536)):
        data += more
    return data


@pytest.mark.parametrize("who", LOGINS)
async def test_body_of_a_refused_handshake_arrives_whole_by_its_framing(serve: Any, who: str) -> None:
    async def script(visit: Visit) -> None:
        await visit.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for part in b"one", b"two" * 100_000:
            await visit.chunk(part)
        await visit.send(b"0\r\n\r\n")

    async with upstream(script) as up:
        site = await serve(upstreams=options(up.url))
        answer = await site.request("GET", "proxy/up/a", headers={**HANDSHAKE, "Authorization": login(site, who)})
        assert (answer.status, answer.body) == (200, b"one" + b"two" * 100_000)
        assert (await row(site))["response_bytes"] == len(answer.body)


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 2\r\nContent-Length: 3\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: +2\r\n",
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: xchunked\r\n",
    ],
)
async def test_malformed_framing_of_a_refused_handshake_is_502(serve: Any, framing: bytes) -> None:
    async def script(visit: Visit) -> None:
        await visit.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\nforged")
        visit.writer.close()

    async with upstream(script) as up:
        site = await serve(upstreams=options(up.url))
        answer = await site.request("GET", "proxy/up/a", headers=HANDSHAKE)
        assert (answer.status, answer.json["reason"]) == (502, "bad_gateway")
        assert (await site.request("GET", "proxy/up/a")).status == 502


WRONG = {
    "other protocol": switching(KEY, Upgrade="h2c"),
    "no upgrade": switching(KEY, Upgrade=""),
    "two protocols": switching(KEY, Upgrade="websocket, h2c"),
    "no connection": switching(KEY, Connection=""),
    "no accept": switching(KEY, Sec_WebSocket_Accept=""),
    "accept of another key": switching(KEY, Sec_WebSocket_Accept=accept("AAAAAAAAAAAAAAAAAAAAAA==")),
    "two accepts": switching(KEY, X=f"1\r\nSec-WebSocket-Accept: {accept(KEY)}"),
    "http/1.0": switching(KEY, "1.0"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("who", LOGINS)
async def test_101_that_does_not_answer_the_handshake_is_502_and_closes_the_upstream(
    serve: Any, wrong: str, who: str
) -> None:
    async def script(visit: Visit) -> None:
        await visit.send(WRONG[wrong], b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
        visit.body += await visit.reader.read()  # until the proxy closes the connection

    async with upstream(script) as up:
        site = await serve(upstreams=options(up.url))
        reader, writer = await handshake(site, who, more=SECOND)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        assert head.startswith(b"HTTP/1.1 502 "), head
        assert b"Sec-WebSocket-Accept" not in head
        visit = await up.visit(0)
        await asyncio.wait_for(visit.gone.wait(), 30)
        writer.close()
        assert b"admin" not in up.seen
        kept = await row(site)
        assert (kept["status"], kept["http_status"]) == ("error", 502)


async def test_handshake_without_a_key_makes_no_tunnel(serve: Any) -> None:
    async def script(visit: Visit) -> None:
        await visit.send(switching(""))

    async with upstream(script) as up:
        site = await serve(upstreams=options(up.url))
        headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
        assert (await site.request("GET", "proxy/up/a", headers=headers)).status == 502
        assert b"admin" not in up.seen


@pytest.mark.parametrize(
    ("line", "headers"),
    [
        ("POST {} HTTP/1.1", {"Content_Length": "2"}),
        ("POST {} HTTP/1.1", {"Content_Length": "0"}),
        ("GET {} HTTP/1.1", {"Content_Length": "2"}),
        ("GET {} HTTP/1.1", {"Connection": "keep-alive"}),
        ("GET {} HTTP/1.1", {"Upgrade": "h2c"}),
        ("GET {} HTTP/1.0", {}),
    ],
)
async def test_other_requests_to_upgrade_are_forwarded_without_it(
    serve: Any, line: str, headers: dict[str, str]
) -> None:
    async def script(visit: Visit) -> None:
        await visit.read_body()
        await visit.answer(b"plain")

    async with upstream(script) as up:
        site = await serve(upstreams=options(up.url))
        reader, writer = await handshake(
            site, "token", line=line, more=b"hi"[: int(headers.get("Content_Length", "0"))], **headers
        )
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        assert b" 200 " in head.split(b"\r\n")[0]
        writer.close()
        assert up.visits[0].line.startswith(line.split(maxsplit=1)[0])
        assert not {"upgrade", "sec-websocket-key"} & set(up.visits[0].headers)


async def test_bytes_sent_with_the_handshake_arrive_after_a_valid_101(serve: Any) -> None:
    async def script(visit: Visit) -> None:
        await visit.send(switching(KEY), b"first")
        visit.body += await visit.reader.readexactly(7)
        await visit.send(b"then")
        visit.writer.close()

    async with upstream(script) as up:
        site = await serve(upstreams=options(up.url))
        reader, writer = await handshake(site, "token", more=b"\x81\x85early")
        data = await asyncio.wait_for(reader.read(), 30)
        assert data.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert data.endswith(b"\r\n\r\nfirstthen")
        writer.close()
        assert up.visits[0].body == b"\x81\x85early"
        await eventually(lambda: not site.services.open_calls)
        kept = await row(site)
        assert (kept["status"], kept["http_status"], kept["response_bytes"]) == ("completed", 101, 9)


async def test_configured_timeout_is_for_the_response_not_for_an_open_socket(serve: Any) -> None:
    async def script(visit: Visit) -> None:
        await visit.send(switching(KEY), b"a")
        visit.body += await visit.reader.readexactly(1)
        await asyncio.sleep(0.5)  # longer than `timeout`
        await visit.send(b"z")
        visit.writer.close()

    async with upstream(script) as up:
        site = await serve(upstreams={"up": {"url": up.url, "timeout": 0.3}})
        reader, writer = await handshake(site, "token", more=b"x")
        data = await asyncio.wait_for(reader.read(), 30)
        assert data.endswith(b"\r\n\r\naz")
        writer.close()
