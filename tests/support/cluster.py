"""A scheduler, a registry and an engine that keep no files on this machine. Test support."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from support.waiting import eventually

from jupyter_logstream.backends.protocol import CannotReach, Check, Handle, Sighting
from jupyter_logstream.model.spec import check_spec
from jupyter_logstream.model.workload import Status, WorkloadSpec
from jupyter_logstream.server.engine import Engine
from jupyter_logstream.server.registry import BadEntry, Entry
from jupyter_logstream.server.retention import Limits
from jupyter_logstream.store.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping


class Cluster:
    """A scheduler as a backend: jobs are numbered, and a test reports their states.

    `launching`: the faults of the next launches: raised before the job is there, or after with `answer_lost`. `held`:
    launches wait while it is not set.
    """

    name = "cluster"
    supports = frozenset({"timeout", "options:gpus"})

    def __init__(self) -> None:
        self.jobs: dict[str, int] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.reports: dict[str, asyncio.Queue[Sighting]] = {}
        self.launching: list[Exception] = []
        self.answer_lost = False
        self.held = asyncio.Event()
        self.held.set()
        self.reachable = True

    def resolve(self, spec: WorkloadSpec) -> WorkloadSpec:
        return replace(spec, cwd=spec.cwd or "/scratch")

    def plan(self, spec: WorkloadSpec) -> str:
        return f"#!/bin/sh\n{spec.command_line}\n"

    async def launch(self, workload_id: str, spec: WorkloadSpec) -> Handle:
        self.calls.append(("launch", workload_id, spec.command_line, dict(spec.options)))
        if self.launching and not self.answer_lost:
            raise self.launching.pop(0)
        job = self.jobs.setdefault(workload_id, len(self.jobs) + 1)
        if self.launching:
            raise self.launching.pop(0)
        await self.held.wait()
        return {"job": job}

    async def watch(self, workload_id: str, handle: Handle) -> AsyncIterator[Sighting]:
        self.calls.append(("watch", workload_id, handle["job"]))
        reports = self.reports.setdefault(workload_id, asyncio.Queue())
        while True:
            sighting = await reports.get()
            yield sighting
            if sighting.state not in {"queued", "running"}:
                return

    def report(self, workload_id: str, state: Any, **known: Any) -> None:
        self.reports.setdefault(workload_id, asyncio.Queue()).put_nowait(Sighting(state, **known))

    async def cancel(self, workload_id: str, handle: Handle, grace_s: float) -> None:
        if not self.reachable:
            raise CannotReach("no connection to the cluster")
        self.calls.append(("cancel", handle["job"], grace_s))
        self.report(workload_id, "cancelled", reason="cancelled by the user")

    async def send(self, workload_id: str, handle: Handle, data: bytes, *, eof: bool = False) -> None:
        raise NotImplementedError

    async def forget(self, workload_id: str, handle: Handle) -> None:
        self.calls.append(("forget", workload_id, handle["job"]))

    async def leftovers(self, known: Collection[str]) -> list[str]:
        return [f"job {job}" for workload_id, job in self.jobs.items() if workload_id not in known]

    async def check(self) -> list[Check]:
        return [Check("sbatch", ok=True, found="23.11")]


class MemoryRegistry:
    """A registry in memory, which outlives its engine."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}

    def ids(self) -> list[str]:
        return sorted(self.entries)

    def create(self, workload_id: str, spec: WorkloadSpec, created: float, status: Status | None = None) -> None:
        self.entries[workload_id] = Entry(spec, created, status or Status())

    def load(self, workload_id: str) -> Entry:
        if workload_id not in self.entries:
            raise BadEntry(workload_id)
        return self.entries[workload_id]

    def status(self, workload_id: str) -> tuple[Status, dict[str, Any]]:
        return self.entries[workload_id].status, dict(self.entries[workload_id].summary)

    def save_status(self, workload_id: str, status: Status, summary: Mapping[str, Any]) -> None:
        self.entries[workload_id] = replace(self.entries[workload_id], status=status, summary=summary)

    def save_handle(self, workload_id: str, handle: Handle) -> None:
        self.entries[workload_id] = replace(self.entries[workload_id], handle=handle)

    def keep_cancel(self, workload_id: str) -> None:
        self.entries[workload_id] = replace(self.entries[workload_id], cancel_kept=True)

    def remove(self, workload_id: str) -> None:
        self.entries.pop(workload_id, None)


class Logs(MemoryStore):
    """A memory store that the engine can manage."""

    def finish(self, stream: str) -> None:
        self.append(stream, [], end=True)

    def reopen(self, stream: str) -> None:
        self._streams[stream].closed = False

    def size(self, stream: str) -> int:  # noqa: ARG002 - it uses no disk
        return 0


class House:
    """An engine that can be started again over the same cluster and registry."""

    def __init__(self) -> None:
        self.cluster, self.registry, self.logs = Cluster(), MemoryRegistry(), Logs()
        self.engine = self._engine()

    def _engine(self) -> Engine:
        backends = {"cluster": self.cluster}
        return Engine(self.logs, self.registry, backends, Limits(grace_s=3), logging.getLogger("test"))

    async def restart(self) -> None:
        await self.engine.close()
        self.engine = self._engine()
        await self.engine.recover()

    async def submit(self, **given: Any) -> str:
        workload, _ = await self.engine.submit(check_spec({"command": "train", "backend": "cluster", **given}))
        return workload.id

    async def submit_soon(self, **given: Any) -> str:
        """Submit a workload whose launch takes long; returns its id before the launch is over."""
        known = set(self.registry.ids())
        self.submitting = asyncio.ensure_future(self.submit(**given))
        await eventually(lambda: set(self.registry.ids()) - known)
        return str((set(self.registry.ids()) - known).pop())

    async def becomes(self, workload_id: str, state: str) -> dict[str, Any]:
        await eventually(lambda: self.engine.get(workload_id).status.state == state)
        return self.engine.get(workload_id).to_json()
