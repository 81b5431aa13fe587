"""Slurm's queue: one `squeue` for all jobs of a backend. Server; stdlib."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping

from ..job_queue import JobQueue, Phase, Report
from ..places import last_lines
from ..programs import Ended
from ..protocol import CannotReach

_FORMAT = "%j|%i|%T|%r|%B"
_WAITING = frozenset(
    {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
)
_ACTIVE = frozenset({"RUNNING", "COMPLETING", "SUSPENDED", "STAGE_OUT", "SIGNALING", "RESIZING", "STOPPED"})


def slurm_queue(run: Callable[[list[str]], Awaitable[Ended]]) -> JobQueue:
    """The poller of a backend. `run`: runs a command where Slurm is."""

    async def query(names: Collection[str]) -> Mapping[str, Report]:
        command = ["squeue", "--noheader", "--states=all", f"--name={','.join(names)}", f"--format={_FORMAT}"]
        done = await run(command)
        if done.code:
            raise CannotReach(last_lines(done.errors) or f"exit code {done.code}")
        return dict(map(_parse, done.output.splitlines()))

    return JobQueue(query)


def _parse(line: str) -> tuple[str, Report]:
    name, job, state, reason, node = (line.split("|") + [""] * 5)[:5]
    phase: Phase = "waiting" if not state or state in _WAITING else "active" if state in _ACTIVE else "over"
    return name, Report(state, reason, "" if node.lower() in {"n/a", "(null)"} else node, job, phase=phase)
