"""Overview of a log over HTTP: `summary`, `marks`, `matches`, and the filter `not`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.web import Site

LINES = "for i in 1 2 3 4; do echo INFO: line $i; done; echo ERROR: it broke; echo WARN: line 6 >&2"


async def test_summary_has_levels_over_time_and_the_first_error(site: Site) -> None:
    workload_id = await site.run(LINES)
    summary = await site.get(f"v1/workloads/{workload_id}/summary?buckets=7")
    assert (summary["job_id"], summary["state"], summary["total"], summary["lines"]) == (workload_id, "succeeded", 6, 6)
    assert summary["levels"] == {"info": 4, "error": 1, "warn": 1}
    assert summary["sources"] == {"stdout": 5, "stderr": 1}
    assert len(summary["buckets"]) == 7
    assert sum(sum(bucket["counts"].values()) for bucket in summary["buckets"]) == 6
    assert summary["first_error"]["message"] == "ERROR: it broke"
    assert (summary["errors"], summary["first"], summary["steps"]) == (1, 1, [])
    started = (await site.workload(workload_id))["started"]
    assert started <= summary["from"] <= summary["buckets"][-1]["ts"] <= summary["to"] + summary["bucket"]
    quiet = await site.get(f"v1/workloads/{workload_id}/summary?level=warn&not=broke&source=stderr")
    assert (quiet["total"], quiet["first_error"], quiet["lines"]) == (1, None, 6)
    none = await site.get(f"v1/workloads/{workload_id}/summary?from=1&to=2")
    assert (none["total"], none["from"], none["to"]) == (0, 1, 2)


async def test_a_workload_without_lines_has_a_summary(site: Site) -> None:
    summary = await site.get(f"v1/workloads/{await site.run('true')}/summary")
    assert (summary["total"], summary["first_error"], len(summary["buckets"])) == (0, None, 100)


async def test_marks_and_matches_locate_matching_records(site: Site) -> None:
    workload_id = await site.run("for i in $(seq 100); do echo $((i % 10)); done")
    path = f"v1/workloads/{workload_id}"
    assert await site.get(f"{path}/marks?q=3&buckets=10") == {"total": 10, "first": 1, "last": 100, "marks": [1] * 10}
    assert await site.get(f"{path}/matches?q=3&limit=4") == {"seqs": [3, 13, 23, 33], "next": 33}
    assert await site.get(f"{path}/matches?q=3&after=83") == {"seqs": [93], "next": None}


async def test_not_filter_excludes_matching_records(site: Site) -> None:
    workload_id = await site.run("echo keep; echo drop this; echo Keep too; echo drop that")
    path = f"v1/workloads/{workload_id}"
    for query, wanted in {
        "not=drop": ["keep", "Keep too"],
        "not=/^drop/&q=Keep": ["Keep too"],
        "not=o": ["keep"],
    }.items():
        page = await site.get(f"{path}/records?{query}")
        assert ([r["message"] for r in page["records"]], page["total"]) == (wanted, len(wanted)), query
    stream = await (await site.stream(f"v1/logs/stream?job_id={workload_id}&not=drop")).rest()
    assert [r["message"] for r in stream.records()] == ["keep", "Keep too"]
    body = {"streams": [{"stream": f"workload/{workload_id}", "not": "/drop|too/"}]}
    stream = await (await site.stream("v1/events", "POST", json=body)).rest()
    assert [r["message"] for r in stream.records()] == ["keep"]


async def test_what_is_wrong_is_refused(site: Site) -> None:
    path = f"v1/workloads/{await site.run('echo a')}"
    for query in (
        "summary?buckets=0", "summary?buckets=1001", "summary?from=x", "summary?limit=1", "summary?level=loud",
        "summary?not=/(/", "marks?buckets=x", "marks?after=1", "matches?limit=0", "matches?limit=5001",
        "matches?offset=1",
    ):  # fmt: skip
        assert (await site.request("GET", f"{path}/{query}")).status == 400, query
    for what in "summary", "marks", "matches":
        assert (await site.request("GET", f"v1/workloads/unknown/{what}")).status == 404
