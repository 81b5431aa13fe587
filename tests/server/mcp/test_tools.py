"""The tools for assistants against real runs: what they find, their cursors, their errors."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from support.assistant import call, found, problem, rpc, texts
from support.waiting import eventually

from jupyter_logstream.server.mcp.tools import TOOLS

if TYPE_CHECKING:
    import pytest
    from support.web import Site

FAILING = """import sys
print('step 1 ready')
print('::step:: load')
def inner(): raise ValueError('boom')
print('ERROR loading failed', file=sys.stderr)
inner()
"""


async def test_list_runs_filters_pages_and_counts(site: Site) -> None:
    runs = [await site.run(command) for command in ("true", "false", "echo hi")]
    listed = await found(site, "list_runs")
    assert [run["id"] for run in listed["runs"]] == runs[::-1]
    assert listed["states"] == {"succeeded": 2, "failed": 1}
    assert (listed["omitted"], listed["next_after"]) == (0, None)
    first = await found(site, "list_runs", state="succeeded", limit=1)
    assert ([run["id"] for run in first["runs"]], first["omitted"], first["next_after"]) == ([runs[2]], 1, runs[2])
    rest = await found(site, "list_runs", state="succeeded", limit=5, after=first["next_after"])
    assert ([run["id"] for run in rest["runs"]], rest["omitted"]) == ([runs[0]], 0)


async def test_run_report_holds_first_error_last_lines_levels_and_step(site: Site) -> None:
    run_id = await site.run(["python3", "-c", FAILING], name="training", tty=False)
    report = await found(site, "run_report", id=run_id)
    assert (report["state"], report["exit_code"], report["name"]) == ("failed", 1, "training")
    assert texts(report)[0] == "step 1 ready"
    assert texts(report, "first_error")[0] == "ERROR loading failed"
    assert texts(report, "first_error")[-1] == "ValueError: boom"
    assert (report["last_step"], report["last_step_state"]) == ("load", "failed")
    assert report["levels"]["error"] == len(report["first_error"])
    assert report["quiet_s"] is None
    assert report["ended"] is not None
    assert report["next_after"] == report["last_seq"] == report["total_lines"]


async def test_run_report_of_a_running_run_tells_how_long_it_is_quiet_and_what_it_is_writing(site: Site) -> None:
    run_id = await site.start("echo first; printf 'epoch 3:  42%%'; sleep 60", tty=False)
    await site.wait_for_line(run_id, "first")
    report = await eventually(lambda: _with_unfinished(site, run_id))
    assert report["state"] == "running"
    assert report["quiet_s"] >= 0
    assert report["unfinished"] == [{"source": "stdout", "text": "epoch 3:  42%"}]
    await site.request("POST", f"v1/workloads/{run_id}/cancel")


async def _with_unfinished(site: Site, run_id: str) -> dict[str, Any] | None:
    report = await found(site, "run_report", id=run_id)
    return report if report["unfinished"] else None


async def test_run_report_shows_where_each_worker_is(site: Site) -> None:
    run_id = await site.run(
        "for r in 0 1 2; do echo [rank$r]: step 1; done; echo [rank0]: step 2; echo [rank2]: step 2"
    )
    workers = (await found(site, "run_report", id=run_id))["workers"]
    assert [(row["worker"], row["last_seq"]) for row in workers] == [("rank 1", 2), ("rank 0", 4), ("rank 2", 5)]


async def test_reading_by_cursor_returns_every_line_once(site: Site) -> None:
    run_id = await site.run(["python3", "-c", "for i in range(500): print(i, 'x' * (i % 700))"])
    lines: list[str] = []
    after, replies = 0, 0
    while True:
        page = await found(site, "read_log", id=run_id, after=after, limit=200)
        lines += texts(page)
        replies += 1
        assert page["omitted"] == 500 - page["next_after"]
        if not page["omitted"]:
            break
        after = page["next_after"]
    assert [int(text.split()[0]) for text in lines] == list(range(500))
    assert replies < 60
    assert (await found(site, "read_log", id=run_id, after=500))["lines"] == []


async def test_tail_returns_the_newest_lines_and_their_cursor(site: Site) -> None:
    run_id = await site.run("seq 1 300")
    tail = await found(site, "tail_log", id=run_id, limit=3)
    assert texts(tail) == ["298", "299", "300"]
    assert (tail["next_after"], tail["omitted"], tail["first_seq"]) == (300, 0, 1)
    assert len((await found(site, "tail_log", id=run_id))["lines"]) == 50


async def test_search_finds_matches_with_context_level_and_cursor(site: Site) -> None:
    run_id = await site.run("for i in $(seq 1 50); do echo line $i; done; echo ERROR line 51 failed")
    some = await found(site, "search_log", id=run_id, regex="line [0-9]*7$", limit=2)
    assert (texts(some), some["matches"], some["omitted"], some["next_after"]) == (["line 7", "line 17"], 5, 3, 17)
    rest = await found(site, "search_log", id=run_id, regex="/line [0-9]*7$/", after=17)
    assert (texts(rest), rest["omitted"], rest["next_after"]) == (["line 27", "line 37", "line 47"], 0, 51)
    around = await found(site, "search_log", id=run_id, regex="line 1[02]$", context=1)
    assert [(row["seq"], row["match"]) for row in around["lines"]] == [
        (9, False), (10, True), (11, False), (12, True), (13, False)
    ]  # fmt: skip
    assert around["omitted"] == 0
    assert texts(await found(site, "search_log", id=run_id, regex="line", level="error")) == ["ERROR line 51 failed"]
    assert (await found(site, "search_log", id=run_id, regex="absent"))["matches"] == 0


async def test_wait_finds_lines_that_are_there_and_lines_that_come(site: Site) -> None:
    run_id = await site.start("cat", stdin=True, tty=False)
    sent = {"Content-Type": "text/plain"}
    await site.request("POST", f"v1/workloads/{run_id}/input", b"ready 1\nother\n", sent)
    await site.wait_for_line(run_id, "other")
    early = await found(site, "wait_for_run", id=run_id, until="ready")
    assert (early["matched_seq"], early["next_after"], texts(early)) == (1, 1, ["ready 1"])
    later = asyncio.create_task(found(site, "wait_for_run", id=run_id, until="ready", after=1))
    await eventually(lambda: len(site.services.open_calls) == 1)
    await site.request("POST", f"v1/workloads/{run_id}/input", b"ready 2\n", sent)
    assert (await later)["matched_seq"] == 3
    assert texts(await later) == ["other", "ready 2"]
    missing = await found(site, "wait_for_run", id=run_id, until="absent", after=3, seconds=0)
    assert (missing["timed_out"], missing["finished"], missing["next_after"]) == (True, False, 3)
    end = asyncio.create_task(found(site, "wait_for_run", id=run_id, until="absent", after=3))
    await eventually(lambda: len(site.services.open_calls) == 1)
    await site.request("POST", f"v1/workloads/{run_id}/input?eof=1", b"", sent)
    assert ((await end)["timed_out"], (await end)["finished"], (await end)["state"]) == (False, True, "succeeded")


async def test_wait_for_an_ended_run_returns_at_once_and_a_short_wait_times_out(site: Site) -> None:
    ended = await site.run("exit 4")
    reply = await found(site, "wait_for_run", id=ended, seconds=45)
    assert (reply["finished"], reply["timed_out"], reply["exit_code"]) == (True, False, 4)
    running = await site.start("sleep 60")
    reply = await found(site, "wait_for_run", id=running, seconds=0.05)
    assert (reply["finished"], reply["timed_out"]) == (False, True)
    await site.request("POST", f"v1/workloads/{running}/cancel")


async def test_run_that_is_deleted_during_a_wait_is_an_error(site: Site) -> None:
    made = await site.request("POST", "v1/workloads", json={"backend": "external"})
    wait = asyncio.create_task(problem(site, "wait_for_run", id=made.json["id"], until="never"))
    await eventually(lambda: len(site.services.open_calls) == 1)
    site.services.engine._remove(made.json["id"])
    assert "list_runs" in await wait


async def test_start_is_idempotent_by_its_key_and_tags_the_run(serve: Any) -> None:
    site = await serve(mcp_write=True)
    given = {"command": "echo once", "key": "k", "name": "by an assistant", "timeout": 60}
    first, second = [await found(site, "start_run", **given) for _ in range(2)]
    assert (first["started"], second["started"], first["id"] == second["id"]) == (True, False, True)
    assert (await site.get("v1/info"))["workloads"] == 1
    run = await site.state(first["id"])
    assert (run["name"], run["tags"]) == ("by an assistant", {"started_by": "mcp"})
    assert not (await found(site, "cancel_run", id=first["id"]))["cancelling"]
    assert (await found(site, "start_run", command="sleep 60", cwd="."))["started"]
    for given, part in ({"command": "x", "cwd": "/no/such"}, "cwd"), ({"command": "x", "backend": "moon"}, "backend"):
        assert part in await problem(site, "start_run", **given)


async def test_errors_name_the_argument_and_what_to_do(site: Site) -> None:
    run_id = await site.run("echo a")
    for tool, given, parts in [
        ("run_report", {}, ["id", "missing"]),
        ("run_report", {"id": "01NOSUCHRUN"}, ["01NOSUCHRUN", "list_runs"]),
        ("run_report", {"id": "../../etc/passwd"}, ["list_runs"]),
        ("run_report", {"id": "a\nIgnore this"}, ["list_runs"]),
        ("run_report", {"id": 5}, ["id", "string"]),
        ("run_report", {"id": run_id, "verbose": True}, ["verbose", "it has id"]),
        ("list_runs", {"state": "done"}, ["state", "running"]),
        ("list_runs", {"limit": 0}, ["limit", "1 to 10000"]),
        ("tail_log", {"id": run_id, "limit": 10_001}, ["limit", "1 to 10000"]),
        ("tail_log", {"id": run_id, "limit": "5"}, ["limit", "whole number"]),
        ("read_log", {"id": run_id, "after": -1}, ["after"]),
        ("search_log", {"id": run_id, "regex": "("}, ["regex"]),
        ("search_log", {"id": run_id, "regex": "(?=x)"}, ["regex"]),
        ("search_log", {"id": run_id, "regex": ""}, ["regex"]),
        ("search_log", {"id": run_id, "regex": "x" * 1001}, ["regex", "1000"]),
        ("search_log", {"id": run_id, "regex": "x", "level": "loud"}, ["level", "warn"]),
        ("wait_for_run", {"id": run_id, "seconds": 46}, ["seconds", "0 to 45"]),
        ("wait_for_run", {"id": run_id, "until": "("}, ["until"]),
    ]:
        text = await problem(site, tool, **given)
        assert all(part in text for part in parts), (tool, given, text)
        assert "\n" not in text
        assert "Traceback" not in text
    assert texts(await found(site, "tail_log", id=run_id, limit=1.0)) == ["a"]
    assert texts(await found(site, "read_log", id=run_id, after=None)) == ["a"]


async def test_secrets_and_control_sequences_do_not_reach_an_assistant(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_API_KEY", "a-secret-value-of-the-server")
    site = await serve(masks=["/pin=([0-9]+)/"])
    secret = "a-secret-value-of-the-run"
    command = (
        f"printf '\\033[31mERROR %s\\033[0m %s pin=%s\\n' $RUN_TOKEN {secret[:8]}\"\"{secret[8:]} $((12345677 + 1))"
    )
    run_id = await site.run(command, env={"RUN_TOKEN": secret}, name=f"with {secret}", tty=False)
    await site.run("printf '\\033]0;title\\007\\033[2Jx sk-abcdefghijklmnopqrstuvwxyz0123456789 $MY_API_KEY'")
    for tool, given in [
        ("run_report", {"id": run_id}),
        ("tail_log", {"id": run_id}),
        ("read_log", {"id": run_id}),
        ("search_log", {"id": run_id, "regex": "ERROR"}),
        ("wait_for_run", {"id": run_id}),
        ("list_runs", {}),
    ]:
        whole = json.dumps(await call(site, tool, **given))
        for leak in secret, "12345678", "\\u001b", "\\u0007", "sk-abcdef", "a-secret-value-of-the-server":
            assert leak not in whole, (tool, leak)
    assert texts(await found(site, "tail_log", id=run_id)) == ["ERROR *** *** pin=***"]


ODD: list[Any] = [None, True, -1, 0, 1.5, 10**30, 1e308, "", " ", "x" * 2000, "\0", "a\u2028b", "*", [], [1], {}]


async def test_odd_arguments_are_errors_or_replies_within_the_bound(serve: Any) -> None:
    site = await serve(mcp_write=True)
    run_id = await site.run("echo a")
    for tool in TOOLS.values():
        for name in tool.properties:
            for value in ODD:
                given = {"id": run_id, "regex": "a", "command": "true", "seconds": 0, name: value}
                given = {key: one for key, one in given.items() if key in tool.properties}
                result = await call(site, tool.name, **given)
                assert "structuredContent" in result or name in result["content"][0]["text"], (tool.name, given)
    assert (await rpc(site, "tools/call", {"name": "list_runs", "arguments": []})).status == 400
