"""Request bodies: what could not be served again as strict JSON is refused, and a large batch is taken whole."""

from __future__ import annotations

import asyncio
import json
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_logstream.server.http.body import BadJson, parse_json

if TYPE_CHECKING:
    from support.web import Answer, Site

JSON, NDJSON = "application/json", "application/x-ndjson"


async def external(site: Site) -> str:
    return str((await site.request("POST", "v1/workloads", json={"backend": "external"})).json["id"])


async def publish(site: Site, workload_id: str, body: bytes, kind: str = JSON) -> Answer:
    return await site.request("POST", f"v1/workloads/{workload_id}/logs", body, headers={"Content-Type": kind})


def strict(text: bytes) -> Any:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def nested(depth: int, kind: str) -> bytes:
    opening, closing = ("[", "]") if kind == "list" else ('{"a":', "}")
    return (opening * depth + ("1" if kind == "object" else "") + closing * depth).encode()


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1E+400", "9" * 400, "-" + "9" * 4000, "1" + "0" * 309 + ".5"])
@pytest.mark.parametrize(
    ("place", "member"),
    [
        ('"fields":{"a":%s}', "fields.a"),
        ('"fields":{"b":[1,{"c":%s}]}', "fields.b[1].c"),
        ('"ts":%s', "ts"),
        ('"fields":%s', "fields"),
    ],
)
async def test_a_number_out_of_range_is_refused(site: Site, number: str, place: str, member: str) -> None:
    workload_id = await external(site)
    item = '{"message":"x",' + place % number + "}"
    for body, kind in (f'[{{"message":"y"}},{item}]', JSON), (f'{{"message":"y"}}\n{item}', NDJSON):
        answer = await publish(site, workload_id, body.encode(), kind)
        assert (answer.status, answer.json["reason"]) == (422, "invalid_field")
        assert answer.json["message"] == f"[1].{member}: the number is out of range"
    assert (await site.workload(workload_id))["lines"] == 0


@pytest.mark.parametrize("body", [b'{"command":"x","timeout":1e999}', b'{"command":"x","options":{"a":-1e999}}'])
async def test_a_number_out_of_range_starts_no_workload(site: Site, body: bytes) -> None:
    answer = await site.request("POST", "v1/workloads", body, headers={"Content-Type": JSON})
    assert (answer.status, answer.json["reason"]) == (422, "invalid_field")
    assert answer.json["message"].endswith(": the number is out of range")


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "nan", "9" * 5000])
async def test_what_the_parser_refuses_is_not_json(site: Site, word: str) -> None:
    workload_id = await external(site)
    answer = await publish(site, workload_id, b'[{"message":"x","fields":{"a":%s}}]' % word.encode())
    assert (answer.status, answer.json["reason"]) == (400, "invalid_json")


@pytest.mark.parametrize("kind", ["list", "object"])
@pytest.mark.parametrize("depth", [100, 101, 500, 900, 990, 5000, 100_000, 800_000])
async def test_fields_nested_beyond_100_levels_are_refused(site: Site, depth: int, kind: str) -> None:
    workload_id = await external(site)
    body = b'[{"message":"x","fields":{"a":' + nested(depth - 1, kind) + b"}}]"
    answer = await publish(site, workload_id, body)
    if depth == 100:
        assert answer.status == 202
        assert len(strict((await site.request("GET", f"v1/workloads/{workload_id}/records")).body)["records"]) == 1
    else:
        assert (answer.status, answer.json["reason"]) == (422, "invalid_field")
        assert answer.json["message"].startswith("[0].fields: ")
        assert "levels deep" in answer.json["message"]
        assert (await site.workload(workload_id))["lines"] == 0


@pytest.mark.parametrize("depth", [200, 950, 50_000])
async def test_a_deeply_nested_spec_is_refused(site: Site, depth: int) -> None:
    body = b'{"command":"x","options":{"a":' + nested(depth, "list") + b"}}"
    answer = await site.request("POST", "v1/workloads", body, headers={"Content-Type": JSON})
    assert (answer.status, answer.json["reason"]) == (400, "invalid_json")
    assert "levels deep" in answer.json["message"]


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 50_000, nested(100_000, "list"), nested(50_000, "object")])
@pytest.mark.parametrize("path", ["v1/workloads", "v1/workloads/{}/logs", "v1/events", "v1/requests"])
async def test_a_text_that_is_nothing_but_nesting_is_not_json(site: Site, path: str, body: bytes) -> None:
    workload_id = await external(site)
    answer = await site.request("POST", path.format(workload_id), body, headers={"Content-Type": JSON})
    assert (answer.status, answer.json["reason"]) == (400, "invalid_json")


async def test_the_item_with_the_deep_fields_is_named(site: Site) -> None:
    workload_id = await external(site)
    deep = b'{"message":"a [ {\\" b","fields":{"x":[1,2],"a":' + nested(3000, "object") + b"}}"
    for body, kind in (b'[{"message":"x"},' + deep + b"]", JSON), (b'{"message":"x"}\n' + deep, NDJSON):
        answer = await publish(site, workload_id, body, kind)
        assert (answer.status, answer.json["message"].partition(":")[0]) == (422, "[1].fields")


async def test_numbers_that_an_older_version_stored_are_served_as_null(serve: Any) -> None:
    site = await serve()
    workload_id = await external(site)
    await publish(site, workload_id, b'[{"message":"x","fields":{"a":1.2345,"b":[2.5]}}, {"message":"y"}]')
    path = site.services.store.folder(workload_id).path / "notes.000"
    await site.stop()
    path.write_bytes(path.read_bytes().replace(b"1.2345", b"1e9999").replace(b"2.5", b"NaN"))
    site = await serve()
    page = strict((await site.request("GET", f"v1/workloads/{workload_id}/records")).body)
    assert [r.get("fields", {}).get("b") for r in page["records"][:2]] == [[None], None]
    stream = await site.stream(f"v1/events?stream=workload/{workload_id}")
    await stream.until(lambda s: s.data("logs"))
    assert next(strict(e.data.encode()) for e in stream.events if e.type == "logs")["logs"][0]["fields"]["a"] is None


@pytest.mark.parametrize(
    "body",
    [b"[" * 9_000_000, b'{"a":[' * 1_500_000, b"[" + b'{"a":1},' * 700_000 + nested(200_000, "list") + b"]",
     b'["' + b'\\"[' * 3_000_000 + b'"' + nested(100_000, "object") + b"]"],
    ids=["lists", "objects", "many items", "a long string"],
)  # fmt: skip
async def test_a_hostile_body_is_refused_in_small_steps(site: Site, body: bytes) -> None:
    """Refusing it held the interpreter for seconds in one step; other requests must be answered meanwhile."""
    workload_id = await external(site)
    refused = asyncio.ensure_future(publish(site, workload_id, body))
    await site.get("v1/info")
    assert (await refused).status in {400, 422}
    turns = [time.process_time()]
    checking = asyncio.ensure_future(asyncio.to_thread(refuse, body))
    while not checking.done():
        await asyncio.sleep(0)
        turns.append(time.process_time())
    await checking
    longest = max(after - before for before, after in pairwise(turns))
    assert longest < 0.1 + (turns[-1] - turns[0]) / 2


def refuse(body: bytes) -> None:
    with pytest.raises(BadJson):
        parse_json(body)


async def test_a_batch_of_too_many_items_is_refused_whole(site: Site) -> None:
    workload_id = await external(site)
    answer = await publish(site, workload_id, b'{"message":"x"}\n' * 100_001, NDJSON)
    assert (answer.status, answer.json["reason"]) == (413, "too_large")
    assert "100000" in answer.json["message"]
    assert (await site.workload(workload_id))["lines"] == 0
    assert (await publish(site, workload_id, b'{"message":"x"}\n' * 3000, NDJSON)).json == {"last": 3000}
