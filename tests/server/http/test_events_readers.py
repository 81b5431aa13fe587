"""Readers that disconnect, and readers that do not read."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

import pytest
from support.running import memory
from support.segments import shrink
from support.waiting import PATIENCE, eventually

from jupyter_logstream.server.http import events, sse_response
from jupyter_logstream.server.params import MAX_STREAMS
from jupyter_logstream.store.disk.writer import LogWriter
from jupyter_logstream.wire.sse import Decoder

if TYPE_CHECKING:
    from support.web import Site

from support.event_readers import SINGLE, every_way_to_read, no_open_streams


async def test_disconnected_reader_is_unregistered(site: Site) -> None:
    workload_id = await site.start("sleep 600")
    streams = [await opening(site) for _, opening in every_way_to_read(workload_id)]
    streams.append(await site.stream(f"v1/workloads/{workload_id}/logs"))
    for stream in streams:
        await stream.until(lambda s: s.raw)
    info = await site.get("v1/info")
    assert (info["connections"], info["open_streams"]) == (4, 4)
    for stream in streams:
        stream.close()
    await no_open_streams(site)
    assert not site.services.engine._catalogue._wakes
    watcher = site.services.store._watcher
    await eventually(lambda: not sum(map(len, getattr(watcher, "_wakes", {}).values())))


async def unread(site: Site, path: str) -> socket.socket:
    """A reader that never reads, with the smallest receive buffer that the system allows."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, ("127.0.0.1", site.port))
    head = f"GET {site.base_url}logstream/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    head += "".join(f"{k}: {v}\r\n" for k, v in site.headers.items())
    await loop.sock_sendall(client, head.encode() + b"\r\n")
    return client


@pytest.mark.parametrize("path", ["v1/events?stream=workload/{}", SINGLE + "{}&after=0", "v1/workloads/{}/logs"])
async def test_reader_that_does_not_read_costs_little_and_is_disconnected(
    site: Site, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(sse_response, "WRITE_TIMEOUT_S", 2.0)
    workload_id = await site.run("yes 'a line of about fifty bytes, again and again' | head -c 40000000", tty=False)
    await (await site.stream(f"v1/events?stream=workload/{workload_id}@860000")).rest()  # fill the cache first
    before = memory(os.getpid(), "VmRSS")
    clients = [await unread(site, path.format(workload_id)) for _ in range(5)]
    try:
        await eventually(lambda: len(site.services.open_streams._open) == 5)
        other = await (await site.stream(f"v1/events?stream=workload/{workload_id}@850000")).rest()
        assert other.data("done")
        await no_open_streams(site)  # the server disconnected them
        assert memory(os.getpid(), "VmRSS") - before < 60 * 1024 * 1024
        assert not site.services.engine._catalogue._wakes
    finally:
        for client in clients:
            client.close()


async def test_deleting_ends_open_streams_without_done(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    gone = await site.run("seq 1 3")
    stays = await site.start("sleep 600")
    stream = await site.stream(f"v1/events?stream=workload/{gone}&stream=workload/{stays}")
    await stream.until(lambda s: s.data("done", f"workload/{gone}"))
    assert (await site.request("DELETE", f"v1/workloads/{gone}")).status == 204
    assert not stream.ended
    stream.close()
    # One that has not received everything yet.
    gone = await site.run("yes 'a line of about fifty bytes, again and again' | head -c 30000000", tty=False)
    slow = await site.stream(f"v1/events?stream=workload/{gone}")
    await slow.more()
    assert (await site.request("DELETE", f"v1/workloads/{gone}")).status == 204
    await slow.rest()
    assert slow.data("done") == []
    answer = await site.request("GET", f"v1/events?stream=workload/{gone}")
    assert answer.status == 404
    assert "Traceback" not in caplog.text


async def test_stopping_the_server_ends_streams_at_once_without_done(site: Site) -> None:
    workload_id = await site.start("echo a; sleep 600")
    streams = [await opening(site) for _, opening in every_way_to_read(workload_id)]
    streams.append(await site.stream(f"v1/workloads/{workload_id}/logs"))
    for stream in streams:
        await stream.until(lambda s: b"data:" in s.raw)
    assert site.stop
    await asyncio.wait_for(site.stop(), 5)
    for stream in streams:
        await stream.rest(patience=5)
        assert stream.data("done") == []


async def test_hundred_readers_of_one_log_each_receive_all_of_it(site: Site) -> None:
    workload_id = await site.start("for i in $(seq 200); do echo $i; sleep 0.005; done", tty=False)
    streams = await asyncio.gather(*(site.stream(f"v1/events?stream=workload/{workload_id}") for _ in range(100)))
    await asyncio.gather(*(stream.rest() for stream in streams))
    for stream in streams:
        assert [r["seq"] for r in stream.records()] == list(range(1, 201))
    await no_open_streams(site)


async def test_live_filter_with_nested_repeats_delivers_every_match(site: Site) -> None:
    """A backtracking engine would never finish one of these lines."""
    workload_id = await site.start(
        "read x; for i in $(seq 20); do echo " + "a" * 150 + "; echo " + "a" * 150 + "b; done", stdin=True
    )
    stream = await site.stream(SINGLE + workload_id + "&q=/^(a|aa)%2B$/")
    await site.request("POST", f"v1/workloads/{workload_id}/input?eof=1")
    assert [record["seq"] for record in (await stream.rest()).records()] == list(range(1, 41, 2))


async def retained_in_part(site: Site, monkeypatch: pytest.MonkeyPatch) -> str:
    """A workload with 1,000 lines, of which retention removed the first."""
    workload_id = await site.run("true")
    shrink(monkeypatch, 1000, 64)
    folder = site.services.store.folder(workload_id).path
    for path in [*folder.glob("*.000"), folder / "end"]:
        path.unlink(missing_ok=True)
    log = LogWriter(folder, keep=8000)
    for i in range(1, 1001):
        log.write("stdout", b"line %05d\n" % i)
    log.close()
    site.services.store._readers.clear()
    return workload_id


async def test_simple_stream_reports_a_gap_in_a_comment(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    workload_id = await retained_in_part(site, monkeypatch)
    for query, begin in ("", 1), ("?after=5", 6), ("?tail=990", 11):
        stream = await (await site.stream(f"v1/workloads/{workload_id}/logs{query}")).rest()
        first = int(stream.events[0].id)
        assert [int(e.id) for e in stream.events if e.type == "message"] == list(range(first, 1001))
        assert b': gap {"from":%d,"to":%d,"reason":"retention"}\n\nid: %d\n' % (begin, first - 1, first) in stream.raw
    stream = await (await site.stream(f"v1/workloads/{workload_id}/logs?after={first - 1}")).rest()
    assert b"gap" not in stream.raw


async def test_retention_is_reported_as_a_gap(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    workload_id = await retained_in_part(site, monkeypatch)
    for path in f"v1/events?stream=workload/{workload_id}@5", SINGLE + workload_id + "&after=5":
        stream = await (await site.stream(path)).rest()
        (gap,) = stream.data("gap")
        first = stream.records()[0]["seq"]
        assert (gap["from"], gap["to"]) == (6, first - 1)
        assert gap["reason"]
        assert [r["seq"] for r in stream.records()] == list(range(first, 1001))
        assert [e.type for e in stream.events].index("gap") < [e.type for e in stream.events].index("logs")


async def test_http_1_0_client_reads_the_stream(site: Site) -> None:
    """HTTP/1.0 has no chunks: the end of the connection is the end of the stream."""
    workload_id = await site.run("seq 1 3")
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    head = f"GET {site.base_url}logstream/v1/workloads/{workload_id}/logs HTTP/1.0\r\nHost: 127.0.0.1\r\n"
    writer.write((head + f"Authorization: {site.headers['Authorization']}\r\n\r\n").encode())
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    body = answer.partition(b"\r\n\r\n")[2]
    events = Decoder().feed(body)
    assert [(e.type, e.id) for e in events] == [("message", "1"), ("message", "2"), ("message", "3"), ("done", "3")]


async def test_reconnecting_readers_leave_nothing_behind(site: Site) -> None:
    workload_id = await site.start("while :; do echo tick; sleep 0.01; done")
    names = [opening for _, opening in every_way_to_read(workload_id)]

    async def visit(i: int) -> None:
        stream = await names[i % 3](site)
        await stream.until(lambda s: len(s.records()) > i % 4)
        stream.close()

    async def round_of_visits() -> tuple[int, int]:
        for _ in range(4):
            await asyncio.gather(*map(visit, range(25)))
        await no_open_streams(site)
        return len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())

    files, tasks = await round_of_visits()
    files_after, tasks_after = await round_of_visits()
    assert files_after <= files + 3
    assert tasks_after <= tasks + 3


async def test_first_line_after_a_pause_does_not_wait_for_the_interval(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_SINGLE_INTERVAL_S", 10 * PATIENCE)
    workload_id = await site.start("read x; echo line", stdin=True)
    stream = await site.stream(SINGLE + workload_id)
    await stream.event("status")
    await site.request("POST", f"v1/workloads/{workload_id}/input", b"\n")
    await stream.until(lambda s: s.records())


async def test_number_of_streams_on_one_connection_is_limited(site: Site) -> None:
    body = {"streams": [{"stream": f"workload/x{i}"} for i in range(MAX_STREAMS + 1)]}
    assert (await site.request("POST", "v1/events", json=body)).status == 400


@pytest.mark.parametrize("path", ["v1/events?stream=workload/{}", SINGLE + "{}", "v1/workloads/{}/logs"])
async def test_server_closes_the_connection_after_the_last_frame(site: Site, path: str) -> None:
    """The response has `Connection: close`; a client that waits for that would hang otherwise."""
    workload_id = await site.run("seq 1 3")
    stream = await site.stream(path.format(workload_id), headers={"Connection": "keep-alive"})
    await stream.rest()
    assert stream.whole
    assert await asyncio.wait_for(stream.reader.read(), 5) == b""
