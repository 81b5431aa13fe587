"""Searches find what a reader sees, in whole logs and in live streams, and are refused only for their syntax."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from jupyter_logstream.server.http import base
from jupyter_logstream.store.queries.budget import Budget

if TYPE_CHECKING:
    from support.web import Site

PHRASE = "\x1b[31mcon\x1b[1mnec\x1b[0mtion refused 7\nİİ zone apple\n"
FOLLOWING = 200_000
WRITE = f"import sys; sys.stdout.write({PHRASE!r} + ''.join('line %d ok\\n' % i for i in range({FOLLOWING})))"
HITS = {"connection refused": [1], "/^connection/": [1], "[1m": [], "mcon": [], "apple": [2], "/(?i)APPLE/": [2]}


async def found(site: Site, workload_id: str, q: str) -> list[int]:
    path = f"v1/workloads/{workload_id}"
    page = await site.get(f"{path}/records?limit=5000&q={quote(q, safe='')}")
    assert page["total"] == (await site.get(f"{path}/marks?q={quote(q, safe='')}"))["total"]
    assert page["total"] == (await site.get(f"{path}/summary?q={quote(q, safe='')}"))["total"]
    seqs: list[int] = (await site.get(f"{path}/matches?limit=5000&q={quote(q, safe='')}"))["seqs"]
    assert seqs == [record["seq"] for record in page["records"]]
    return seqs


async def test_phrase_in_several_colours_is_found_far_above_the_end_of_a_log(site: Site) -> None:
    workload_id = await site.run([sys.executable, "-c", WRITE])
    for q, seqs in HITS.items():
        assert await found(site, workload_id, q) == seqs, q
    page = await site.get(f"v1/workloads/{workload_id}/records?limit=1&q=31")
    assert page["records"][0]["message"] == "line 31 ok"
    lines = await site.get(f"v1/workloads/{workload_id}/records?limit=1&not={quote('/^(line|connection)/', safe='')}")
    assert (lines["total"], [record["seq"] for record in lines["records"]]) == (1, [2])


async def test_phrase_in_several_colours_is_found_in_a_live_log(site: Site) -> None:
    workload_id = await site.start(["sh", "-c", 'read x; printf "$0"; read x', PHRASE], stdin=True)
    streams = [
        await site.stream(f"v1/logs/stream?job_id={workload_id}&q={quote(q, safe='')}")
        for q in ("connection refused", "/^connection/", "apple")
    ]
    none = await site.stream(f"v1/logs/stream?job_id={workload_id}&q={quote('[1m', safe='')}")
    await site.request("POST", f"v1/workloads/{workload_id}/input", body=b"\n")
    for stream, seq in zip(streams, (1, 1, 2), strict=True):
        await stream.until(lambda s: s.records())
        assert [record["seq"] for record in stream.records()] == [seq]
    await site.request("POST", f"v1/workloads/{workload_id}/input?eof=1")
    assert (await none.rest()).records() == []


@pytest.mark.parametrize("name", ["q", "not"])
async def test_expression_that_the_syntax_lacks_is_refused_with_the_reason(site: Site, name: str) -> None:
    workload_id = await site.run("echo a")
    for expression, reason in (
        ("/(?=a)b/", "lookaround is not supported"),
        ("/(?<!a)b/", "lookaround is not supported"),
        (r"/(a)\1/", "backreferences are not supported"),
        ("/(/", "missing )"),
        (r"/\q/", "invalid escape sequence"),
    ):
        for route in "records", "summary", "marks", "matches":
            path = f"v1/workloads/{workload_id}/{route}?{name}={quote(expression, safe='')}"
            answer = await site.request("GET", path)
            assert (answer.status, answer.json["reason"]) == (400, "invalid_parameter")
            assert answer.json["message"].startswith(f"{name} is not a regular expression: {reason}"), answer.json
        body = {"streams": [{"stream": f"workload/{workload_id}", name: expression}]}
        answer = await site.request("POST", "v1/events", json=body)
        assert (answer.status, answer.json["reason"]) == (400, "invalid_parameter")
        assert reason in answer.json["message"]


async def test_expressions_that_backtrack_elsewhere_are_answered(site: Site) -> None:
    workload_id = await site.run("for i in $(seq 50); do echo " + "a" * 5000 + "b; done")
    for expression, total in (r"/(a|aa)+$/", 0), (r"/(a*)*b/", 50), (r"/^(.|..)+b$/", 50), (r"/(.*)(.*)(.*)x/", 0):
        page = await site.get(f"v1/workloads/{workload_id}/records?limit=1&q={quote(expression, safe='')}")
        assert page["total"] == total, expression


async def test_search_out_of_processor_time_answers_what_it_has_and_where_it_stopped(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload_id = await site.run("echo a")
    monkeypatch.setattr(base, "Budget", _Spent)
    for route in "summary", "marks":
        answer = await site.get(f"v1/workloads/{workload_id}/{route}?q=a")
        assert (answer["stopped"], answer["total"]) == (0, 0), answer
    for route in "records", "matches":
        refused = await site.request("GET", f"v1/workloads/{workload_id}/{route}?q=a")
        assert (refused.status, refused.json["reason"]) == (422, "pattern_too_slow")
        assert "stopped at line 0 " in refused.json["message"]


class _Spent(Budget):
    """Enough to begin a query in its thread, but not for a batch."""

    def __init__(self) -> None:
        super().__init__()
        self._checks = 0

    def check(self, after: int) -> None:
        self._checks += 1
        self._cpu_s = 1e9 if self._checks == 1 else -1.0
        super().check(after)
