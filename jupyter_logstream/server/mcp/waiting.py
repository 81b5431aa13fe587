"""The tool `wait_for_run`: waits for a final state or a line, without a thread. Server; no HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ...store.queries.filters import Filter
from .reading import find
from .reply import Reply, Section
from .runs import Runs, pattern

MAX_WAIT_S = 45
"""Assistants give up on a call after 60 s."""

TAIL_LINES = 20
_SEARCH_INTERVAL_S = 0.25  # between two searches of a log that is written all the time


async def wait_for_run(runs: Runs, given: Mapping[str, Any]) -> Reply:
    """Wait until the run has ended or, with `until`, a line after the cursor matches. `timed_out`: neither did in time.

    Lines that are there already count, so nothing is missed between two calls. A cancelled wait ends at once.
    """
    run_id, until = given["id"], given["until"]
    runs.engine.status_of(run_id)
    chosen = None if until == "state" else pattern("until", until)
    loop, changed = asyncio.get_running_loop(), asyncio.Event()
    deadline = loop.time() + given["seconds"]
    unwatch = [runs.engine.watch(run_id, changed.set)]
    if chosen is not None:
        unwatch.append(runs.store.watch(run_id, changed.set))
    searched = given["after"]
    try:
        while True:
            changed.clear()
            is_final = runs.engine.status_of(run_id).status.final  # before the search: then it has all lines
            if chosen is not None:
                found, searched = await _search(runs, run_id, chosen, searched)
                if found is not None:
                    return await _reply(runs, given, searched, match=found)
                if searched < runs.store.read(run_id, 0, 0).end:
                    changed.set()
                    is_final = False
            if is_final:
                return await _reply(runs, given, searched)
            if not await _changed(changed, deadline - loop.time()):
                return await _reply(runs, given, searched, timed_out=True)
            if chosen is not None:
                await asyncio.sleep(min(_SEARCH_INTERVAL_S, max(deadline - loop.time(), 0)))
    finally:
        for remove in unwatch:
            remove()


async def _changed(changed: asyncio.Event, patience_s: float) -> bool:
    """Whether something changed before the time was over."""
    if patience_s <= 0:
        return False
    try:
        await asyncio.wait_for(changed.wait(), patience_s)
    except asyncio.TimeoutError:
        return False
    return True


async def _search(runs: Runs, run_id: str, chosen: Filter, after: int) -> tuple[int | None, int]:
    """The seq of the first match after a cursor, and the cursor behind what was searched."""
    end = runs.store.read(run_id, 0, 0).end
    if end <= after:
        return None, after
    hits = await runs.search(lambda budget: find(runs, run_id, chosen, after, 1, budget))
    if hits.rows:
        return hits.rows[0]["seq"], hits.rows[0]["seq"]
    return None, end if hits.stopped is None else hits.stopped


async def _reply(
    runs: Runs, given: Mapping[str, Any], searched: int, *, match: int | None = None, timed_out: bool = False
) -> Reply:
    """The state, and the newest lines after the caller's cursor, at most TAIL_LINES.

    A search's lines end where it ended: a line behind that was not searched yet, and the next call must find it.
    """
    run_id = given["id"]
    run = runs.engine.get(run_id)
    status = run.status

    def read() -> Reply:
        ends = runs.store.read(run_id, 0, 0)
        end = ends.end if given["until"] == "state" else searched
        begin = max(min(given["after"], end), ends.first - 1)
        after = max(end - TAIL_LINES, begin)
        return Reply(
            fields={
                "id": run_id,
                "state": status.state,
                "finished": status.final,
                "matched_seq": match,
                "timed_out": timed_out and not status.final,
                "exit_code": status.exit_code,
                "signal": status.signal,
                "last_seq": ends.end,
            },
            data={name: text for name, text in {"reason": status.reason, "error": status.error}.items() if text},
            sections=[
                Section("unfinished", [] if match is not None else runs.unfinished(run_id), least=0),
                Section("lines", runs.lines(run_id, after, end - after), keeps="last"),
            ],
            next_after=max(end, given["after"]),
            omitted=after - begin,
        )

    return await runs.pool.read(read)
