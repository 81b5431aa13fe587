"""Tools at the bounds: a million lines, one line of a megabyte, ten thousand runs, expressions that explode."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from support.assistant import MAX_REPLY_BYTES, call, found, problem, rpc, texts

from jupyter_logstream.model.records import Record

if TYPE_CHECKING:
    from support.web import Site

SLOW_TO_BACKTRACK = ["(a+)+$", "(a|aa)*b", "(x*)*y", "(?i)(.*a){20}", "^(([a-z])+.)+[A-Z]([a-z])+$", "(.*)*x(.*)*y"]


async def external(site: Site) -> str:
    made = await site.request("POST", "v1/workloads", json={"backend": "external"})
    return str(made.json["id"])


def fill(site: Site, run_id: str, messages: list[str], level: str = "info") -> None:
    store = site.services.store
    now = time.time() * 1000
    store.append(run_id, store.prepare([Record(0, now, level, message) for message in messages]))


async def filled(site: Site, lines: int) -> str:
    """A run that printed so many lines, of which every 50,000th is an error."""
    error, other = "f'ERROR line {i} failed'", "f'line {i} ' + 'a' * 30"
    program = f"for i in range({lines}): print({error} if i % 50_000 == 49_999 else {other})"
    run_id = await site.start(["python3", "-c", program], tty=False)
    await site.state(run_id)
    return run_id


async def test_every_tool_answers_on_a_log_of_a_million_lines(site: Site) -> None:
    lines = 1_000_000
    wide = await filled(site, lines)
    report = await found(site, "run_report", id=wide)
    assert (report["total_lines"], report["levels"]["error"]) == (lines, lines // 50_000)
    assert texts(report, "first_error")[0] == "ERROR line 49999 failed"
    assert (await found(site, "tail_log", id=wide, limit=200))["next_after"] == lines
    assert (await found(site, "read_log", id=wide, after=lines // 2))["lines"][0]["seq"] == lines // 2 + 1
    search = await found(site, "search_log", id=wide, regex="line 8[0-9]*9 ", limit=100, context=10)
    assert search["omitted"] == search["matches"] - sum(row["match"] for row in search["lines"])
    wait = await found(site, "wait_for_run", id=wide, until=f"line {lines - 2} ")
    assert wait["matched_seq"] == lines - 1
    wait = await found(site, "wait_for_run", id=wide, until="absent", seconds=0)
    assert (wait["finished"], wait["next_after"], wait["omitted"]) == (True, lines, lines - len(wait["lines"]))


async def test_no_expression_blocks_other_requests(site: Site) -> None:
    wide = await filled(site, 300_000)
    searches = [
        asyncio.create_task(call(site, "search_log", id=wide, regex=regex, limit=100)) for regex in SLOW_TO_BACKTRACK
    ]
    pings = 0
    while not all(search.done() for search in searches):
        assert (await rpc(site, "tools/list")).status == 200
        pings += 1
        await asyncio.sleep(0.01)
    for search in searches:
        assert "structuredContent" in await search or "regex" in (await search)["content"][0]["text"]
    assert pings >= 3


async def test_expression_too_large_to_compile_is_an_error(site: Site) -> None:
    run_id = await external(site)
    fill(site, run_id, ["a"])
    assert "regex" in await problem(site, "search_log", id=run_id, regex="((a{100}){100}){100}")


async def test_line_of_a_megabyte_is_cut_and_counted(site: Site) -> None:
    run_id = await site.run(["python3", "-c", "print('é' * 1_000_000); print('end')"])
    for tool, given in ("tail_log", {}), ("read_log", {}), ("run_report", {}), ("search_log", {"regex": "é"}):
        reply = await found(site, tool, id=run_id, **given)
        long = [row for row in reply["lines"] if len(row["text"]) > 100]
        assert long
        assert all(len(row["text"]) <= 500 and row["cut_chars"] > 10_000 for row in long)
        assert reply["truncated"]
    assert texts(await found(site, "tail_log", id=run_id))[-1] == "end"


async def test_ten_thousand_runs_are_listed_in_bounded_pages(site: Site) -> None:
    engine = site.services.engine
    first = await external(site)
    known = engine._catalogue._workloads
    ids = [f"00{number:024d}" for number in range(9_999)]
    known.update({run_id: replace(known[first], id=run_id) for run_id in ids})
    reply = await rpc(site, "tools/call", {"name": "list_runs", "arguments": {"limit": 100}})
    structured = reply.json["result"]["structuredContent"]
    assert len(reply.body) <= MAX_REPLY_BYTES
    assert structured["states"] == {"running": 10_000}
    assert structured["omitted"] == 10_000 - len(structured["runs"])
    assert structured["next_after"] == structured["runs"][-1]["id"]
    listed = (await rpc(site, "resources/list")).json["result"]["resources"]
    assert len(listed) == 20
    for run_id in ids:
        del known[run_id]


async def test_large_limits_return_what_fits_and_count_the_rest(site: Site) -> None:
    run_id = await external(site)
    fill(site, run_id, [f"{number} " + "x" * 60_000 for number in range(1, 151)])
    tail = await found(site, "tail_log", id=run_id, limit=10_000)
    assert (tail["lines"][-1]["seq"], tail["next_after"]) == (150, 150)
    assert tail["omitted"] == 150 - len(tail["lines"])
    fill(site, run_id, ["y"] * 3_000)
    tail = await found(site, "tail_log", id=run_id, limit=10_000)
    assert (tail["lines"][-1]["seq"], tail["omitted"]) == (3_150, 3_150 - len(tail["lines"]))
    for tool, given in ("read_log", {}), ("search_log", {"regex": "y|x"}):
        page = await found(site, tool, id=run_id, limit=10_000, **given)
        assert (page["omitted"], page["next_after"]) == (3_150 - len(page["lines"]), page["lines"][-1]["seq"])
    near = await found(site, "search_log", id=run_id, regex="y", limit=10_000, context=10)
    assert near["omitted"] == 3_000 - sum(row["match"] for row in near["lines"])
    assert (await found(site, "list_runs", limit=10_000))["omitted"] == 0
