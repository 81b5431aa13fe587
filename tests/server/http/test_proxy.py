"""Proxy: streams bytes of any size both ways; when one side disconnects, the other one is closed."""

from __future__ import annotations

import asyncio
import gzip
import os
import zlib
from typing import Any

import pytest
from support.proxy_calls import row, send_request
from support.running import memory
from support.upstream import Visit, upstream, wait_for_disconnect
from support.waiting import PATIENCE, eventually

MB = 1_000_000


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "QUERY"])
async def test_every_method_is_forwarded_with_its_body(serve: Any, method: str) -> None:
    async with upstream() as up:
        site = await serve(upstreams={"runs": up.url})
        answer = await site.request(method, "proxy/runs/a/b?x=1&y=%20z", body=b"a body", headers={"X-Mine": "yes"})
        assert answer.status == 200
        visit = up.visits[0]
        assert visit.line == f"{method} /a/b?x=1&y=%20z HTTP/1.1"
        assert visit.headers["x-mine"] == "yes"
        assert bytes(visit.body) == b"a body"
        assert visit.headers["host"] == f"127.0.0.1:{up.port}"
        assert (await row(site))["method"] == method


async def test_head_has_the_headers_and_no_body(serve: Any) -> None:
    async def script(visit: Visit) -> None:
        await visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nX-Kind: thing\r\n\r\n")

    async with upstream(script) as up:
        site = await serve(upstreams={"runs": up.url})
        answer = await site.request("HEAD", "proxy/runs/a")
        assert (answer.status, answer.headers["content-length"], answer.headers["x-kind"]) == (200, "1234", "thing")
        assert (await row(site))["status"] == "completed"


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "get", "FOO"])
async def test_unknown_method_is_405_and_not_forwarded(serve: Any, method: str) -> None:
    async with upstream() as up:
        site = await serve(upstreams={"runs": up.url})
        assert (await site.request(method, "proxy/runs/a")).status == 405
        assert not up.visits


async def test_a_request_without_a_body_has_none_at_the_upstream(serve: Any) -> None:
    async with upstream() as up:
        site = await serve(upstreams={"runs": up.url})
        for method in "GET", "DELETE", "POST":
            assert (await site.request(method, "proxy/runs/a")).status == 200
        for visit in up.visits:
            assert "transfer-encoding" not in visit.headers
            assert visit.headers.get("content-length", "0") == "0"


@pytest.mark.parametrize("status", ["201 Created", "204 No Content", "304 Not Modified", "400 Bad", "404 Not Found",
                                    "418 Teapot", "500 Oops", "503 Busy", "599 Odd"])  # fmt: skip
async def test_status_and_body_of_a_response_pass_unchanged(serve: Any, status: str) -> None:
    code = int(status[:3])
    body = b"" if code in {204, 304} else b'{"error": {"message": "it is so"}}'

    async def script(visit: Visit) -> None:
        framing = "" if code in {204, 304} else f"Content-Length: {len(body)}\r\n"
        await visit.send(f"HTTP/1.1 {status}\r\n{framing}X-A: 1\r\nX-A: 2\r\n\r\n".encode(), body)

    async with upstream(script) as up:
        site = await serve(upstreams={"runs": up.url})
        answer = await site.request("GET", "proxy/runs/a")
        assert (answer.status, answer.body) == (code, body)
        assert answer.headers["x-a"] == "2"  # both are there: the test's client keeps the last
        kept = await row(site)
        assert kept["http_status"] == code
        assert kept["status"] == ("error" if code >= 400 else "completed")
        assert kept["error"] == ("it is so" if code >= 400 else None)


async def test_content_length_of_a_response_is_preserved(serve: Any) -> None:
    async with upstream() as up:
        site = await serve(upstreams={"runs": up.url})
        answer = await site.request("POST", "proxy/runs/a", body=b"x" * 1000)
        assert int(answer.headers["content-length"]) == len(answer.body) > 1000


@pytest.mark.parametrize("accept", ["*/*", "text/event-stream", "text/event-stream, */*", "application/json", ""])
async def test_event_passes_unchanged_whatever_accept_says(serve: Any, accept: str) -> None:
    more = asyncio.Event()

    async def script(visit: Visit) -> None:
        await visit.read_body()
        await visit.begin_events()
        await visit.chunk(b"data: first\n\n")
        await more.wait()
        await visit.chunk(b"data: second\n\n")
        await visit.chunk(b"")

    async with upstream(script) as up:
        site = await serve(upstreams={"llm": up.url})
        stream = await site.stream("proxy/llm/a", "POST", b'{"stream":true}', {"Accept": accept})
        await stream.until(lambda s: s.events, 5)
        assert [e.data for e in stream.events] == ["first"]
        assert stream.headers["x-accel-buffering"] == "no"
        assert stream.headers["content-type"] == "text/event-stream"
        assert "content-length" not in stream.headers
        more.set()
        await stream.rest()
        assert [e.data for e in stream.events] == ["first", "second"]
        assert stream.whole


async def test_single_bytes_pass_one_by_one(serve: Any) -> None:
    steps: asyncio.Queue[bytes] = asyncio.Queue()

    async def script(visit: Visit) -> None:
        await visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n")
        for _ in range(20):
            await visit.send(await steps.get())

    async with upstream(script) as up:
        site = await serve(upstreams={"runs": up.url})
        stream = await site.stream("proxy/runs/a")
        for number in range(20):
            await steps.put(b"%d" % (number % 10))
            await stream.until(lambda s, n=number: len(s.raw) == n + 1, 5)


@pytest.mark.parametrize("coding", ["gzip", "br"])
async def test_compressed_events_pass_compressed_one_by_one(serve: Any, coding: str) -> None:
    events = [f"data: {number}\n\n".encode() for number in range(3)]
    more = asyncio.Event()
    squeeze = zlib.compressobj(wbits=31)

    async def script(visit: Visit) -> None:
        await visit.begin_events(f"Content-Encoding: {coding}\r\n")
        for event in events:
            await visit.chunk(squeeze.compress(event) + squeeze.flush(zlib.Z_SYNC_FLUSH))
            await more.wait()
        await visit.chunk(b"")

    async with upstream(script) as up:
        site = await serve(upstreams={"llm": up.url})
        stream = await site.stream("proxy/llm/a", headers={"Accept-Encoding": "gzip, br"})
        assert up.visits[0].headers["accept-encoding"] == "gzip, br"
        assert stream.headers["content-encoding"] == coding
        unsqueeze = zlib.decompressobj(wbits=31)
        await stream.until(lambda s: s.raw, 5)
        assert unsqueeze.decompress(bytes(stream.raw)) == events[0]
        more.set()
        taken = len(stream.raw)
        await stream.rest()
        assert unsqueeze.decompress(bytes(stream.raw[taken:])) == b"".join(events[1:])


async def test_gzipped_body_passes_compressed(serve: Any) -> None:
    body = gzip.compress(b"x" * 10_000)

    async def script(visit: Visit) -> None:
        await visit.answer(body, headers="Content-Encoding: gzip\r\n")

    async with upstream(script) as up:
        site = await serve({"ServerApp": {"tornado_settings": {"compress_response": True}, "ip": "127.0.0.1",
                                          "jpserver_extensions": {"jupyter_logstream": True}}},
                           upstreams={"runs": up.url})  # fmt: skip
        answer = await site.request("GET", "proxy/runs/a", headers={"Accept-Encoding": "gzip"})
        assert (answer.headers["content-encoding"], answer.body) == ("gzip", body)
        assert int(answer.headers["content-length"]) == len(body)


# --- size ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunked", [False, True])
async def test_body_above_the_servers_limit_passes_with_little_memory(serve: Any, chunked: bool) -> None:
    size, piece = 80 * MB, b"x" * MB
    counted = 0

    async def script(visit: Visit) -> None:
        nonlocal counted
        await visit.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while counted < size:
            data = await visit.reader.read(1 << 16)
            counted += len(data)
            await visit.send(data)  # it echoes while it receives
        visit.writer.close()

    async with upstream(script) as up:
        site = await serve(
            {"ServerApp": {"max_body_size": 10 * MB, "jpserver_extensions": {"jupyter_logstream": True}}},
            upstreams={"runs": up.url},
        )
        framing = {"Transfer_Encoding": "chunked"} if chunked else {"Content_Length": str(size)}
        reader, writer = await send_request(site, "proxy/runs/a", **framing)

        async def send() -> None:
            for _ in range(size // MB):
                writer.write(b"%x\r\n" % MB + piece + b"\r\n" if chunked else piece)
                await writer.drain()
            writer.write(b"0\r\n\r\n" if chunked else b"")

        sending = asyncio.create_task(send())
        assert b" 200 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        got, before = 0, memory(os.getpid(), "VmRSS")
        while got < size:
            got += len(data := await asyncio.wait_for(reader.read(1 << 18), 20))
            assert data
        await sending
        writer.close()
        assert memory(os.getpid(), "VmRSS") - before < 60 * MB


async def test_slow_caller_applies_back_pressure_to_the_upstream(serve: Any) -> None:
    sent = 0

    async def script(visit: Visit) -> None:
        nonlocal sent
        await visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 500000000\r\n\r\n")
        while sent < 500 * MB:
            await visit.send(b"x" * MB)
            sent += MB

    async with upstream(script) as up:
        site = await serve(upstreams={"runs": up.url})
        stream = await site.stream("proxy/runs/a")
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.5)
        assert sent < 60 * MB  # the size of the sockets' and the proxy's buffers
        await stream.more()
        stream.close()


async def test_slow_upstream_applies_back_pressure_to_the_caller(serve: Any) -> None:
    async def script(visit: Visit) -> None:
        await asyncio.sleep(60)

    async with upstream(script) as up:
        site = await serve(upstreams={"runs": up.url})
        _, writer = await send_request(site, "proxy/runs/a", Content_Length=str(500 * MB))
        sent = 0
        while sent < 500 * MB:
            writer.write(b"x" * MB)
            draining = asyncio.ensure_future(writer.drain())
            done, _ = await asyncio.wait({draining}, timeout=1)
            if not done:
                draining.cancel()
                break  # the send buffers are full
            sent += MB
        assert sent < 60 * MB
        writer.close()


# --- leaving ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before the head", "silent", "streaming", "uploading"])
async def test_disconnected_caller_ends_the_upstreams_call(serve: Any, when: str) -> None:
    async def script(visit: Visit) -> None:
        if when in {"silent", "streaming"}:
            await visit.begin_events()
            await visit.chunk(b"data: one\n\n")
        leaving = asyncio.create_task(wait_for_disconnect(visit))
        while when == "streaming" and not leaving.done():
            await visit.chunk(b"data: more\n\n")
            await asyncio.sleep(0.02)
        await leaving

    async with upstream(script) as up:
        site = await serve(upstreams={"llm": up.url})
        length = "200" if when == "uploading" else "100"
        reader, writer = await send_request(site, "proxy/llm/a", b"x" * 100, Content_Length=length)
        visit = await up.visit(0)
        if when in {"silent", "streaming"}:
            await asyncio.wait_for(reader.readuntil(b"data: one"), PATIENCE)
        writer.close()
        await asyncio.wait_for(visit.gone.wait(), PATIENCE)  # the upstream itself never ends the call
        kept = await row(site)
        assert kept["status"] == "cancelled"


async def test_many_silent_calls_are_open_at_once_and_none_remains(serve: Any) -> None:
    async def script(visit: Visit) -> None:
        await visit.begin_events()
        await visit.chunk(b"data: here\n\n")
        await wait_for_disconnect(visit)

    async with upstream(script) as up:
        site = await serve(upstreams={"llm": up.url})
        streams = await asyncio.gather(*(site.stream("proxy/llm/a") for _ in range(120)))
        for stream in streams:
            await stream.until(lambda s: s.events)
        assert len(up.visits) == 120
        assert (await site.get("v1/requests/stats"))["totals"]["active"] == 120
        for stream in streams:
            stream.close()
        await eventually(lambda: all(visit.gone.is_set() for visit in up.visits))
        assert not site.services.open_calls


async def test_upstream_that_closes_ends_the_response(serve: Any) -> None:
    async def script(visit: Visit) -> None:
        await visit.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nall of it")
        visit.writer.close()

    async with upstream(script) as up:
        site = await serve(upstreams={"runs": up.url})
        answer = await asyncio.wait_for(site.request("GET", "proxy/runs/a"), 5)
        assert answer.body == b"all of it"
        assert (await row(site))["response_bytes"] == 9


async def test_connections_to_an_upstream_are_reused(serve: Any) -> None:
    async with upstream() as up:
        site = await serve(upstreams={"runs": up.url})
        for _ in range(5):
            assert (await site.request("GET", "proxy/runs/a")).status == 200
        assert (len(up.visits), up.connections) == (5, 1)


async def test_row_is_created_when_the_call_starts_and_updated_while_it_streams(serve: Any) -> None:
    steps = [asyncio.Event() for _ in range(3)]

    async def script(visit: Visit) -> None:
        await steps[0].wait()
        await visit.begin_events()
        await steps[1].wait()
        await visit.chunk(b"data: one\n\n")
        await steps[2].wait()
        await visit.chunk(b"")

    async with upstream(script) as up:
        site = await serve(upstreams={"llm": up.url})
        log = await site.stream("v1/requests/stream")
        calling = asyncio.create_task(site.request("POST", "proxy/llm/things?key=k", body=b"{}"))
        created = (await log.event("log:created"))["data"]
        assert (created["status"], created["path"], created["upstream"]) == ("pending", "/things", "llm")

        async def changed(**wanted: Any) -> dict[str, Any]:
            def found(stream: Any) -> Any:
                updates = [d["data"] for d in stream.data("log:updated")]
                return [d for d in updates if all(d.get(name) == value for name, value in wanted.items())]

            changes: list[dict[str, Any]] = await log.until(found)
            return changes[0]

        steps[0].set()
        assert (await changed(status="streaming"))["http_status"] == 200
        steps[1].set()
        await log.until(lambda s: [d for d in s.data("log:updated") if "time_to_first_chunk_ms" in d["data"]])
        steps[2].set()
        final = await changed(status="completed")
        assert final["id"] == created["id"]
        assert final["duration_ms"] > 0
        await calling
