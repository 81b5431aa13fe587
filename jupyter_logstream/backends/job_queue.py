"""Poller of a scheduler's jobs: one query for all jobs of a backend, adaptive. Server; stdlib.

It polls every _FIRST_INTERVAL_S while a job is about to start or to end, and backs off to _MAX_INTERVAL_S, since the
runner's own record ends a workload. Without workloads it does not poll.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Literal

_FIRST_INTERVAL_S, _MAX_INTERVAL_S, _BACKOFF = 1.0, 60.0, 1.5
_MAX_MISSES = 3  # polls that do not list a job: the scheduler has forgotten it
GONE = "GONE"
"""The state of a job that the scheduler does not know, or no longer."""

Phase = Literal["waiting", "active", "over"]


@dataclass(frozen=True, slots=True)
class Report:
    """What a scheduler reports of a job. `state`: its word, "" if unknown yet. `problem`: why it does not answer now.

    `phase`: what the state means. `exit_code`: of a job that is over, None if unknown.
    """

    state: str = ""
    reason: str = ""
    node: str = ""
    job: str = ""
    problem: str = ""
    phase: Phase = "waiting"
    exit_code: int | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether the job has not started, as far as is known."""
        return self.phase == "waiting"

    @property
    def is_over(self) -> bool:
        """Whether the job has ended."""
        return self.phase == "over"

    @property
    def words_as_is(self) -> str:
        """State and reason in the scheduler's own words: "OOMKilled: ..."."""
        return ": ".join(filter(None, (self.state, self.reason)))

    @property
    def words(self) -> str:
        """State and reason for people: "Pending: Resources"."""
        state = self.state.replace("_", " ").capitalize()
        return f"{state}: {self.reason}" if self.reason and self.reason != "None" else state


class JobQueue:
    """`query`: the reports of these jobs, by workload; without those that the scheduler does not know.

    It raises OSError or RuntimeError, with a text for people, while the scheduler does not answer.
    Bound: one report per workload that is watched.
    """

    def __init__(self, query: Callable[[Collection[str]], Awaitable[Mapping[str, Report]]]) -> None:
        self._query = query
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
        try:
            listed = await self._query(list(self._watched))
        except (OSError, RuntimeError) as error:  # TimeoutError and CannotReach are such
            found = {one: replace(report, problem=str(error)) for one, report in self._reports.items()}
        else:
            found = {one: listed.get(one) or self._missed(one) for one in self._reports}
        async with self._changed:
            self._reports.update({one: report for one, report in found.items() if one in self._watched})
            self._changed.notify_all()

    def _missed(self, workload_id: str) -> Report:
        """A job that is not listed: just submitted, or forgotten by the scheduler."""
        self._misses[workload_id] += 1
        known = replace(self._reports[workload_id], problem="")
        return (
            known
            if known.is_over or self._misses[workload_id] < _MAX_MISSES
            else replace(known, state=GONE, phase="over")
        )
