"""Poller of Slurm's queue: one `squeue` for all jobs of a backend. Server; stdlib.

It polls every _FIRST_INTERVAL_S while a job is about to start or to end, and backs off to _MAX_INTERVAL_S, since the
runner's own record ends a workload. Without workloads it does not poll.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from .places import last_lines
from .programs import Ended

_FIRST_INTERVAL_S, _MAX_INTERVAL_S, _BACKOFF = 1.0, 60.0, 1.5
_MAX_MISSES = 3  # polls that do not list a job: it has left Slurm's memory (MinJobAge)
_FORMAT = "%j|%i|%T|%r|%B"
_WAITING = frozenset(
    {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
)
_ACTIVE = frozenset({"RUNNING", "COMPLETING", "SUSPENDED", "STAGE_OUT", "SIGNALING", "RESIZING", "STOPPED"})
GONE = "GONE"
"""The state of a job that Slurm does not know, or no longer."""


@dataclass(frozen=True, slots=True)
class Report:
    """What Slurm reports of a job. `state`: its word, "" if unknown yet. `problem`: why it does not answer now."""

    state: str = ""
    reason: str = ""
    node: str = ""
    job: str = ""
    problem: str = ""

    @property
    def is_waiting(self) -> bool:
        """Whether the job has not started, as far as is known."""
        return not self.state or self.state in _WAITING

    @property
    def is_over(self) -> bool:
        """Whether the job has ended."""
        return bool(self.state) and self.state not in _WAITING and self.state not in _ACTIVE

    @property
    def words(self) -> str:
        """State and reason for people: "Pending: Resources"."""
        state = self.state.replace("_", " ").capitalize()
        return f"{state}: {self.reason}" if self.reason and self.reason != "None" else state


class JobQueue:
    """`run`: runs a command where Slurm is. Bound: one report per workload that is watched."""

    def __init__(self, run: Callable[[list[str]], Awaitable[Ended]]) -> None:
        self._run = run
        self._watched: Counter[str] = Counter()
        self._reports: dict[str, Report] = {}
        self._misses: Counter[str] = Counter()
        self._changed = asyncio.Condition()
        self._soon = asyncio.Event()
        self._interval_s = _FIRST_INTERVAL_S
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def watching(self, workload_id: str) -> AsyncIterator[None]:
        """Poll a workload's job while the block runs."""
        self._watched[workload_id] += 1
        self._reports.setdefault(workload_id, Report())
        self.poll_soon()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._poll_repeatedly())
        try:
            yield
        finally:
            self._watched[workload_id] -= 1
            if not self._watched[workload_id]:
                del self._watched[workload_id]
                self._reports.pop(workload_id, None)
                self._misses.pop(workload_id, None)
            if not self._watched and self._task is not None:
                task, self._task = self._task, None
                task.cancel()

    def report(self, workload_id: str) -> Report:
        """The last report."""
        return self._reports.get(workload_id, Report())

    async def change(self, workload_id: str, seen: Report) -> Report:
        """The report as soon as it differs from `seen`."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.report(workload_id) != seen)
        return self.report(workload_id)

    def poll_soon(self) -> None:
        """Poll at once, and often for a while: something is about to change."""
        self._interval_s = _FIRST_INTERVAL_S
        self._soon.set()

    async def _poll_repeatedly(self) -> None:
        while True:
            self._soon.clear()
            before = dict(self._reports)
            await self._poll()
            is_quiet = before == self._reports and not any(report.is_waiting for report in self._reports.values())
            self._interval_s = min(self._interval_s * _BACKOFF, _MAX_INTERVAL_S) if is_quiet else _FIRST_INTERVAL_S
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._soon.wait(), self._interval_s)

    async def _poll(self) -> None:
        names = ",".join(self._watched)
        command = ["squeue", "--noheader", "--states=all", f"--name={names}", f"--format={_FORMAT}"]
        try:
            done = await self._run(command)
            problem = last_lines(done.errors) or f"exit code {done.code}" if done.code else ""
        except (OSError, RuntimeError) as error:  # TimeoutError and CannotReach are such
            problem = str(error)
        if problem:
            found = {one: replace(report, problem=problem) for one, report in self._reports.items()}
        else:
            listed = dict(map(_parse, done.output.splitlines()))
            found = {one: listed.get(one) or self._missed(one) for one in self._reports}
        async with self._changed:
            self._reports.update({one: report for one, report in found.items() if one in self._watched})
            self._changed.notify_all()

    def _missed(self, workload_id: str) -> Report:
        """A job that is not listed: just submitted, or forgotten by Slurm."""
        self._misses[workload_id] += 1
        known = replace(self._reports[workload_id], problem="")
        return known if known.is_over or self._misses[workload_id] < _MAX_MISSES else replace(known, state=GONE)


def _parse(line: str) -> tuple[str, Report]:
    name, job, state, reason, node = (line.split("|") + [""] * 5)[:5]
    return name, Report(state, reason, "" if node.lower() in {"n/a", "(null)"} else node, job)
