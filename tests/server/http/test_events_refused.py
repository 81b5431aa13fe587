"""Malformed requests for streams are refused before any frame."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from support.web import Site

from support.event_readers import SINGLE, no_open_streams

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
    ("stream={", "stream"), ('stream={"stream":"workload/{id}","colour":"x"}', "colour"), ("stream={}", "stream"),
    ('stream={"stream":"workload/{id}","q":"/(/"}', "q"), ('stream={"stream":"workload/{id}","after":1e999}', "range"),
    ("stream=workload/{id}&stream={%22stream%22:%22workload/{id}%22}", "workload/{id}"),
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


async def test_malformed_parameter_is_named_before_any_frame(site: Site) -> None:
    workload_id = await site.run("true")
    cases: list[tuple[str, str, Any, str]] = [("GET", f"v1/logs/stream?{q}", None, name) for q, name in BAD_SINGLE]
    cases += [("GET", f"v1/events?{q}", None, name) for q, name in BAD_STREAMS]
    cases += [("POST", "v1/events", json.dumps(body).encode(), name) for body, name in BAD_POSTS]
    for method, path, body, name in cases:
        path, name = path.replace("{id}", workload_id), name.replace("{id}", workload_id)  # noqa: PLW2901
        body = body and body.replace(b"{id}", workload_id.encode())  # noqa: PLW2901
        answer = await site.request(method, path, body, {"Content-Type": "application/json"} if body else None)
        assert (answer.status, set(answer.json)) == (400, {"message", "reason"}), (path, str(body)[:80], answer.status)
        assert name in answer.json["message"], (path, str(body)[:80], answer.json)
    await no_open_streams(site)


async def test_unknown_workload_is_404_before_any_frame(site: Site) -> None:
    known, unknown = await site.run("true"), "01JD0000000000000000000000"
    for method, path, body in [
        ("GET", SINGLE + unknown, None),
        ("GET", f"v1/events?stream=workload/{unknown}", None),
        ("GET", f"v1/events?stream=workload/{known}&stream=workload/{unknown}@5", None),
        ("POST", "v1/events", json.dumps({"streams": [{"stream": f"workload/{unknown}"}]}).encode()),
    ]:
        answer = await site.request(method, path, body, {"Content-Type": "application/json"} if body else None)
        assert (answer.status, answer.json["reason"]) == (404, "unknown_workload")
    await no_open_streams(site)
