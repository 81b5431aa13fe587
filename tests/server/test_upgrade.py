"""A store written by version 0.1.0 opens unchanged: same workloads, records, bytes and cursors.

`tests/fixtures/store_0_1` was written by a server of 0.1.0; one workload was running when its server and runner were
killed. `store_0_1_answers.json` holds what 0.1.0 itself served from that store.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from support.paths import ROOT
from support.web import Site

FIXTURES = ROOT / "tests" / "fixtures"
SERVED: dict[str, Any] = json.loads((FIXTURES / "store_0_1_answers.json").read_text(encoding="utf-8"))
IDS: dict[str, str] = SERVED["ids"]
Serve = Callable[..., Awaitable[Site]]


@pytest.fixture
def old_site(
    serve: Serve, tmp_path: Path, jp_asyncio_loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> Site:
    """A server of this version on a copy of the old store, as if the machine had not been restarted since."""
    shutil.copytree(FIXTURES / "store_0_1", tmp_path / "store")
    killed = tmp_path / "store" / "streams" / IDS["lost"] / "status.json"
    boot = json.loads(killed.read_text(encoding="utf-8"))["boot"]
    monkeypatch.setattr("jupyter_logstream.backends.local.boot_id", lambda: boot)
    return jp_asyncio_loop.run_until_complete(serve(max_age_days=1e6))


def without_time_of_discovery(workload: dict[str, Any]) -> dict[str, Any]:
    """A lost workload ends when a server finds it: at another time than when 0.1.0 found it."""
    if workload["state"] == "lost":
        return {
            **workload,
            "ended": None,
            "steps": [{**step, "ended": None} for step in workload["steps"]],
        }
    return workload


def comparable(records: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """The unfinished last line of the killed workload gets its time when a server finds it."""
    short = [{**record, "message": record["message"][:100]} for record in records]
    return [*short[:-1], {**short[-1], "ts": None}] if name == "lost" else short


async def test_workloads_of_the_old_store_are_listed_as_before(old_site: Site) -> None:
    await old_site.state(IDS["lost"], "lost")
    listed = (await old_site.get("v1/workloads"))["workloads"]
    common = [{name: workload[name] for name in SERVED["workloads"][0]} for workload in listed]
    assert list(map(without_time_of_discovery, common)) == list(map(without_time_of_discovery, SERVED["workloads"]))


@pytest.mark.parametrize("name", IDS)
async def test_records_of_the_old_store_keep_their_numbers_and_values(old_site: Site, name: str) -> None:
    await old_site.state(IDS["lost"], "lost")
    page = await old_site.get(f"v1/workloads/{IDS[name]}/records?limit=5000")
    expected = SERVED["records"][name]
    assert (page["total"], page["state"]) == (expected["total"], expected["state"])
    assert comparable(page["records"], name) == comparable(expected["records"], name)


@pytest.mark.parametrize("name", IDS)
async def test_filters_over_the_old_store_find_the_same_records(old_site: Site, name: str) -> None:
    await old_site.state(IDS["lost"], "lost")
    for query, expected in SERVED["pages"][name].items():
        page = await old_site.get(f"v1/workloads/{IDS[name]}/records?limit=2&{query}")
        seqs = [record["seq"] for record in page["records"]]
        assert (seqs, page["total"], page["next"]) == (
            [record["seq"] for record in expected["records"]],
            expected["total"],
            expected["next"],
        ), query


@pytest.mark.parametrize("name", IDS)
async def test_downloads_of_the_old_store_are_the_same_bytes(old_site: Site, name: str) -> None:
    await old_site.state(IDS["lost"], "lost")
    for source, expected in SERVED["logs"][name].items():
        query = "" if source == "both" else f"?source={source}"
        body = (await old_site.request("GET", f"v1/workloads/{IDS[name]}/log.txt{query}")).body
        if name == "retained":  # the old server began in the middle of what retention had cut; now with a line
            assert base64.b64decode(expected["tail"]).endswith(body)
            assert body.startswith(b"INFO the end 0\n") or source == "stderr"
            continue
        assert len(body) == expected["size"]
        assert body[-2000:] == base64.b64decode(expected["tail"])
        assert hashlib.sha256(body).hexdigest() == expected["sha256"]


@pytest.mark.parametrize("name", IDS)
async def test_a_cursor_given_by_the_old_server_resumes_behind_its_record(old_site: Site, name: str) -> None:
    await old_site.state(IDS["lost"], "lost")
    expected = SERVED["records"][name]["records"]
    cursor = expected[len(expected) // 2]["seq"]
    stream = await old_site.stream(f"v1/events?stream=workload/{IDS[name]}@{cursor}")
    await stream.event("done")
    assert [record["seq"] for record in stream.records()] == [r["seq"] for r in expected if r["seq"] > cursor]
    stream.close()


async def test_a_reader_before_the_retained_range_gets_the_gap_of_the_old_store(old_site: Site) -> None:
    stream = await old_site.stream(f"v1/events?stream=workload/{IDS['retained']}@0")
    await stream.event("done")
    first = SERVED["records"]["retained"]["records"][0]["seq"]
    (gap,) = stream.data("gap")
    assert (gap["from"], gap["to"], gap["reason"]) == (1, first - 1, "retention")
    assert stream.records()[0]["seq"] == first
    stream.close()
