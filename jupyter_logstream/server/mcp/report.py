"""The tool `run_report`: state, first error, last lines and workers of a run in one reply. Server; no HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...model.protocol import now_ms
from ...model.records import Record
from ...model.workload import Workload
from ...store.queries.budget import Budget
from ...store.queries.filters import Filter
from ...text.metrics import worker
from ...text.terminal import plain_text
from ...text.tracebacks import read_traceback
from .reading import find
from .reply import Reply, Row, Section, line
from .runs import Runs, duration_s, iso

TAIL_LINES = 20
_ERROR_LINES = 120  # records after the first error in which the end of its traceback is searched
_ERROR_HEAD, _ERROR_TAIL = 10, 20  # of a longer traceback; its end names the exception
_LINES_AFTER_ERROR = 4  # shown where no traceback follows
_WORKER_RECORDS, _WORKER_BYTES = 1000, 1 << 20
_MAX_WORKERS = 32


async def run_report(runs: Runs, given: Mapping[str, Any]) -> Reply:
    """What one needs to know of a run first. Sections, least important first: workers, lines, first error."""
    run = runs.engine.get(given["id"])

    def read(budget: Budget) -> Reply:
        ends = runs.store.read(run.id, 0, 0)
        after = max(ends.end - TAIL_LINES, ends.first - 1)
        rows = runs.lines(run.id, after, TAIL_LINES)
        error, left_out = _first_error(runs, run, budget)
        return Reply(
            fields={**_facts(run), "quiet_s": _quiet_s(runs, run), "last_seq": ends.end},
            data=_texts(run),
            sections=[
                Section("workers", _workers(runs, run.id, ends.end), least=0),
                Section("unfinished", runs.unfinished(run.id), least=0),
                Section("lines", rows, keeps="last", least=len(rows)),
                Section("first_error", error, keeps="last", least=len(error)),
            ],
            next_after=rows[-1]["seq"] if rows else ends.end,
            omitted=left_out,
        )

    return await runs.search(read)


def _facts(run: Workload) -> dict[str, Any]:
    status, steps = run.status, run.steps_to_json()
    return {
        "id": run.id,
        "state": status.state,
        "exit_code": status.exit_code,
        "signal": status.signal,
        "backend": run.spec.backend,
        "connection_lost": run.link is not None,
        "created": iso(run.created),
        "started": iso(status.started),
        "ended": iso(status.ended),
        "duration_s": duration_s(run),
        "total_lines": run.lines,
        "levels": dict(run.levels),
        "steps": len(steps),
        "last_step_state": steps[-1]["state"] if steps else None,
    }


def _quiet_s(runs: Runs, run: Workload) -> float | None:
    """How long a run that goes on has written nothing, since its start at most; None for one that does not run."""
    if run.status.final or run.status.started is None:
        return None
    end = runs.store.read(run.id, 0, 0).end
    times = runs.store.read(run.id, end - 1, 1).times if end else ()
    last = times[0] / 1000 if times else run.status.started
    return round(max(now_ms() - last, 0) / 1000, 1)


def _texts(run: Workload) -> dict[str, Any]:
    texts = {
        "name": run.spec.name,
        "command": run.spec.command_line,
        "cwd": run.spec.cwd,
        "reason": run.status.reason,
        "error": run.status.error,
        "node": run.status.node,
        "last_step": run.steps[-1].name if run.steps else None,
    }
    return {name: text for name, text in texts.items() if text}


def _first_error(runs: Runs, run: Workload, budget: Budget) -> tuple[list[Row], int]:
    """The lines of the first error, with its traceback, and how many were left out of it."""
    if not run.levels.get("error") and not run.levels.get("fatal"):
        return [], 0
    hits = find(runs, run.id, Filter(level="error"), 0, 1, budget)
    if not hits.rows:  # retention removed it
        return [], 0
    records = runs.records(run.id, hits.rows[0]["seq"] - 1, _ERROR_LINES)
    source = records[0].source if records else ""
    block = _block([record for record in records if record.source == source])
    rows = [line(record, runs.redactor) for record in block]
    if len(rows) <= _ERROR_HEAD + _ERROR_TAIL:
        return list(rows), 0
    return [*rows[:_ERROR_HEAD], *rows[-_ERROR_TAIL:]], len(rows) - _ERROR_HEAD - _ERROR_TAIL


def _block(records: list[Record]) -> list[Record]:
    lines = [plain_text(record.message.partition("\n")[0]).encode("utf-8", "replace") for record in records]
    for start in range(min(2, len(lines))):  # a logger's line can stand before its traceback
        if found := read_traceback(lines[start:]):
            return records[: start + found.length]
    return records[: 1 + _LINES_AFTER_ERROR]


def _workers(runs: Runs, run_id: str, end: int) -> list[Row]:
    """The workers that the newest lines name, the one that is furthest behind first; empty if it is only one."""
    batch = runs.store.read(run_id, max(end - _WORKER_RECORDS, 0), _WORKER_RECORDS)
    if sum(batch.text_bytes) > _WORKER_BYTES:
        return []
    newest = {name: record for record in batch.records() if (name := worker(record.message)) is not None}
    if len(newest) < 2:
        return []
    quiet = sorted(newest.items(), key=lambda item: item[1].seq)
    return [
        {"worker": name, "last_seq": record.seq, "last_line": iso(record.ts)} for name, record in quiet[:_MAX_WORKERS]
    ]
