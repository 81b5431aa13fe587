"""Streams of frames: order, cursors, status, progress and keep-alives."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from jupyter_logstream.server.http import sse_response

if TYPE_CHECKING:
    from support.web import Site

from support.event_readers import SINGLE, cursors, every_way_to_read, no_open_streams


async def test_final_workload_is_streamed_completely_and_the_stream_ends(site: Site) -> None:
    workload_id = await site.run("seq 1 5000; echo err >&2", tty=False)
    for kind, opening in every_way_to_read(workload_id):
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


async def test_stream_of_a_get_has_the_options_of_a_post(site: Site) -> None:
    workload_id = await site.run("seq 1 30", tty=False)
    one = {"stream": f"workload/{workload_id}", "id": "f1", "after": 10, "q": "/^.*5$/"}
    two = {"stream": f"workload/{workload_id}", "tail": 2}
    values = urlencode([("stream", json.dumps(one)), ("stream", json.dumps(two))])
    by_get = await (await site.stream(f"v1/events?{values}")).rest()
    body = json.dumps({"streams": [one, two]}).encode()
    by_post = await (await site.stream("v1/events", "POST", body, {"Content-Type": "application/json"})).rest()
    assert [record["message"] for record in by_get.records()] == ["15", "25", "29", "30"]
    assert [(e.type, e.data) for e in by_get.events] == [(e.type, e.data) for e in by_post.events]


async def test_frames_are_of_bounded_size(site: Site) -> None:
    workload_id = await site.run("for i in $(seq 300); do head -c 9000 /dev/zero | tr '\\0' x; echo; done", tty=False)
    stream = await (await site.stream(f"v1/events?stream=workload/{workload_id}")).rest()
    assert len(stream.records()) == 300
    sizes = [len(e.data.encode()) for e in stream.events if e.type == "logs"]
    assert max(sizes) <= 256 * 1024 + 1024


async def test_single_stream_begins_with_the_last_matches_and_reports_older_ones(site: Site) -> None:
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


async def test_last_event_id_takes_precedence_over_parameters(site: Site) -> None:
    workload_id = await site.run("seq 1 50")
    stream = await (await site.stream(SINGLE + workload_id + "&after=3&tail=1", headers={"Last-Event-ID": "40"})).rest()
    assert [r["seq"] for r in stream.records()] == list(range(41, 51))
    done = await site.request("GET", SINGLE + workload_id + "&after=3", headers={"Last-Event-ID": "50"})
    assert (done.status, done.body) == (204, b"")
    after = await (await site.stream(SINGLE + workload_id + "&after=50")).rest()
    assert [e.type for e in after.events] == ["status", "done"]
    ignored = await (
        await site.stream(f"v1/events?stream=workload/{workload_id}@45", headers={"Last-Event-ID": "50"})
    ).rest()
    assert [r["seq"] for r in ignored.records()] == list(range(46, 51))


async def test_unknown_cursor_is_reset(site: Site) -> None:
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


async def test_resuming_at_any_cursor_neither_loses_nor_repeats_records(site: Site) -> None:
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


async def test_live_lines_arrive_as_they_are_written(site: Site) -> None:
    workload_id = await site.start("while read x; do echo got $x; done", stdin=True)
    for _, opening in every_way_to_read(workload_id):
        stream = await opening(site)
        await stream.event("status")
        for i in range(5):
            await site.request("POST", f"v1/workloads/{workload_id}/input", b"%d\n" % i)
            await stream.until(lambda s, i=i: s.records() and s.records()[-1]["message"] == f"got {i}", patience=5)
        stream.close()
    await no_open_streams(site)


async def test_status_frame_follows_each_change(serve: Any) -> None:
    site = await serve(max_running=1)
    first = await site.start("read x", stdin=True)
    second = await site.start("echo a")
    stream = await site.stream(f"v1/events?stream=workload/{second}")
    assert (await stream.event("status"))["job"]["state"] == "queued"
    await site.request("POST", f"v1/workloads/{first}/input?eof=1")
    await stream.rest()
    states = [frame["job"]["state"] for frame in stream.data("status")]
    assert states[0] == "queued"
    assert states[-1] == "succeeded"
    assert [e.type for e in stream.events][-1] == "done"
    assert [r["message"] for r in stream.records()] == ["a"]


async def test_one_connection_carries_many_streams_each_with_its_cursor(site: Site) -> None:
    ids = [await site.start(f"seq {i * 100} {i * 100 + 50}") for i in range(1, 4)]
    ids.append(await site.run("seq 400 450"))  # its lines come before the requested cursor
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


async def test_pings_move_the_cursor_of_a_filtered_stream(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse_response, "KEEP_ALIVE_INTERVAL_S", 0.3)
    workload_id = await site.start("echo ERROR a; seq 1 50; read x; echo ERROR b", stdin=True)
    await site.wait_for_line(workload_id, "50")
    single = await site.stream(SINGLE + workload_id + "&level=error")
    await single.until(lambda s: any(e.type == "ping" and e.id == "51" for e in s.events))
    assert set(single.data("ping")[0]) == {"timestamp"}
    name = f"workload/{workload_id}"
    shared = await site.stream("v1/events", "POST", json={"streams": [{"stream": name, "level": "error"}]})
    await shared.until(lambda s: any(p["cursors"] == {name: 51} for p in s.data("ping")))
    assert b"\nid:" not in shared.raw
    await site.request("POST", f"v1/workloads/{workload_id}/input?eof=1")
    for stream in single, shared:
        await stream.rest()
        assert [r["message"] for r in stream.records()] == ["ERROR a", "ERROR b"]


async def test_keep_alive_is_sent_every_five_seconds(site: Site) -> None:
    workload_id = await site.start("sleep 600")
    await site.state(workload_id, "running")
    stream = await site.stream(f"v1/events?stream=workload/{workload_id}")
    await stream.event("status")
    ping = await stream.event("ping", patience=7)
    assert ping["cursors"] == {f"workload/{workload_id}": 0}


@pytest.mark.parametrize("tty", [True, False])
async def test_progress_bar_is_sent_at_most_ten_times_a_second_and_is_one_record(site: Site, tty: bool) -> None:
    code = "i=0; while [ $i -lt 150 ]; do printf '\\r%d%%' $i; sleep 0.01; i=$((i+1)); done; printf '\\rdone\\n'"
    workload_id = await site.start(code, tty=tty)
    loop = asyncio.get_running_loop()
    stream = await site.stream(f"v1/events?stream=workload/{workload_id}")
    start = loop.time()
    await stream.rest()
    progress = stream.data("progress")
    assert 3 <= len(progress) <= 10 * (loop.time() - start) + 2
    assert all(set(frame) >= {"job_id", "source", "message"} for frame in progress)
    seen = [int(frame["message"].rstrip("%")) for frame in progress if frame["message"].endswith("%")]
    assert seen == sorted(set(seen))
    assert [r["message"] for r in stream.records()] == ["done"]


async def test_unfinished_line_is_sent_as_progress_then_as_a_record(site: Site) -> None:
    workload_id = await site.start("printf 'Name? '; read x; echo hello $x", stdin=True)
    stream = await site.stream(f"v1/events?stream=workload/{workload_id}")
    assert (await stream.event("progress", patience=5))["message"] == "Name? "
    await site.request("POST", f"v1/workloads/{workload_id}/input", b"you\n")
    await stream.rest()
    assert [r["message"] for r in stream.records()] == ["Name? hello you"]


async def test_frames_of_a_fast_writer_are_throttled(site: Site) -> None:
    workload_id = await site.start("for i in $(seq 300); do echo $i; sleep 0.005; done", tty=False)
    loop = asyncio.get_running_loop()
    single, shared = [await opening(site) for _, opening in every_way_to_read(workload_id)[:2]]
    start = loop.time()
    await asyncio.gather(single.rest(), shared.rest())
    seconds = loop.time() - start
    assert len(single.records()) == len(shared.records()) == 300
    assert len(single.data("logs")) <= seconds / 0.15 + 3
    assert len(shared.data("logs")) <= seconds / 0.02 + 3
