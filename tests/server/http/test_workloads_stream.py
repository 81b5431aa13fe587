"""The list of workloads as a stream: all workloads, then each change; a fold by id always yields the list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyter_logstream.server import workload_feed

if TYPE_CHECKING:
    from support.web import Site, Stream


def fold(stream: Stream) -> dict[str, dict[str, Any]]:
    """The rows that a table shows: the frames folded by id."""
    rows: dict[str, dict[str, Any]] = {}
    for event in stream.data("workload"):
        rows.pop(event["id"], None)
        if not event.get("deleted"):
            rows[event["id"]] = event
    return rows


def state(stream: Stream, workload_id: str) -> str | None:
    return fold(stream).get(workload_id, {}).get("state")


async def open_list(site: Site, **options: Any) -> Stream:
    return await site.stream("v1/events", "POST", json={"streams": [{"stream": "workloads", **options}]})


async def test_every_workload_is_sent_once_then_each_change(site: Site) -> None:
    old = [await site.run(f"echo {i}") for i in range(3)]
    stream = await open_list(site)
    await stream.until(lambda s: len(fold(s)) == 3)
    assert [w["id"] for w in stream.data("workload")] == old
    for workload in stream.data("workload"):
        full = await site.workload(workload["id"])
        assert {k: v for k, v in workload.items() if k not in {"stream", "cursor", "last_line"}} == full
    assert [w["last_line"] for w in stream.data("workload")] == ["0", "1", "2"]
    new = await site.start("echo hello; read x", stdin=True)
    await stream.until(lambda s: state(s, new) == "running" and fold(s)[new]["last_line"] == "hello")
    assert fold(stream)[new]["lines"] == 1
    await site.request("POST", f"v1/workloads/{new}/input?eof=1", b"")
    await stream.until(lambda s: state(s, new) == "failed")
    await site.request("DELETE", f"v1/workloads/{old[0]}")
    await stream.until(lambda s: old[0] not in fold(s))
    assert stream.data("workload")[-1].keys() == {"stream", "cursor", "id", "deleted"}


async def test_reader_of_the_list_resumes_at_its_cursor_and_receives_each_change_once(site: Site) -> None:
    gone, kept = await site.run("echo a"), await site.run("echo b")
    stream = await open_list(site)
    await stream.until(lambda s: len(fold(s)) == 2)
    cursor = stream.data("workload")[-1]["cursor"]
    stream.close()
    await site.request("DELETE", f"v1/workloads/{gone}")
    new = await site.run("echo c")
    again = await site.stream(f"v1/events?stream=workloads@{cursor}")
    await again.until(lambda s: state(s, new) == "succeeded")
    assert [(w["id"], w.get("deleted", False)) for w in again.data("workload")] == [(gone, True), (new, False)]
    assert not again.data("reset")
    assert kept not in fold(again)


async def test_tail_begins_with_the_newest_workloads(site: Site) -> None:
    ids = [await site.run("true") for _ in range(4)]
    stream = await open_list(site, tail=2)
    await stream.until(lambda s: len(s.data("workload")) == 2)
    assert [w["id"] for w in stream.data("workload")] == ids[2:]
    await site.request("DELETE", f"v1/workloads/{ids[0]}")  # every change is sent, also of an older workload
    await stream.until(lambda s: len(s.data("workload")) == 3)
    nothing = await open_list(site, tail=0)
    new = await site.run("true")
    await nothing.until(lambda s: state(s, new) == "succeeded")
    assert set(fold(nothing)) == {new}


async def test_counts_of_a_running_workload_are_sent_while_there_are_readers(site: Site) -> None:
    workload_id = await site.start("while read n; do seq $n; done", stdin=True)
    stream = await open_list(site)
    for total in 5, 10:
        await site.request("POST", f"v1/workloads/{workload_id}/input", b"5\n")
        await stream.until(lambda s, total=total: fold(s).get(workload_id, {}).get("lines") == total)
    listed = site.services.workload_feed
    assert set(listed._unwatch) == {workload_id}
    stream.close()
    other = await open_list(site)  # the first one was closed meanwhile
    await other.until(fold)
    other.close()

    from support.event_readers import no_open_streams  # noqa: PLC0415 - here only

    await no_open_streams(site)
    assert not listed._unwatch
    assert not listed._growth_timers


async def test_foreign_cursor_of_the_list_is_reset(site: Site) -> None:
    workload_id = await site.run("echo a")
    epoch = site.services.workload_feed.epoch
    for cursor in "0badcafe.1", f"{epoch}.999":
        stream = await open_list(site, after=cursor)
        assert (await stream.event("reset"))["cursor"].startswith(epoch)
        await stream.until(lambda s: workload_id in fold(s))


async def test_reader_that_missed_too_many_deletions_is_reset(site: Site, monkeypatch: Any) -> None:
    monkeypatch.setattr(workload_feed, "MAX_DELETIONS", 2)
    ids = [await site.run("true") for _ in range(5)]
    stream = await open_list(site)
    await stream.until(lambda s: len(fold(s)) == 5)
    cursor = stream.data("workload")[0]["cursor"]
    for workload_id in ids[:4]:
        await site.request("DELETE", f"v1/workloads/{workload_id}")
    late = await open_list(site, after=cursor)
    assert (await late.event("reset"))["reason"] == "unknown_cursor"
    await late.until(lambda s: set(fold(s)) == {ids[4]})
    assert len(late.data("reset")) == 1


async def test_list_stream_never_ends_and_pings_with_its_cursor(site: Site) -> None:
    workload_id = await site.run("echo a")
    names = f"stream=workloads&stream=workload/{workload_id}"
    stream = await site.stream(f"v1/events?{names}")
    await stream.event("done")
    ping = await stream.event("ping")
    assert ping["cursors"]["workloads"] == stream.data("workload")[-1]["cursor"]
    assert (await site.get("v1/info"))["open_streams"] == 1


async def test_same_log_can_be_streamed_twice_under_different_names(site: Site) -> None:
    workload_id = await site.run("echo INFO: a; echo ERROR: b")
    name = f"workload/{workload_id}"
    streams = [{"stream": name}, {"stream": name, "id": "errors", "level": "error"}]
    stream = await (await site.stream("v1/events", "POST", json={"streams": streams})).rest()
    assert [r["seq"] for r in stream.records(name)] == [1, 2]
    assert [r["seq"] for r in stream.records("errors")] == [2]
    assert {d["stream"] for d in stream.data("done")} == {name, "errors"}
    for wrong in (
        [{"stream": name}, {"stream": name}],
        [{"stream": name, "id": "a"}, {"stream": name, "id": "a"}],
        [{"stream": name, "id": "a b"}],
        [{"stream": name, "id": ""}],
        [{"stream": name, "id": "x" * 65}],
        [{"stream": "workloads", "level": "warn"}],
        [{"stream": "workloads", "after": 3}],
        [{"stream": "requestz"}],
    ):
        assert (await site.request("POST", "v1/events", json={"streams": wrong})).status == 400, wrong
