"""Failing upstreams: the caller's response and the call's row. A truncated response never looks complete."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.proxy_calls import row, send_request
from support.upstream import Visit, upstream
from support.waiting import eventually


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_unreachable_upstream_is_502(serve: Any) -> None:
    port = free_port()
    site = await serve(upstreams={"gone": f"http://127.0.0.1:{port}", "nowhere": "http://no-such-host.invalid/"})
    for name in "gone", "nowhere":
        for body in b"", b"x" * 3_000_000:
            answer = await site.request("POST", f"proxy/{name}/a", body)
            assert (answer.status, answer.json["reason"]) == (502, "bad_gateway")
            assert name in answer.json["message"]
            assert str(port) not in answer.json["message"]
            kept = await row(site)
            assert (kept["status"], kept["http_status"]) == ("error", 502)
            assert kept["error"]


async def test_connect_timeout_is_504(serve: Any) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        others = []
        for _ in range(3):  # its queue is full: further connections are not accepted
            other = socket.socket()
            other.setblocking(False)
            other.connect_ex(("127.0.0.1", port))
            others.append(other)
        site = await serve(upstreams={"full": {"url": f"http://127.0.0.1:{port}", "connect_timeout": 0.3}})
        answer = await site.request("GET", "proxy/full/a")
        assert (answer.status, answer.json["reason"]) == (504, "upstream_timeout")
        assert (await row(site))["status"] == "timeout"
        for other in others:
            other.close()


async def test_silent_upstream_is_504_with_a_configured_timeout(serve: Any) -> None:
    async def script(visit: Visit) -> None:
        await visit.read_body()
        await asyncio.sleep(30)

    async with upstream(script) as up:
        site = await serve(upstreams={"slow": {"url": up.url, "timeout": 0.3}, "patient": up.url})
        answer = await site.request("POST", "proxy/slow/a", b"x")
        assert (answer.status, answer.json["reason"]) == (504, "upstream_timeout")
        kept = await row(site)
        assert (kept["status"], kept["http_status"]) == ("timeout", 504)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(site.request("GET", "proxy/patient/a"), 1)


async def test_upstream_that_stalls_in_its_response_is_disconnected_as_timeout(serve: Any) -> None:
    async def script(visit: Visit) -> None:
        await visit.begin_events()
        await visit.chunk(b"data: one\n\n")
        await asyncio.sleep(30)

    async with upstream(script) as up:
        site = await serve(upstreams={"slow": {"url": up.url, "timeout": 0.3}})
        stream = await site.stream("proxy/slow/a")
        await stream.rest(5)
        assert [e.data for e in stream.events] == ["one"]
        assert not stream.whole
        assert (await row(site))["status"] == "timeout"


@pytest.mark.parametrize("how", ["reset", "closed chunked", "short", "bad chunk"])
async def test_truncated_response_is_truncated_for_the_caller_too(serve: Any, how: str) -> None:
    async def script(visit: Visit) -> None:
        if how == "short":
            await visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it")
        else:
            await visit.begin_events()
            await visit.chunk(b"data: one\n\n")
        await asyncio.sleep(0.1)
        if how == "bad chunk":
            await visit.send(b"zz\r\nwhat\r\n")
        elif how == "reset":
            sock = visit.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            visit.writer.transport.abort()
        visit.writer.close()

    async with upstream(script) as up:
        site = await serve(upstreams={"llm": up.url})
        stream = await site.stream("proxy/llm/a")
        await stream.rest(5)
        assert stream.raw
        assert not stream.whole
        kept = await row(site)
        assert (kept["status"], kept["http_status"]) == ("error", 200)
        assert kept["error"].startswith("incomplete")


@pytest.mark.parametrize("head", [b"HTTP/1.1 999 Odd\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"what is this\r\n\r\n",
                                  b"HTTP/1.1 200 OK\r\nX: a\nb\x00\r\n\r\n",
                                      b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1_000_000,
                                  b"", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
                                  b"\x16\x03\x01\x00\xff"])  # fmt: skip
async def test_response_that_is_not_http_is_502(serve: Any, head: bytes) -> None:
    async def script(visit: Visit) -> None:
        await visit.send(head)
        visit.writer.close()

    async with upstream(script) as up:
        site = await serve(upstreams={"odd": up.url})
        answer = await asyncio.wait_for(site.request("POST", "proxy/odd/a", b"{}"), 10)
        assert (answer.status, answer.json["reason"]) == (502, "bad_gateway")
        assert b"what is this" not in answer.body
        assert (await row(site))["status"] == "error"


async def test_early_error_reaches_a_caller_that_is_still_sending(serve: Any) -> None:
    async def script(visit: Visit) -> None:
        await visit.answer(b"too large", "413 Too Large", "Connection: close\r\n")
        visit.writer.close()

    async with upstream(script) as up:
        site = await serve(upstreams={"llm": up.url})
        for path, status in ("proxy/llm/a", 413), ("proxy/none/a", 404), ("proxy/llm/../a", 400):
            reader, writer = await send_request(site, path, Content_Length="5000000")
            for _ in range(50):
                writer.write(b"x" * 100_000)
                await asyncio.sleep(0.002)  # whether or not the server still reads
            assert f" {status} ".encode() in await asyncio.wait_for(reader.readuntil(b"\r\n"), 5)
            writer.close()


async def test_put_is_never_retried_with_half_its_body(serve: Any) -> None:
    """The client notices that the upstream closed an idle connection before it sends the body on it."""

    async def script(visit: Visit) -> None:
        if len(up.visits) == 1:
            await visit.answer(b"ok")
            return
        if visit.writer is up.visits[0].writer:  # the connection that was kept: gone as soon as it is used again
            visit.writer.transport.abort()
            return
        await visit.answer(await visit.read_body())

    async with upstream(script) as up:
        site = await serve(upstreams={"llm": up.url})
        assert (await site.request("GET", "proxy/llm/a")).status == 200
        answer = await site.request("PUT", "proxy/llm/a", b"the whole body")
        assert answer.status == 502 or answer.body == b"the whole body"


async def test_untrusted_certificate_is_502_unless_configured(serve: Any, tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    made = await asyncio.create_subprocess_exec(*command, "-keyout", key, "-out", cert, stderr=subprocess.DEVNULL)
    assert await made.wait() == 0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    async def serve_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    server = await asyncio.start_server(serve_tls, "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    site = await serve(
        upstreams={"bad": url, "known": {"url": url, "verify": str(cert)}, "any": {"url": url, "verify": False}}
    )
    answer = await site.request("GET", "proxy/bad/a")
    assert answer.status == 502
    assert "cannot be trusted" in answer.json["message"]
    for name in "known", "any":
        assert (await site.request("GET", f"proxy/{name}/a")).body == b"ok"
    server.close()


async def test_stopping_the_server_marks_open_calls_as_interrupted(serve: Any) -> None:
    async def script(visit: Visit) -> None:
        await visit.begin_events()
        await visit.chunk(b"data: one\n\n")
        await asyncio.sleep(30)

    async with upstream(script) as up:
        site = await serve(upstreams={"llm": up.url})
        await (await site.stream("proxy/llm/a")).until(lambda s: s.events)
        await site.stop()
        await eventually(lambda: up.visits[0].gone.is_set() or up.visits[0].reader.at_eof())
        again = await serve(upstreams={"llm": up.url})
        kept = await row(again)
        assert (kept["status"], kept["http_status"]) == ("interrupted", 200)


async def test_upstream_error_is_never_rendered_as_html(serve: Any) -> None:
    async def script(visit: Visit) -> None:
        visit.writer.close()

    async with upstream(script) as up:
        site = await serve(upstreams={"llm": up.url})
        for path in "proxy/%3Cinvalid%3E/a", "proxy/llm/%3Cinvalid%3E", "proxy/llm/../%3Cb%3E":
            answer = await site.request("GET", path)
            assert answer.headers["content-type"].startswith("application/json")
            assert b"<" not in answer.body
            json.loads(answer.body)
