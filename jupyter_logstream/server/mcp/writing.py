"""Tools that change something: start and cancel a run. Server; no HTTP. Off unless `c.LogStream.mcp_write` is set."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from ...model.spec import check_spec
from ...model.workload import Workload
from .reply import Reply
from .runs import Runs

Answer = TypeVar("Answer")

_TAGS = {"started_by": "mcp"}
"""Tags of a run that an assistant started, which shows whose it is."""

_open: set[asyncio.Task[Any]] = set()  # the event loop itself holds tasks weakly


async def start_run(runs: Runs, given: Mapping[str, Any]) -> Reply:
    """Start a run; with a key that was used before, the run that has it. Raises SpecError, QueueFull, NoRoom."""
    run, is_new = await _to_its_end(runs.engine.submit(check_spec({**given, "tags": _TAGS})))
    return _described(run, {"started": is_new})


async def cancel_run(runs: Runs, given: Mapping[str, Any]) -> Reply:
    """Cancel a run; one that has ended stays as it is. Raises UnknownWorkload, CannotReach, NoRoom."""
    run, is_ending = await _to_its_end(runs.engine.cancel(given["id"]))
    return _described(run, {"cancelling": is_ending})


async def _to_its_end(change: Coroutine[Any, Any, Answer]) -> Answer:
    """Make a change whole, even if the client disconnects meanwhile: half a launch would be a lost run."""
    task = asyncio.ensure_future(change)
    _open.add(task)
    task.add_done_callback(_open.discard)
    return await asyncio.shield(task)


def _described(run: Workload, done: dict[str, Any]) -> Reply:
    status = run.status
    fields = {"id": run.id, "state": status.state, **done, "exit_code": status.exit_code}
    texts = {"name": run.spec.name, "command": run.spec.command_line, "reason": status.reason, "error": status.error}
    return Reply(fields, data={name: text for name, text in texts.items() if text}, next_after=0)
