"""A workload's log over HTTP: the simple stream, pages of records, the download."""

from __future__ import annotations

import contextlib
import os
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.waiting import eventually

from jupyter_logstream.server.http import chunks, sse_response

if TYPE_CHECKING:
    from support.web import Site

SSE_HEADERS = {
    "content-type": "text/event-stream",
    "cache-control": "no-store, no-transform",
    "x-accel-buffering": "no",
    "connection": "close",
}


def frames(raw: bytes) -> list[bytes]:
    """The blocks of a stream without the first one and without comments."""
    return [b for b in raw.split(b"\n\n") if b and not b.startswith((b":", b"retry:"))]


# --- the simple stream ------------------------------------------------------------------------------------------------


async def test_simple_stream_is_a_block_for_each_line_then_done(site: Site) -> None:
    workload_id = await site.run("echo one; echo '  two: 2'; echo; echo ü", tty=False)
    stream = await (await site.stream(f"v1/workloads/{workload_id}/logs")).rest()
    assert stream.status == 200
    assert {name: stream.headers.get(name) for name in SSE_HEADERS} == SSE_HEADERS
    *lines, done = frames(stream.raw)
    assert lines == [b"id: 1\ndata: one", b"id: 2\ndata:   two: 2", b"id: 3\ndata: ", "id: 4\ndata: ü".encode()]
    assert done.startswith(b"id: 4\nevent: done\ndata: {")
    assert stream.data("done") == [await site.workload(workload_id)]
    assert stream.whole
    assert b"retry: 1000\n" in stream.raw.split(b"\n\n")[0] + b"\n"


async def test_simple_stream_without_output_is_done_with_id_0(site: Site) -> None:
    workload_id = await site.run("true")
    stream = await (await site.stream(f"v1/workloads/{workload_id}/logs")).rest()
    assert [(e.type, e.id) for e in stream.events] == [("done", "0")]
    for last in "0":
        again = await site.request("GET", f"v1/workloads/{workload_id}/logs", headers={"Last-Event-ID": last})
        assert (again.status, again.body) == (204, b"")


async def test_simple_stream_begins_at_the_requested_position(site: Site) -> None:
    workload_id = await site.run("seq 1 10")
    every = [str(i) for i in range(1, 11)]
    for query, last, expected in [
        ("", None, every),
        ("?tail=3", None, every[7:]),
        ("?tail=0", None, []),
        ("?tail=99", None, every),
        ("?after=8", None, every[8:]),
        ("?after=0", None, every),
        ("?after=10", None, []),
        ("?after=2&tail=1", None, every[2:]),
        ("?after=2", "7", every[7:]),
        ("?tail=1", "7", every[7:]),
        ("", "", every),
        ("", "9", every[9:]),
        ("", "<script>", every),
        ("", "1" * 200, every),
        ("?after=11", None, every),
    ]:
        headers = {} if last is None else {"Last-Event-ID": last or " "}
        stream = await (await site.stream(f"v1/workloads/{workload_id}/logs{query}", headers=headers)).rest()
        assert [e.data for e in stream.events if e.type == "message"] == expected, (query, last)
        assert (stream.events[-1].type, stream.events[-1].id) == ("done", "10")
        assert b"script" not in stream.raw
    final = await site.request("GET", f"v1/workloads/{workload_id}/logs?after=3", headers={"Last-Event-ID": "10"})
    assert final.status == 204


async def test_simple_stream_is_live_and_sends_keep_alives(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse_response, "KEEP_ALIVE_INTERVAL_S", 0.3)
    workload_id = await site.start("read x; echo got $x; read y", stdin=True)
    stream = await site.stream(f"v1/workloads/{workload_id}/logs")
    await stream.until(lambda s: s.raw.count(b"\n:") + s.raw.startswith(b":") >= 2)
    assert stream.events == []
    await site.request("POST", f"v1/workloads/{workload_id}/input", b"it\n")
    await stream.until(lambda s: [e.data for e in s.events] == ["got it"])
    await site.request("POST", f"v1/workloads/{workload_id}/input?eof=1")
    await stream.rest()
    assert [e.type for e in stream.events] == ["message", "done"]


async def test_message_with_line_breaks_is_several_data_lines(site: Site) -> None:
    workload_id = await site.run("printf 'a\\rb\\n'; printf 'data: forged\\n: hb\\nevent: done\\n'", tty=False)
    stream = await (await site.stream(f"v1/workloads/{workload_id}/logs")).rest()
    assert [(e.type, e.data) for e in stream.events[:-1]] == [
        ("message", "b"), ("message", "data: forged"), ("message", ": hb"), ("message", "event: done"),
    ]  # fmt: skip


async def test_deleting_ends_the_simple_stream_without_done_or_traceback(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    workload_id = await site.run("seq 1 3")
    site.services.engine._catalogue._workloads[workload_id] = await unfinished(site, workload_id)
    stream = await site.stream(f"v1/workloads/{workload_id}/logs")
    await stream.until(lambda s: len(s.events) == 3)
    final(site, workload_id)
    assert (await site.request("DELETE", f"v1/workloads/{workload_id}")).status == 204
    await stream.rest()
    assert [e.type for e in stream.events] == ["message"] * 3
    assert "Traceback" not in caplog.text


FINALS: dict[str, Any] = {}


async def unfinished(site: Site, workload_id: str) -> Any:
    """The workload as the engine has it just before it learns of the end: a stream of it stays open."""
    from dataclasses import replace  # noqa: PLC0415

    known = site.services.engine.status_of(workload_id)
    FINALS[workload_id] = known
    return replace(known, status=replace(known.status, state="running", ended=None))


def final(site: Site, workload_id: str) -> None:
    site.services.engine._catalogue._workloads[workload_id] = FINALS.pop(workload_id)


# --- pages ------------------------------------------------------------------------------------------------------------

LEVELS = "echo INFO a; echo ERROR b; echo plain; echo WARN c; echo 'error: d' >&2"


async def test_page_has_records_total_next_cursor_and_state(site: Site) -> None:
    workload_id = await site.run("seq 1 250", tty=False)
    page = await site.get(f"v1/workloads/{workload_id}/records")
    assert set(page) == {"records", "total", "next", "state"}
    assert (page["total"], page["next"], page["state"]) == (250, 100, "succeeded")
    first = page["records"][0]
    assert set(first) == {"seq", "ts", "level", "message", "source"}
    assert (first["seq"], first["level"], first["message"], first["source"]) == (1, "unknown", "1", "stdout")
    found, after = page["records"], page["next"]
    while after is not None:
        page = await site.get(f"v1/workloads/{workload_id}/records?limit=60&after={after}")
        found, after = found + page["records"], page["next"]
    assert [int(r["message"]) for r in found] == list(range(1, 251)) == [r["seq"] for r in found]
    page = await site.get(f"v1/workloads/{workload_id}/records?offset=200&limit=5000")
    assert ([r["seq"] for r in page["records"]], page["next"]) == (list(range(201, 251)), None)
    page = await site.get(f"v1/workloads/{workload_id}/records?after=9999")
    assert (page["records"], page["next"], page["total"]) == ([], None, 250)


async def test_filters_select_records(site: Site) -> None:
    workload_id = await site.run(LEVELS)

    async def found(query: str) -> set[str]:
        return {r["message"][-1] for r in (await site.get(f"v1/workloads/{workload_id}/records?{query}"))["records"]}

    assert await found("level=warn") == {"b", "c", "d"}
    assert await found("level=error") == {"b", "d"}
    assert await found("levels=unknown,info") == {"n", "a"}
    assert await found("source=stderr") == {"d"}
    assert await found("q=error") == {"b", "d"}
    assert await found("q=ERROR") == {"b"}
    assert await found("q=/%5EINFO|plain/") == {"a", "n"}
    assert await found("q=error&source=stdout&level=info") == {"b"}
    assert await found("step=fit") == set()
    page = await site.get(f"v1/workloads/{workload_id}/records?levels=error&offset=1&limit=1")
    assert (len(page["records"]), page["total"], page["next"]) == (1, 2, None)


BAD = [
    ("records?after=-1", "after"), ("records?after=abc", "after"), ("records?after=1e9", "after"),
    ("records?after=0x10", "after"), ("records?after=%201", "after"), ("records?after=%EF%BC%91", "after"),
    ("records?after=9223372036854775808", "after"), ("records?after=18446744073709551616", "after"),
    ("records?after=" + "9" * 40, "after"), ("records?after=1&after=2", "after"), ("records?after=1.5", "after"),
    ("records?limit=0", "limit"), ("records?limit=-5", "limit"), ("records?limit=5001", "limit"),
    ("records?limit=NaN", "limit"), ("records?offset=-1", "offset"), ("records?offset=a", "offset"),
    ("records?level=loud", "level"), ("records?level=unknown", "level"), ("records?levels=info,loud", "levels"),
    ("records?source=moon", "source"), ("records?q=/(/", "q"), ("records?q=%zz", ""), ("records?q=%ff", "q"),
    ("records?follow=maybe", "follow"), ("records?since=2026-02-30", "since"), ("records?Level=info", "Level"),
    ("logs?tail=-1", "tail"), ("logs?after=x", "after"), ("logs?tail=1&tail=1", "tail"), ("logs?limit=5", "limit"),
    ("logs?tail=1e3", "tail"), ("log.txt?source=log", "source"), ("log.txt?x=1", "x"),
    ("log.txt?after=-1", "after"), ("log.txt?last=x", "last"), ("log.txt?after=1&after=2", "after"),
]  # fmt: skip


async def test_bad_query_names_the_parameter_and_opens_nothing(site: Site) -> None:
    workload_id = await site.run("true")
    for path, name in BAD:
        answer = await site.request("GET", f"v1/workloads/{workload_id}/{path}")
        assert (answer.status, set(answer.json)) == (400, {"message", "reason"}), (path, answer.status)
        assert name in answer.json["message"], (path, answer.json)
        assert answer.headers["content-type"].startswith("application/json")


async def test_empty_parameters_count_as_absent(site: Site) -> None:
    workload_id = await site.run("echo a")
    page = await site.get(f"v1/workloads/{workload_id}/records?after=&offset=&limit=&q=&level=&levels=&source=&step=")
    assert [r["message"] for r in page["records"]] == ["a"]


# --- the download -----------------------------------------------------------------------------------------------------


@pytest.fixture
def output(tmp_path: Path) -> bytes:
    data = random.Random(3).randbytes(300_000)
    (tmp_path / "written").write_bytes(data)
    return data


async def test_download_is_the_written_bytes_as_an_attachment(site: Site, output: bytes, tmp_path: Path) -> None:
    workload_id = await site.run(["cat", str(tmp_path / "written")])
    answer = await site.request("GET", f"v1/workloads/{workload_id}/log.txt")
    assert (answer.status, answer.body) == (200, output)
    assert answer.headers["content-length"] == str(len(output))
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["accept-ranges"] == "bytes"


async def test_range_requests_return_parts_of_the_download(site: Site, output: bytes, tmp_path: Path) -> None:
    workload_id = await site.run(["cat", str(tmp_path / "written")])
    path, size = f"v1/workloads/{workload_id}/log.txt", len(output)
    for part, start, end in [
        ("0-0", 0, 1), ("0-99", 0, 100), ("100-199", 100, 200), (f"{size - 1}-", size - 1, size), ("5-", 5, size),
        ("-7", size - 7, size), (f"-{size * 2}", 0, size), (f"10-{size * 9}", 10, size),
    ]:  # fmt: skip
        answer = await site.request("GET", path, headers={"Range": f"bytes={part}"})
        assert (answer.status, answer.body) == (206, output[start:end]), part
        assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
        assert answer.headers["content-length"] == str(end - start)
    for part in f"{size}-", f"{size}-{size + 5}", "-0":
        answer = await site.request("GET", path, headers={"Range": f"bytes={part}"})
        assert (answer.status, set(answer.json)) == (416, {"message", "reason"}), part
        assert answer.headers["content-range"] == f"bytes */{size}"
    for ignored in "bytes=a-b", "lines=0-1", "bytes=", "bytes=-", "bytes=9-2", "bytes=0-1,4-5":
        answer = await site.request("GET", path, headers={"Range": ignored})
        assert (answer.status, len(answer.body)) == (200, size), ignored


async def test_download_of_one_source_or_of_both_in_order_of_arrival(site: Site) -> None:
    command = "for i in 1 2 3; do echo out $i; sleep 0.05; echo err $i >&2; sleep 0.05; done; printf tail"
    workload_id = await site.run(command, tty=False)
    path = f"v1/workloads/{workload_id}/log.txt"
    assert (await site.request("GET", path + "?source=stdout")).body == b"out 1\nout 2\nout 3\ntail"
    assert (await site.request("GET", path + "?source=stderr")).body == b"err 1\nerr 2\nerr 3\n"
    whole = b"out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\ntail"
    assert (await site.request("GET", path)).body == whole
    assert (await site.request("GET", path, headers={"Range": "bytes=3-20"})).body == whole[3:21]


async def test_download_of_records_has_the_bytes_of_their_lines(site: Site) -> None:
    workload_id = await site.run("printf 'a\\r\\nb\\tb\\0\\nc\\nd'", tty=False)
    for query, body in (("after=1&last=2", b"b\tb\0\n"), ("after=2", b"c\nd"), ("last=1", b"a\r\n"), ("after=9", b"")):
        answer = await site.request("GET", f"v1/workloads/{workload_id}/log.txt?{query}")
        assert (answer.status, answer.body, answer.headers["content-length"]) == (200, body, str(len(body)))
    answer = await site.request("GET", f"v1/workloads/{workload_id}/log.txt?after=2", headers={"Range": "bytes=2-"})
    assert (answer.status, answer.body) == (206, b"d")


async def test_download_without_output_is_empty(site: Site) -> None:
    workload_id = await site.run("true")
    for query in "", "?source=stderr":
        answer = await site.request("GET", f"v1/workloads/{workload_id}/log.txt{query}")
        assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "0")


async def test_started_download_survives_deletion_of_the_log(site: Site) -> None:
    size = 30_000_000
    workload_id = await site.run(f"head -c {size} /dev/zero | tr '\\0' 'x'", tty=False)
    stream = await site.stream(f"v1/workloads/{workload_id}/log.txt")
    assert (await site.request("DELETE", f"v1/workloads/{workload_id}")).status == 204
    await stream.rest()
    assert len(stream.raw) == size


def held(path: str) -> int:
    """The number of files below a folder that this process has open."""
    links = []
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            links.append(os.readlink(f"/proc/self/fd/{fd}"))
    return sum(link.startswith(path) for link in links)


async def test_disconnected_download_leaves_no_file_open(site: Site) -> None:
    workload_id = await site.run("head -c 30000000 /dev/zero | tr '\\0' 'x'", tty=False)
    stream = await site.stream(f"v1/workloads/{workload_id}/log.txt")
    path = str(site.services.store.folder(workload_id).path)
    assert held(path) > 0
    stream.close()
    await eventually(lambda: held(path) == 0)


async def test_stalled_download_is_disconnected(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "STALL_TIMEOUT_S", 0.5)
    workload_id = await site.run("head -c 60000000 /dev/zero | tr '\\0' 'x'", tty=False)
    stream = await site.stream(f"v1/workloads/{workload_id}/log.txt")
    path = str(site.services.store.folder(workload_id).path)
    assert held(path) > 0
    await eventually(lambda: held(path) == 0)
    await stream.rest()
    assert not stream.whole
