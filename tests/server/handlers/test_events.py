"""Streams in frames: what a reader is told, in which order, how it resumes, and what it costs when it leaves."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
from server.running import memory
from server.segments import shrink
from server.waiting import eventually

from jupyter_logstream.handlers import event_stream, events
from jupyter_logstream.sse import Decoder
from jupyter_logstream.store.writer import LogWriter

if TYPE_CHECKING:
    from server.web import Site, Stream

SINGLE = "v1/logs/stream?scope=job&job_id="


async def nobody_reads(site: Site) -> None:
    """Wait until the server has no stream open."""

    async def none() -> bool:
        info = await site.get("v1/info")
        return bool(info["connections"] == info["open_streams"] == 0)

    await eventually(none)


def cursors(stream: Stream) -> list[Any]:
    return [json.loads(e.data).get("cursor") for e in stream.events if e.type == "logs"]


def both(workload_id: str) -> list[tuple[str, Callable[[Site], Awaitable[Stream]]]]:
    """Every way to read one workload in frames."""
    name = f"workload/{workload_id}"
    return [
        ("single", lambda site: site.stream(f"{SINGLE}{workload_id}&after=0")),
        ("get", lambda site: site.stream(f"v1/events?stream={name}")),
        ("post", lambda site: site.stream("v1/events", "POST", json={"streams": [{"stream": name}]})),
    ]


async def test_a_final_workload_is_told_whole_and_the_stream_ends(site: Site) -> None:
    workload_id = await site.run("seq 1 5000; echo err >&2", tty=False)
    for kind, opening in both(workload_id):
        stream = await (await opening(site)).rest()
        assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream"), kind
        assert stream.headers["cache-control"] == "no-store, no-transform"
        assert (stream.headers["x-accel-buffering"], stream.headers["connection"]) == ("no", "close")
        assert stream.whole
        assert stream.decoder.retry == 1000
        types = [e.type for e in stream.events]
        assert types[0] == "status"
        assert types[-1] == "done"
        assert set(types[1:-1]) == {"logs"}
        records = stream.records()
        assert [r["seq"] for r in records] == list(range(1, 5002))
        assert sorted(r["message"] for r in records) == sorted(["err", *map(str, range(1, 5001))])
        workload = await site.workload(workload_id)
        assert stream.data("done")[0].items() >= workload.items()
        assert set(stream.data("status")[0]) >= {"job", "steps"}
        assert stream.data("status")[0]["job"] == workload
        sent = 0
        for frame in stream.data("logs"):
            sent += len(frame["logs"])
            assert len(frame["logs"]) <= 2000
            assert frame["job_id"] == workload_id
            assert frame["meta"] == {"total_count": 5001, "displayed_count": sent, "has_more": False}
        if kind == "single":
            ids = [int(e.id) for e in stream.events if e.type == "logs"]
            assert ids == [frame["logs"][-1]["seq"] for frame in stream.data("logs")]
            assert stream.events[-1].id == "5001"
        else:
            assert b"\nid:" not in stream.raw
            assert {json.loads(e.data)["stream"] for e in stream.events} == {f"workload/{workload_id}"}
            assert cursors(stream) == [frame["logs"][-1]["seq"] for frame in stream.data("logs")]


async def test_frames_are_of_bounded_size(site: Site) -> None:
    workload_id = await site.run("for i in $(seq 300); do head -c 9000 /dev/zero | tr '\\0' x; echo; done", tty=False)
    stream = await (await site.stream(f"v1/events?stream=workload/{workload_id}")).rest()
    assert len(stream.records()) == 300
    sizes = [len(e.data.encode()) for e in stream.events if e.type == "logs"]
    assert max(sizes) <= 256 * 1024 + 1024


async def test_the_single_stream_begins_with_the_last_matches_and_says_if_there_are_older(site: Site) -> None:
    workload_id = await site.run("for i in $(seq 300); do echo plain $i; echo ERROR $i; done", tty=False)
    for query, count, older in [
        ("", 100, True), ("&limit=5", 5, True), ("&tail=7", 7, True), ("&tail=0", 0, True), ("&limit=5000", 600, False),
        ("&after=590", 10, True), ("&after=0", 600, False), ("&level=error&limit=10", 10, True),
        ("&level=error&limit=300", 300, False), ("&levels=unknown&tail=2", 2, True), ("&q=300", 2, False),
        ("&after=590&tail=3", 10, True), ("&source=stderr", 0, False),
    ]:  # fmt: skip
        stream = await (await site.stream(SINGLE + workload_id + query)).rest()
        assert len(stream.records()) == count, query
        assert stream.events[-1].type == "done"
        assert stream.events[-1].id == "600", query
        if count:
            assert stream.data("logs")[-1]["meta"]["has_more"] is older, query
            assert stream.data("logs")[-1]["meta"]["displayed_count"] == count


async def test_the_last_event_id_wins_over_everything(site: Site) -> None:
    workload_id = await site.run("seq 1 50")
    stream = await (await site.stream(SINGLE + workload_id + "&after=3&tail=1", headers={"Last-Event-ID": "40"})).rest()
    assert [r["seq"] for r in stream.records()] == list(range(41, 51))
    done = await site.ask("GET", SINGLE + workload_id + "&after=3", headers={"Last-Event-ID": "50"})
    assert (done.status, done.body) == (204, b"")
    after = await (await site.stream(SINGLE + workload_id + "&after=50")).rest()
    assert [e.type for e in after.events] == ["status", "done"]
    ignored = await (
        await site.stream(f"v1/events?stream=workload/{workload_id}@45", headers={"Last-Event-ID": "50"})
    ).rest()
    assert [r["seq"] for r in ignored.records()] == list(range(46, 51))


async def test_a_cursor_that_is_not_ours_is_reset(site: Site) -> None:
    workload_id = await site.run("seq 1 5")
    for last in "6", "999", "abc", "<script>", "9" * 40, "1.5", "x" * 5000:
        stream = await (await site.stream(SINGLE + workload_id, headers={"Last-Event-ID": last})).rest()
        types = [e.type for e in stream.events]
        assert types.index("reset") < types.index("logs"), last[:20]
        assert stream.data("reset")[0]["reason"]
        assert [r["seq"] for r in stream.records()] == [1, 2, 3, 4, 5]
        assert b"script" not in stream.raw
    stream = await (await site.stream(f"v1/events?stream=workload/{workload_id}@6")).rest()
    assert len(stream.data("reset")) == 1
    assert len(stream.records()) == 5


async def test_resuming_at_any_cursor_loses_and_doubles_nothing(site: Site) -> None:
    workload_id = await site.start("for i in $(seq 400); do echo line $i; sleep 0.002; done", tty=False)
    got: list[int] = []
    while True:
        at = got[-1] if got else 0
        stream = await site.stream(f"v1/events?stream=workload/{workload_id}@{at}")
        await stream.until(lambda s: s.ended or s.data("done") or len(s.records()) > 60)
        got += [r["seq"] for r in stream.records()]
        stream.close()
        if stream.data("done"):
            break
    assert got == list(range(1, 401))


async def test_live_lines_come_as_they_are_written(site: Site) -> None:
    workload_id = await site.start("while read x; do echo got $x; done", stdin=True)
    for _, opening in both(workload_id):
        stream = await opening(site)
        await stream.event("status")
        for i in range(5):
            await site.ask("POST", f"v1/workloads/{workload_id}/input", b"%d\n" % i)
            await stream.until(lambda s, i=i: s.records() and s.records()[-1]["message"] == f"got {i}", patience=5)
        stream.close()
    await nobody_reads(site)


async def test_status_is_told_on_each_change(serve: Any) -> None:
    site = await serve(max_running=1)
    first = await site.start("read x", stdin=True)
    second = await site.start("echo a")
    stream = await site.stream(f"v1/events?stream=workload/{second}")
    assert (await stream.event("status"))["job"]["state"] == "queued"
    await site.ask("POST", f"v1/workloads/{first}/input?eof=1")
    await stream.rest()
    states = [frame["job"]["state"] for frame in stream.data("status")]
    assert states[0] == "queued"
    assert states[-1] == "succeeded"
    assert [e.type for e in stream.events][-1] == "done"
    assert [r["message"] for r in stream.records()] == ["a"]


async def test_many_streams_come_over_one_connection_each_with_its_cursor(site: Site) -> None:
    ids = [await site.start(f"seq {i * 100} {i * 100 + 50}") for i in range(1, 4)]
    ids.append(await site.run("seq 400 450"))  # has the lines that we begin behind
    names = [f"workload/{i}" for i in ids]
    query = "&".join(f"stream={name}" for name in names[:3]) + f"&stream={names[3]}@40"
    stream = await (await site.stream(f"v1/events?{query}")).rest()
    for i, name in enumerate(names, 1):
        seqs = [r["seq"] for r in stream.records(name)]
        assert seqs == (list(range(1, 52)) if i < 4 else list(range(41, 52)))
        assert int(stream.records(name)[-1]["message"]) == i * 100 + 50
        assert len(stream.data("done", name)) == 1
    assert stream.whole
    body = {"streams": [{"stream": names[0], "after": 50}, {"stream": names[1], "tail": 2, "source": "stdout"},
                        {"stream": names[2], "q": "/5$/", "levels": ["unknown"]}]}  # fmt: skip
    stream = await (await site.stream("v1/events", "POST", json=body)).rest()
    assert [len(stream.records(name)) for name in names[:3]] == [1, 2, 5]


async def test_a_filtered_stream_moves_its_cursor_by_pings(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "SILENCE", 0.3)
    workload_id = await site.start("echo ERROR a; seq 1 50; read x; echo ERROR b", stdin=True)
    await site.says(workload_id, "50")
    single = await site.stream(SINGLE + workload_id + "&level=error")
    await single.until(lambda s: any(e.type == "ping" and e.id == "51" for e in s.events))
    assert set(single.data("ping")[0]) == {"timestamp"}
    name = f"workload/{workload_id}"
    shared = await site.stream("v1/events", "POST", json={"streams": [{"stream": name, "level": "error"}]})
    await shared.until(lambda s: any(p["cursors"] == {name: 51} for p in s.data("ping")))
    assert b"\nid:" not in shared.raw
    await site.ask("POST", f"v1/workloads/{workload_id}/input?eof=1")
    for stream in single, shared:
        await stream.rest()
        assert [r["message"] for r in stream.records()] == ["ERROR a", "ERROR b"]


async def test_silence_is_broken_every_five_seconds(site: Site) -> None:
    workload_id = await site.start("sleep 600")
    await site.state(workload_id, "running")
    stream = await site.stream(f"v1/events?stream=workload/{workload_id}")
    await stream.event("status")
    ping = await stream.event("ping", patience=7)
    assert ping["cursors"] == {f"workload/{workload_id}": 0}


@pytest.mark.parametrize("tty", [True, False])
async def test_a_progress_bar_moves_at_most_ten_times_a_second_and_is_one_record(site: Site, tty: bool) -> None:
    code = "i=0; while [ $i -lt 150 ]; do printf '\\r%d%%' $i; sleep 0.01; i=$((i+1)); done; printf '\\rdone\\n'"
    workload_id = await site.start(code, tty=tty)
    loop = asyncio.get_running_loop()
    stream = await site.stream(f"v1/events?stream=workload/{workload_id}")
    start = loop.time()
    await stream.rest()
    told = stream.data("progress")
    assert 3 <= len(told) <= 10 * (loop.time() - start) + 2
    assert all(set(frame) >= {"job_id", "source", "message"} for frame in told)
    seen = [int(frame["message"].rstrip("%")) for frame in told if frame["message"].endswith("%")]
    assert seen == sorted(set(seen))
    assert [r["message"] for r in stream.records()] == ["done"]


async def test_a_line_that_is_not_ended_is_shown_and_later_whole(site: Site) -> None:
    workload_id = await site.start("printf 'Name? '; read x; echo hello $x", stdin=True)
    stream = await site.stream(f"v1/events?stream=workload/{workload_id}")
    assert (await stream.event("progress", patience=5))["message"] == "Name? "
    await site.ask("POST", f"v1/workloads/{workload_id}/input", b"you\n")
    await stream.rest()
    assert [r["message"] for r in stream.records()] == ["Name? hello you"]


async def test_frames_of_a_fast_writer_are_paced(site: Site) -> None:
    workload_id = await site.start("for i in $(seq 300); do echo $i; sleep 0.005; done", tty=False)
    loop = asyncio.get_running_loop()
    single, shared = [await opening(site) for _, opening in both(workload_id)[:2]]
    start = loop.time()
    await asyncio.gather(single.rest(), shared.rest())
    seconds = loop.time() - start
    assert len(single.records()) == len(shared.records()) == 300
    assert len(single.data("logs")) <= seconds / 0.15 + 3
    assert len(shared.data("logs")) <= seconds / 0.02 + 3


# --- what is refused --------------------------------------------------------------------------------------------------

BAD_SINGLE = [
    ("", "job_id"), ("job_id=", "job_id"), ("job_id=../x", "job_id"), ("job_id={id}&scope=moon", "scope"),
    ("job_id={id}&limit=0", "limit"), ("job_id={id}&limit=5001", "limit"), ("job_id={id}&limit=ten", "limit"),
    ("job_id={id}&after=-1", "after"), ("job_id={id}&after=1&after=2", "after"), ("job_id={id}&tail=x", "tail"),
    ("job_id={id}&level=loud", "level"), ("job_id={id}&levels=info,,", "levels"), ("job_id={id}&q=/(/", "q"),
    ("job_id={id}&source=x", "source"), ("job_id={id}&follow=1", "follow"), ("job_id={id}&job_id={id}", "job_id"),
    ("job_id={id}&q=%zz", ""),
]  # fmt: skip
BAD_STREAMS = [
    ("", "stream"), ("stream=", ""), ("stream=workload", "workload"), ("stream=workload/", "workload"),
    ("stream=workload/../x", ""), ("stream=workload/{id}@x", "after"), ("stream=workload/{id}@-1", "after"),
    ("stream=workload/{id}@1e3", "after"), ("stream=workload/{id}@" + "9" * 30, "after"), ("stream=moon/{id}", "moon"),
    ("stream=workload/{id}&stream=workload/{id}@2", "workload/{id}"), ("stream=workload/{id}&after=5", "after"),
    ("stream=workload/{id}&stream=workload/x&foo=1", "foo"), ("stream=%ff", ""),
]  # fmt: skip
BAD_POSTS: list[tuple[Any, str]] = [
    ({}, "streams"), ({"streams": {}}, "streams"), ({"streams": []}, "stream"),
    ({"streams": ["workload/{id}"]}, "stream"),
    ({"streams": [{}]}, "stream"), ({"streams": [{"stream": 5}]}, "stream"),
    ({"streams": [{"stream": "workload/{id}", "after": -1}]}, "after"),
    ({"streams": [{"stream": "workload/{id}", "after": 1.5}]}, "after"),
    ({"streams": [{"stream": "workload/{id}", "after": True}]}, "after"),
    ({"streams": [{"stream": "workload/{id}", "tail": "x"}]}, "tail"),
    ({"streams": [{"stream": "workload/{id}", "level": 5}]}, "level"),
    ({"streams": [{"stream": "workload/{id}", "levels": ["loud"]}]}, "levels"),
    ({"streams": [{"stream": "workload/{id}", "q": "/(/"}]}, "q"),
    ({"streams": [{"stream": "workload/{id}", "colour": "x"}]}, "colour"),
    ({"streams": [{"stream": "workload/{id}"}], "x": 1}, ""),
    ({"streams": [{"stream": "workload/{id}"}] * 2}, "workload/{id}"),
    ({"streams": [{"stream": "workload/x"}] * 100_000}, "stream"),
]  # fmt: skip


async def test_what_is_malformed_is_refused_by_name_before_any_frame(site: Site) -> None:
    workload_id = await site.run("true")
    asked: list[tuple[str, str, Any, str]] = [("GET", f"v1/logs/stream?{q}", None, name) for q, name in BAD_SINGLE]
    asked += [("GET", f"v1/events?{q}", None, name) for q, name in BAD_STREAMS]
    asked += [("POST", "v1/events", json.dumps(body).encode(), name) for body, name in BAD_POSTS]
    for method, path, body, name in asked:
        path, name = path.replace("{id}", workload_id), name.replace("{id}", workload_id)  # noqa: PLW2901
        body = body and body.replace(b"{id}", workload_id.encode())  # noqa: PLW2901
        answer = await site.ask(method, path, body, {"Content-Type": "application/json"} if body else None)
        assert (answer.status, set(answer.json)) == (400, {"message", "reason"}), (path, str(body)[:80], answer.status)
        assert name in answer.json["message"], (path, str(body)[:80], answer.json)
    await nobody_reads(site)


async def test_an_unknown_workload_is_404_before_any_frame(site: Site) -> None:
    known, unknown = await site.run("true"), "01JD0000000000000000000000"
    for method, path, body in [
        ("GET", SINGLE + unknown, None),
        ("GET", f"v1/events?stream=workload/{unknown}", None),
        ("GET", f"v1/events?stream=workload/{known}&stream=workload/{unknown}@5", None),
        ("POST", "v1/events", json.dumps({"streams": [{"stream": f"workload/{unknown}"}]}).encode()),
    ]:
        answer = await site.ask(method, path, body, {"Content-Type": "application/json"} if body else None)
        assert (answer.status, answer.json["reason"]) == (404, "unknown_workload")
    await nobody_reads(site)


# --- who leaves, and who does not read --------------------------------------------------------------------------------


async def test_a_reader_that_leaves_is_forgotten(site: Site) -> None:
    workload_id = await site.start("sleep 600")
    streams = [await opening(site) for _, opening in both(workload_id)]
    streams.append(await site.stream(f"v1/workloads/{workload_id}/logs"))
    for stream in streams:
        await stream.until(lambda s: s.raw)
    info = await site.get("v1/info")
    assert (info["connections"], info["open_streams"]) == (4, 4)
    for stream in streams:
        stream.close()
    await nobody_reads(site)
    assert not site.extension.engine._wakes
    watcher = site.extension.store._watcher
    await eventually(lambda: not sum(map(len, getattr(watcher, "_wakes", {}).values())))


async def unread(site: Site, path: str) -> socket.socket:
    """A reader that never reads, with as little room as the system allows."""
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
async def test_a_reader_that_does_not_read_costs_little_holds_up_nobody_and_is_cut(
    site: Site, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(event_stream, "STALLED", 2.0)
    workload_id = await site.run("yes 'a line of about fifty bytes, again and again' | head -c 40000000", tty=False)
    await (await site.stream(f"v1/events?stream=workload/{workload_id}@860000")).rest()  # what is cached is cached
    before = memory(os.getpid(), "VmRSS")
    clients = [await unread(site, path.format(workload_id)) for _ in range(5)]
    try:
        await eventually(lambda: len(site.extension.streams._open) == 5)
        other = await (await site.stream(f"v1/events?stream=workload/{workload_id}@850000")).rest()
        assert other.data("done")
        await nobody_reads(site)  # cut, though they never left
        assert memory(os.getpid(), "VmRSS") - before < 60 * 1024 * 1024
        assert not site.extension.engine._wakes
    finally:
        for client in clients:
            client.close()


async def test_deleting_cuts_open_streams_without_done(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    gone = await site.run("seq 1 3")
    stays = await site.start("sleep 600")
    stream = await site.stream(f"v1/events?stream=workload/{gone}&stream=workload/{stays}")
    await stream.until(lambda s: s.data("done", f"workload/{gone}"))
    assert (await site.ask("DELETE", f"v1/workloads/{gone}")).status == 204
    assert not stream.ended
    stream.close()
    # One that is not told whole yet.
    gone = await site.run("yes 'a line of about fifty bytes, again and again' | head -c 30000000", tty=False)
    slow = await site.stream(f"v1/events?stream=workload/{gone}")
    await slow.more()
    assert (await site.ask("DELETE", f"v1/workloads/{gone}")).status == 204
    await slow.rest()
    assert slow.data("done") == []
    answer = await site.ask("GET", f"v1/events?stream=workload/{gone}")
    assert answer.status == 404
    assert "Traceback" not in caplog.text


async def test_stopping_the_server_ends_streams_at_once_and_without_done(site: Site) -> None:
    workload_id = await site.start("echo a; sleep 600")
    streams = [await opening(site) for _, opening in both(workload_id)]
    streams.append(await site.stream(f"v1/workloads/{workload_id}/logs"))
    for stream in streams:
        await stream.until(lambda s: b"data:" in s.raw)
    assert site.stop
    await asyncio.wait_for(site.stop(), 5)
    for stream in streams:
        await stream.rest(patience=5)
        assert stream.data("done") == []


async def test_a_hundred_readers_of_one_log_each_get_all_of_it(site: Site) -> None:
    workload_id = await site.start("for i in $(seq 200); do echo $i; sleep 0.005; done", tty=False)
    streams = await asyncio.gather(*(site.stream(f"v1/events?stream=workload/{workload_id}") for _ in range(100)))
    await asyncio.gather(*(stream.rest() for stream in streams))
    for stream in streams:
        assert [r["seq"] for r in stream.records()] == list(range(1, 201))
    await nobody_reads(site)


async def test_a_filter_that_takes_for_ever_holds_up_nobody(site: Site) -> None:
    workload_id = await site.start(
        "read x; for i in $(seq 20); do echo " + "a" * 150 + "b; done; sleep 600", stdin=True
    )
    stream = await site.stream(SINGLE + workload_id + "&q=/(a|aa)%2B$/")
    assert stream.status == 200
    await site.ask("POST", f"v1/workloads/{workload_id}/input?eof=1")
    loop = asyncio.get_running_loop()
    start, worst = loop.time(), 0.0
    ended = asyncio.ensure_future(stream.rest())
    while not ended.done() and loop.time() - start < 20:
        asked = loop.time()
        await site.ask("GET", "v1/info")
        worst = max(worst, loop.time() - asked)
    assert ended.done()  # it is cut: it cannot be told whether there are matches
    assert stream.data("done") == []
    assert worst < 0.9 * (loop.time() - start) or loop.time() - start < 0.5


async def test_retention_is_told_as_a_gap(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    workload_id = await site.run("true")
    shrink(monkeypatch, 1000, 64)
    folder = site.extension.store.folder(workload_id).path
    for path in [*folder.glob("*.000"), folder / "end"]:
        path.unlink(missing_ok=True)
    log = LogWriter(folder, keep=8000)
    for i in range(1, 1001):
        log.write("stdout", b"line %05d\n" % i)
    log.close()
    site.extension.store._readers.clear()
    for path in f"v1/events?stream=workload/{workload_id}@5", SINGLE + workload_id + "&after=5":
        stream = await (await site.stream(path)).rest()
        (gap,) = stream.data("gap")
        first = stream.records()[0]["seq"]
        assert (gap["from"], gap["to"]) == (6, first - 1)
        assert gap["reason"]
        assert [r["seq"] for r in stream.records()] == list(range(first, 1001))
        assert [e.type for e in stream.events].index("gap") < [e.type for e in stream.events].index("logs")


async def test_an_old_client_reads_it_too(site: Site) -> None:
    """HTTP/1.0: no chunks, the end of the connection is the end."""
    workload_id = await site.run("seq 1 3")
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    head = f"GET {site.base_url}logstream/v1/workloads/{workload_id}/logs HTTP/1.0\r\nHost: 127.0.0.1\r\n"
    writer.write((head + f"Authorization: {site.headers['Authorization']}\r\n\r\n").encode())
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    body = answer.partition(b"\r\n\r\n")[2]
    events = Decoder().feed(body)
    assert [(e.type, e.id) for e in events] == [("message", "1"), ("message", "2"), ("message", "3"), ("done", "3")]


async def test_coming_and_going_leaves_nothing_behind(site: Site) -> None:
    workload_id = await site.start("while :; do echo tick; sleep 0.01; done")
    names = [opening for _, opening in both(workload_id)]

    async def visit(i: int) -> None:
        stream = await names[i % 3](site)
        await stream.until(lambda s: len(s.records()) > i % 4)
        stream.close()

    async def round_of_visits() -> tuple[int, int]:
        for _ in range(4):
            await asyncio.gather(*map(visit, range(25)))
        await nobody_reads(site)
        return len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())

    files, tasks = await round_of_visits()
    files_after, tasks_after = await round_of_visits()
    assert files_after <= files + 3
    assert tasks_after <= tasks + 3


async def test_a_lone_line_does_not_wait_for_company(site: Site) -> None:
    """It comes at once, not with the next beat: sooner than frames of a caught-up reader may follow each other."""
    workload_id = await site.start("while read x; do date +%s%N; done", stdin=True)
    stream = await site.stream(SINGLE + workload_id)
    await stream.event("status")
    delays = []
    for i in range(1, 8):
        await asyncio.sleep(0.3)
        await site.ask("POST", f"v1/workloads/{workload_id}/input", b"\n")
        await stream.until(lambda s, i=i: len(s.records()) == i)
        delays.append(time.time_ns() - int(stream.records()[-1]["message"]))
    assert sorted(delays)[3] < events._SINGLE_PACE * 1e9


async def test_at_most_so_many_streams_go_over_one_connection(site: Site) -> None:
    body = {"streams": [{"stream": f"workload/x{i}"} for i in range(events.MOST_STREAMS + 1)]}
    assert (await site.ask("POST", "v1/events", json=body)).status == 400
