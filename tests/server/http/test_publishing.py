"""Publishing into external workloads: each batch of records is stored once, completely or not at all."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from support.web import Answer, Site


async def external(site: Site, **spec: Any) -> str:
    answer = await site.request("POST", "v1/workloads", json={"backend": "external", **spec})
    assert answer.status == 201, answer.body
    assert answer.json["state"] == "running"
    return str(answer.json["id"])


async def publish(site: Site, workload_id: str, *items: Any, query: str = "") -> Answer:
    return await site.request("POST", f"v1/workloads/{workload_id}/logs{query}", json=list(items))


async def records(site: Site, workload_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await site.get(f"v1/workloads/{workload_id}/records?limit=5000"))["records"]
    return found


async def test_published_records_are_returned_unchanged(site: Site) -> None:
    workload_id = await external(site, name="etl")
    fields = {"n": [1, {"x": None}]}
    item = {"message": "a\nb \u2603", "level": "WARNING", "ts": 1763600000123.25, "step": "load", "fields": fields}
    answer = await publish(site, workload_id, item, {"message": "plain"}, {"message": "ERROR: no", "level": None})
    assert (answer.status, answer.json) == (202, {"last": 3})
    first, second, third = await records(site, workload_id)
    assert first == {"seq": 1, **item, "level": "warn", "source": "log"}
    assert (second["level"], second["source"], "step" in second) == ("unknown", "log", False)
    assert third["level"] == "error"
    assert (await site.workload(workload_id))["levels"] == {"warn": 1, "unknown": 1, "error": 1}


async def test_ndjson_is_accepted(site: Site) -> None:
    workload_id = await external(site)
    body = b'{"message": "a"}\n\n{"message": "b"}\r\n{"state": "succeeded"}'
    for kind in "application/x-ndjson", "application/ndjson; charset=utf-8":
        answer = await site.request(
            "POST", f"v1/workloads/{workload_id}/logs?after=0", body, headers={"Content-Type": kind}
        )
        assert (answer.status, answer.json) == (202, {"last": 2})
    assert (await site.workload(workload_id))["state"] == "succeeded"


async def test_readers_see_records_at_once_and_the_end_as_done(site: Site) -> None:
    workload_id = await external(site)
    stream = await site.stream(f"v1/events?stream=workload/{workload_id}")
    await stream.event("status")
    await publish(site, workload_id, {"message": "one"})
    await stream.until(lambda s: s.records())
    await publish(site, workload_id, {"message": "two"}, {"state": "failed"})
    await stream.rest()
    assert [r["message"] for r in stream.records()] == ["one", "two"]
    (done,) = stream.data("done")
    assert (done["state"], done["lines"], done["exit_code"]) == ("failed", 2, None)


async def test_repeated_batch_is_stored_once(site: Site) -> None:
    workload_id = await external(site)
    batch = [{"message": str(i)} for i in range(10)]
    for _ in range(3):
        assert (await publish(site, workload_id, *batch, query="?after=0")).json == {"last": 10}
    more = await publish(site, workload_id, *batch[5:], {"message": "10"}, query="?after=5")
    assert more.json == {"last": 11}
    assert [r["message"] for r in await records(site, workload_id)] == [str(i) for i in range(11)]
    ahead = await publish(site, workload_id, {"message": "x"}, query="?after=12")
    assert (ahead.status, ahead.json["reason"]) == (409, "ahead_of_end")
    end = [{"message": "11"}, {"state": "succeeded"}]
    for _ in range(2):
        assert (await publish(site, workload_id, *end, query="?after=11")).json == {"last": 12}
    other = await publish(site, workload_id, {"message": "12"}, query="?after=12")
    assert (other.status, other.json["reason"]) == (409, "ended")


@pytest.mark.parametrize(
    ("item", "named"),
    [
        ("text", "[1]"), (None, "[1]"), ({}, "[1].message"), ({"message": 1}, "[1].message"),
        ({"message": "a", "level": "loud"}, "[1].level"), ({"message": "a", "level": 30}, "[1].level"),
        ({"message": "a", "ts": "now"}, "[1].ts"), ({"message": "a", "ts": True}, "[1].ts"),
        ({"message": "a", "ts": -1}, "[1].ts"), ({"message": "a", "ts": 1e300}, "[1].ts"),
        ({"message": "a", "step": ""}, "[1].step"), ({"message": "a", "step": 1}, "[1].step"),
        *(({"message": "a", "step": f"a{char}b"}, "[1].step") for char in "\u202e\u2066\n\t\x07\u2028\u200b\ufeff"),
        ({"message": "a", "fields": []}, "[1].fields"), ({"message": "a", "seq": 1}, "'seq'"),
        ({"state": "running"}, "[1].state"), ({"state": "lost"}, "[1].state"), ({"state": ["failed"]}, "[1].state"),
        ({"state": "failed", "message": "a"}, "[1].state"),
    ],
)  # fmt: skip
async def test_invalid_item_is_named_and_its_batch_is_rejected(site: Site, item: Any, named: str) -> None:
    workload_id = await external(site)
    answer = await publish(site, workload_id, {"message": "good"}, item, {"message": "good"})
    assert (answer.status, answer.json["reason"]) == (422, "invalid_field")
    assert named in answer.json["message"]
    assert await records(site, workload_id) == []
    assert (await site.workload(workload_id))["state"] == "running"


async def test_malformed_batch_is_refused(site: Site) -> None:
    workload_id = await external(site)
    path = f"v1/workloads/{workload_id}/logs"
    for body, kind, status in [
        (b"{}", "application/json", 400), (b"null", "application/json", 400), (b"", "application/json", 400),
        (b'{"message": "a"}\nnot json', "application/x-ndjson", 400), (b"[NaN]", "application/json", 400),
        (b"\xff", "application/x-ndjson", 400), (b"[]", "text/plain", 415),
        (b"[" + b"0," * 6_000_000, "application/json", 413),
    ]:  # fmt: skip
        answer = await site.request("POST", path, body, headers={"Content-Type": kind})
        assert (answer.status, await records(site, workload_id)) == (status, []), body[:20]
    for query in "?after=-1", "?after=x", "?limit=1", "?after=1&after=2":
        assert (await publish(site, workload_id, query=query)).status == 400
    assert (await publish(site, "0" * 26, {"message": "a"})).status == 404
    assert (await publish(site, workload_id)).json == {"last": 0}


async def test_log_of_a_runner_cannot_be_published_to(site: Site) -> None:
    workload_id = await site.run("echo a")
    answer = await publish(site, workload_id, {"message": "b"})
    assert (answer.status, answer.json["reason"]) == (409, "not_external")


async def test_external_workload_can_be_cancelled_and_deleted_but_accepts_no_input(site: Site) -> None:
    workload_id = await external(site)
    await publish(site, workload_id, {"message": "a"})
    assert (await site.request("DELETE", f"v1/workloads/{workload_id}")).status == 409
    assert (await site.request("POST", f"v1/workloads/{workload_id}/input", b"x")).status == 409
    cancelled = await site.request("POST", f"v1/workloads/{workload_id}/cancel")
    assert (cancelled.status, cancelled.json["state"], cancelled.json["lines"]) == (202, "cancelled", 1)
    assert (await site.request("POST", f"v1/workloads/{workload_id}/cancel")).status == 200
    assert (await publish(site, workload_id, {"message": "b"})).status == 409
    assert (await site.request("DELETE", f"v1/workloads/{workload_id}")).status == 204


async def test_external_workload_accepts_no_process_fields(site: Site) -> None:
    for field, value in {"env": {}, "timeout": 1, "tty": True, "stdin": True}.items():
        answer = await site.request("POST", "v1/workloads", json={"backend": "external", field: value})
        assert answer.status == 422
        assert field in answer.json["message"]
    assert (await site.workload(await external(site)))["command"] == ""


async def test_external_workload_does_not_count_as_running(serve: Any) -> None:
    site = await serve(max_running=1)
    await external(site)
    assert (await site.get("v1/info"))["running"] == 0
    assert (await site.workload(await site.run("echo a")))["state"] == "succeeded"


async def test_a_message_longer_than_a_record_becomes_parts(site: Site) -> None:
    workload_id = await external(site)
    text = "\u20ac" * 50_000  # 150,000 bytes
    assert (await publish(site, workload_id, {"message": text, "fields": {"a": 1}})).json == {"last": 3}
    found = await records(site, workload_id)
    assert "".join(r["message"] for r in found) == text
    assert [r.get("part", False) for r in found] == [True, True, False]
    assert [r.get("fields") for r in found] == [None, None, {"a": 1}]


async def test_publishing_continues_after_a_restart_of_the_server(serve: Any) -> None:
    site = await serve()
    workload_id = await external(site, name="kept")
    await publish(site, workload_id, {"message": "before"}, query="?after=0")
    await site.stop()
    site = await serve()
    assert (await site.workload(workload_id))["state"] == "running"
    batch = [{"message": "before"}, {"message": "after"}, {"state": "succeeded"}]
    assert (await publish(site, workload_id, *batch, query="?after=0")).json == {"last": 2}
    assert [r["message"] for r in await records(site, workload_id)] == ["before", "after"]
    assert (await site.workload(workload_id))["state"] == "succeeded"


async def test_secrets_of_the_server_are_masked_in_published_records(site: Site, tmp_path: Any) -> None:
    workload_id = await external(site)
    secret = site.services.secret
    fields = {"header": f"Bearer {secret}", secret: [secret, {"deep": secret}]}
    await publish(site, workload_id, {"message": f"key={secret}!", "fields": fields})
    (record,) = await records(site, workload_id)
    assert record["message"] == "key=***!"
    assert record["fields"] == {"header": "Bearer ***", "***": ["***", {"deep": "***"}]}
    folder = site.services.store.folder(workload_id).path
    assert not [path for path in folder.iterdir() if path.is_file() and secret.encode() in path.read_bytes()]


async def test_again_starts_the_same_workload(site: Site) -> None:
    spec = {"name": "twice", "tags": {"a": "b"}, "env": {"GIVEN": "value"}, "key": "once", "tty": False}
    first = await site.run('echo "$GIVEN"', **spec)
    answer = await site.request("POST", "v1/workloads", json={"again": first})
    assert answer.status == 201
    second = answer.json["id"]
    assert second != first
    ended = await site.state(second)
    assert (ended["state"], ended["name"], ended["tags"]) == ("succeeded", "twice", {"a": "b"})
    assert [r["message"] for r in await records(site, second)] == ["value"]
    for body in {"again": "unknown"}, {"again": 1}, {"again": first, "name": "x"}, {"again": await external(site)}:
        refused = await site.request("POST", "v1/workloads", json=body)
        assert (refused.status, "again" in json.loads(refused.body)["message"]) == (422, True)


async def test_idle_published_logs_keep_no_files_open(site: Site) -> None:
    """A kernel that dies leaves its workload running: a server must cope with any number of them."""
    ids = [await external(site) for _ in range(200)]
    before = len(os.listdir("/proc/self/fd"))
    for round_ in "first", "second", "third":
        for workload_id in ids:
            assert (await publish(site, workload_id, {"message": round_, "step": round_})).status == 202
    assert len(os.listdir("/proc/self/fd")) < before + 300
    for workload_id in ids:
        found = [(r["seq"], r["message"], r["step"]) for r in await records(site, workload_id)]
        assert found == [(1, "first", "first"), (2, "second", "second"), (3, "third", "third")]
    assert (await publish(site, ids[0], {"state": "succeeded"})).status == 202
    assert (await site.workload(ids[0]))["state"] == "succeeded"
