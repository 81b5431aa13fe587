"""The request log as a stream: new rows, changes and figures, each once from any cursor."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.proxy_calls import record
from support.waiting import eventually

from jupyter_logstream.server.subscriptions import requests as request_frames


def fold(stream: Any, name: str | None = None) -> dict[str, dict[str, Any]]:
    """The rows of a reader after all frames."""
    rows: dict[str, dict[str, Any]] = {}
    for event in stream.events:
        if event.type not in {"log:created", "log:updated"}:
            continue
        data = json.loads(event.data)
        assert data["type"] == event.type
        if name is None or data.get("stream") == name:
            rows.setdefault(data["data"]["id"], {}).update(data["data"])
    return rows


async def test_history_then_changes_then_figures(site: Any) -> None:
    made = [await record(site, model=f"m{n}") for n in range(3)]
    stream = await site.stream("v1/requests/stream")
    assert stream.headers["content-type"] == "text/event-stream"
    stats = await stream.event("log:stats")
    assert b"retry: 1000" in stream.raw
    assert (stats["type"], stats["data"]["totals"]["requests"]) == ("log:stats", 3)
    assert list(fold(stream)) == made
    row_id = await record(site, provider="p")
    await site.request("PATCH", f"v1/requests/{row_id}", json={"status": "completed", "input_tokens": 5})
    await stream.until(lambda s: fold(s).get(row_id, {}).get("status") == "completed")
    (update,) = [d["data"] for d in stream.data("log:updated")]
    assert set(update) >= {"id", "status", "input_tokens", "duration_ms"}
    assert "model" not in update
    await stream.until(lambda s: s.data("log:stats")[-1]["data"]["totals"]["requests"] == 4)


async def test_a_reader_resumes_after_last_event_id_with_the_missed_changes_only(site: Any) -> None:
    stream = await site.stream("v1/requests/stream")
    first = await record(site)
    await stream.until(lambda s: first in fold(s))
    stream.close()
    last_id = stream.decoder.last_event_id
    second = await record(site)
    await site.request("PATCH", f"v1/requests/{first}", json={"model": "m"})
    again = await site.stream("v1/requests/stream", headers={"Last-Event-ID": last_id})
    await again.event("log:stats")
    assert [d["data"]["id"] for d in again.data("log:created")] == [second]
    assert [d["data"] for d in again.data("log:updated")] == [{"id": first, "model": "m"}]
    assert not again.data("reset")
    nothing = await site.stream("v1/requests/stream", headers={"Last-Event-ID": again.decoder.last_event_id})
    await nothing.event("log:stats")
    assert not fold(nothing)


@pytest.mark.parametrize("cursor", ["0x17", "abc", "nope.1", "EPOCH.999", "x" * 5000, "<script>"])
async def test_an_unknown_cursor_resets_the_reader(site: Any, cursor: str) -> None:
    made = await record(site)
    cursor = cursor.replace("EPOCH", site.services.request_log.epoch)
    stream = await site.stream("v1/requests/stream", headers={"Last-Event-ID": cursor})
    assert (await stream.event("reset"))["reason"] == "unknown_cursor"
    await stream.event("log:stats")
    assert list(fold(stream)) == [made]
    assert cursor.encode() not in stream.raw


async def test_clearing_resets_readers(site: Any) -> None:
    await record(site)
    stream = await site.stream("v1/requests/stream")
    await stream.event("log:stats")
    await site.request("DELETE", "v1/requests")
    assert (await stream.event("reset"))["reason"] == "cleared"
    row_id = await record(site)
    await stream.until(lambda s: row_id in fold(s))


async def test_tail_limits_the_rows_that_are_sent_first(site: Any) -> None:
    made = [await record(site) for _ in range(5)]
    for tail, wanted in (2, made[3:]), (0, []), (99, made):
        stream = await site.stream(f"v1/requests/stream?tail={tail}")
        await stream.event("log:stats")
        assert list(fold(stream)) == wanted
        stream.close()
    for query in "tail=x", "after=17", "limit=5", "tail=1&tail=2":
        assert (await site.request("GET", f"v1/requests/stream?{query}")).status == 400


async def test_readers_beyond_the_limit_get_429_until_one_leaves(serve: Any) -> None:
    site = await serve(request_listeners=3)
    streams = [await site.stream("v1/requests/stream") for _ in range(3)]
    refused = await site.request("GET", "v1/requests/stream")
    assert (refused.status, refused.json["reason"]) == (429, "too_many_listeners")
    assert "retry-after" in refused.headers
    streams[0].close()

    async def accepted() -> bool:
        stream = await site.stream("v1/requests/stream")
        return bool(stream.status == 200)

    await eventually(accepted)


async def test_heartbeats_are_sent_at_intervals(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_frames, "HEARTBEAT_INTERVAL_S", 0.3)
    stream = await site.stream("v1/requests/stream")
    await stream.until(lambda s: len(s.data("heartbeat")) >= 3)
    assert stream.data("heartbeat")[0]["timestamp"] > 1e12


async def test_a_reader_that_was_away_gets_many_rows_in_bounded_turns(site: Any) -> None:
    log = site.services.request_log
    first = await site.stream("v1/requests/stream")
    await first.event("log:stats")
    for _ in range(1000):
        log.update(log.create(model="m")[0].id, status="completed")
    await first.until(lambda s: len(fold(s)) == 1000 and all(r["status"] == "completed" for r in fold(s).values()))
    second = await site.stream("v1/requests/stream")
    await second.event("log:stats")
    await second.until(lambda s: fold(s) == fold(first))
    assert len(second.data("log:created")) == 1000


async def test_v1_events_carries_the_stream_of_requests(site: Any) -> None:
    first = await record(site)
    workload_id = await site.run("echo a")
    for query in "stream=requests", "stream=requests@0":
        stream = await site.stream(f"v1/events?{query}&stream=workload/{workload_id}")
        await stream.event("log:stats")
        assert list(fold(stream, "requests")) == [first]
        cursor = stream.data("log:created")[-1]["cursor"]
        stream.close()
    second = await record(site)
    again = await site.stream("v1/events", "POST", json={"streams": [{"stream": "requests", "after": cursor}]})
    await again.event("log:stats")
    assert list(fold(again, "requests")) == [second]
    assert not again.data("heartbeat")
    for wrong in {"stream": "requests", "level": "warn"}, {"stream": "requests", "after": "x"}:
        assert (await site.request("POST", "v1/events", json={"streams": [wrong]})).status == 400
