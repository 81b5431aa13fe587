"""Tools that read: lists of runs, lines of a log, matches in it. Server; no HTTP."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...model.ids import ID
from ...model.protocol import STATES
from ...model.records import Record
from ...model.workload import Workload
from ...store.protocol import Batch
from ...store.queries.budget import Budget, SlowPattern
from ...store.queries.filters import Filter, scan
from ..params import BadParameter
from .reply import Reply, Section, line
from .runs import MAX_ROWS, Runs, duration_s, errors, iso, pattern

Arguments = Mapping[str, Any]


async def list_runs(runs: Runs, given: Arguments) -> Reply:
    """The newest runs, with how many are in each state."""
    if not re.fullmatch(ID, given.get("after", "x")):
        raise BadParameter("after", "must be the id of a run: next_after of the reply before")
    states = frozenset({given["state"]}) if "state" in given else STATES
    found, following = runs.engine.page(states, min(given["limit"], MAX_ROWS), given.get("after"))
    older = runs.engine.state_counts(before=found[-1].id) if found else {}
    rows = [_summary(run) for run in found]
    return Reply(
        fields={"states": dict(runs.engine.state_counts())},
        sections=[Section("runs", rows, least=0)],
        next_after=following,
        cursor="runs",
        omitted=sum(older.get(state, 0) for state in states),
    )


def _summary(run: Workload) -> dict[str, Any]:
    status = run.status
    return {
        "id": run.id,
        "name": run.spec.name,
        "state": status.state,
        "command": run.spec.command_line,
        "backend": run.spec.backend,
        "created": iso(run.created),
        "duration_s": duration_s(run),
        "exit_code": status.exit_code,
        "signal": status.signal,
        "lines": run.lines,
        "errors": errors(run),
    }


async def tail_log(runs: Runs, given: Arguments) -> Reply:
    """The newest lines."""
    run_id = given["id"]
    state = runs.engine.status_of(run_id).status.state  # before the read: a final state has all its lines

    def read() -> Reply:
        ends = runs.store.read(run_id, 0, 0)
        wanted = min(given["limit"], ends.end - ends.first + 1)
        number = min(wanted, MAX_ROWS)
        rows = runs.lines(run_id, ends.end - number, number)
        last = rows[-1]["seq"] if rows else ends.end
        return Reply(
            fields={"id": run_id, "state": state, "first_seq": ends.first, "last_seq": ends.end},
            sections=[Section("lines", rows, keeps="last"), Section("unfinished", runs.unfinished(run_id), least=0)],
            next_after=last,
            omitted=wanted - number,
        )

    return await runs.pool.read(read)


async def read_log(runs: Runs, given: Arguments) -> Reply:
    """The lines after a cursor. `removed`: lines behind it that retention has deleted."""
    run_id, after = given["id"], given["after"]
    state = runs.engine.status_of(run_id).status.state

    def read() -> Reply:
        ends = runs.store.read(run_id, 0, 0)
        rows = runs.lines(run_id, after, given["limit"])
        last = rows[-1]["seq"] if rows else min(after, ends.end)
        fields = {"id": run_id, "state": state, "first_seq": ends.first, "last_seq": ends.end}
        removed = max(min(ends.first - 1, ends.end) - after, 0)
        return Reply(
            fields={**fields, "removed": removed},
            sections=[Section("lines", rows)],
            next_after=last,
            cursor="lines",
            omitted=max(ends.end - last, 0),
        )

    return await runs.pool.read(read)


@dataclass(slots=True)
class _Hits:
    """Matches of a search: the first ones as rows, and their number. `stopped`: the last line searched in time."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    total: int = 0
    stopped: int | None = None


async def search_log(runs: Runs, given: Arguments) -> Reply:
    """The lines that match, each with its neighbours. `stopped`: the search ran out of its processor time there."""
    run_id, context = given["id"], given["context"]
    limit = min(given["limit"], MAX_ROWS // (2 * context + 1))
    runs.engine.status_of(run_id)
    chosen = pattern("regex", given["regex"], given.get("level"))

    def read(budget: Budget) -> Reply:
        hits = find(runs, run_id, chosen, given["after"], limit, budget)
        rows = _with_context(runs, run_id, hits.rows, context) if context else hits.rows
        has_more = hits.total > len(hits.rows)
        end = runs.store.read(run_id, 0, 0).end
        next_after = hits.rows[-1]["seq"] if has_more else (end if hits.stopped is None else hits.stopped)
        return Reply(
            fields={"id": run_id, "matches": hits.total, "stopped": hits.stopped, "last_seq": end},
            sections=[Section("lines", rows)],
            next_after=next_after,
            cursor="lines",
            omitted=hits.total - len(hits.rows),
            truncated=hits.stopped is not None,
        )

    return await runs.search(read)


def find(runs: Runs, run_id: str, chosen: Filter, after: int, limit: int, budget: Budget) -> _Hits:
    """The first `limit` matches after a cursor, and the number of all. Raises SlowPattern if not even a part was read.

    With a `limit` of 1 it ends at the first match.
    """
    match, hits = chosen.compile(budget), _Hits()

    def take(batch: Batch) -> tuple[int, list[Record]]:
        found = match(batch)
        return len(found), batch.pick(found[: limit - len(hits.rows)]).records() if found else []

    try:
        for _, (number, records) in scan(runs.store, run_id, take, after, budget=budget):
            hits.total += number
            hits.rows += [line(record, runs.redactor) for record in records]
            if limit == 1 and hits.rows:
                break
    except SlowPattern as slow:
        if slow.after <= after:
            raise
        hits.stopped = slow.after
    return hits


def _with_context(runs: Runs, run_id: str, hits: list[dict[str, Any]], context: int) -> list[dict[str, Any]]:
    """The matches and the lines beside them in the order of the log, each once."""
    matching = {row["seq"] for row in hits}
    rows: dict[int, dict[str, Any]] = {}
    for seq in sorted(matching):
        beside = runs.lines(run_id, max(seq - context - 1, 0), context * 2 + 1)
        rows |= {row["seq"]: {**row, "match": row["seq"] in matching} for row in beside if row["seq"] <= seq + context}
    return [rows[seq] for seq in sorted(rows)]
