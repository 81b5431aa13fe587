"""The engine with a backend, a registry and a store that keep no files on this machine."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.waiting import eventually

from jupyter_logstream.backends.protocol import CannotReach, Check, Handle, Sighting
from jupyter_logstream.model.protocol import STATES
from jupyter_logstream.model.spec import SpecError, check_spec
from jupyter_logstream.model.workload import Status, WorkloadSpec
from jupyter_logstream.server.engine import Engine
from jupyter_logstream.server.registry import BadEntry, Entry
from jupyter_logstream.server.retention import Limits
from jupyter_logstream.store.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping


class Cluster:
    """A scheduler as a backend: jobs are numbered, and a test reports their states."""

    name = "cluster"
    supports = frozenset({"timeout", "options:gpus"})

    def __init__(self) -> None:
        self.jobs: dict[str, int] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.reports: dict[str, asyncio.Queue[Sighting]] = {}

    def resolve(self, spec: WorkloadSpec) -> WorkloadSpec:
        return replace(spec, cwd=spec.cwd or "/scratch")

    def plan(self, spec: WorkloadSpec) -> str:
        return f"#!/bin/sh\n{spec.command_line}\n"

    async def launch(self, workload_id: str, spec: WorkloadSpec) -> Handle:
        self.calls.append(("launch", workload_id, spec.command_line, dict(spec.options)))
        return {"job": self.jobs.setdefault(workload_id, len(self.jobs) + 1)}

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
        self.calls.append(("cancel", handle["job"], grace_s))
        self.report(workload_id, "cancelled", reason="cancelled by the user")

    async def send(self, workload_id: str, handle: Handle, data: bytes, *, eof: bool = False) -> None:
        raise NotImplementedError

    async def forget(self, workload_id: str, handle: Handle) -> None:
        self.calls.append(("forget", workload_id, handle["job"]))

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

    async def becomes(self, workload_id: str, state: str) -> dict[str, Any]:
        await eventually(lambda: self.engine.get(workload_id).status.state == state)
        return self.engine.get(workload_id).to_json()


async def test_a_job_waits_runs_and_ends_as_its_backend_reports() -> None:
    house = House()
    workload_id = await house.submit(options={"gpus": 2})
    assert house.cluster.calls[0] == ("launch", workload_id, "train", {"gpus": 2})
    house.cluster.report(workload_id, "queued", reason="Resources")
    await eventually(lambda: house.engine.get(workload_id).status.reason == "Resources")
    assert house.engine.get(workload_id).status.state == "queued"
    house.cluster.report(workload_id, "running", node="gpu1")
    running = await house.becomes(workload_id, "running")
    assert (running["reason"], running["node"], running["cwd"]) == (None, "gpu1", "/scratch")
    assert running["started"] is not None
    house.cluster.report(workload_id, "failed", exit_code=137, reason="OutOfMemory", node="gpu1")
    ended = await house.becomes(workload_id, "failed")
    assert (ended["exit_code"], ended["error"], ended["reason"], ended["node"]) == (
        137, "OutOfMemory", "OutOfMemory", "gpu1",
    )  # fmt: skip
    assert ended["started"] == running["started"]
    assert house.engine.running == 0
    await house.engine.close()


async def test_a_handle_survives_a_restart_of_the_server() -> None:
    house = House()
    workload_id = await house.submit()
    house.cluster.report(workload_id, "running", node="gpu1")
    await house.becomes(workload_id, "running")
    await house.restart()
    assert house.engine.get(workload_id).status.state == "running"
    await eventually(lambda: house.cluster.calls.count(("watch", workload_id, 1)) == 2)
    house.cluster.report(workload_id, "succeeded", exit_code=0)
    assert (await house.becomes(workload_id, "succeeded"))["error"] is None
    assert [call for call in house.cluster.calls if call[0] == "launch"] == [("launch", workload_id, "train", {})]
    await house.restart()
    assert house.engine.get(workload_id).status.state == "succeeded"
    await house.engine.close()


async def test_a_server_killed_during_a_launch_finds_the_job_by_launching_it_again() -> None:
    house = House()
    workload_id = await house.submit()
    house.registry.entries[workload_id] = replace(house.registry.entries[workload_id], handle=None)
    await house.restart()
    await eventually(lambda: house.registry.load(workload_id).handle == {"job": 1})
    assert house.cluster.jobs == {workload_id: 1}
    await house.engine.close()


async def test_a_job_that_its_backend_cannot_find_is_lost_with_the_reason() -> None:
    house = House()
    workload_id = await house.submit()
    house.cluster.report(workload_id, "lost", reason="job 1 is unknown to the scheduler")
    ended = await house.becomes(workload_id, "lost")
    assert (ended["reason"], ended["exit_code"]) == ("job 1 is unknown to the scheduler", None)
    await house.engine.close()


async def test_cancel_and_delete_go_to_the_backend_with_the_handle() -> None:
    house = House()
    workload_id = await house.submit()
    await house.engine.cancel(workload_id)
    await house.becomes(workload_id, "cancelled")
    await house.engine.forget(workload_id)
    calls = [call for call in house.cluster.calls if call[0] in {"cancel", "forget"}]
    assert calls == [("cancel", 1, 3), ("forget", workload_id, 1)]
    assert (house.registry.ids(), house.engine.page(STATES, 10, None)) == ([], ([], None))
    await house.engine.close()


async def test_an_option_or_feature_that_the_backend_lacks_is_refused_and_nothing_is_created() -> None:
    house = House()
    for field, given in ("options.gpu", {"options": {"gpu": 1}}), ("stdin", {"stdin": True}):
        with pytest.raises(SpecError) as error:
            await house.submit(**given)
        assert error.value.field == field
    assert house.registry.ids() == []
    await house.engine.close()


async def test_a_workload_without_its_backend_stays_and_cancel_explains_why() -> None:
    house = House()
    workload_id = await house.submit()
    await house.engine.close()
    house.engine = Engine(house.logs, house.registry, {}, Limits(), logging.getLogger("test"))
    await house.engine.recover()
    assert house.engine.get(workload_id).status.state == "queued"
    with pytest.raises(CannotReach, match="'cluster' is not configured"):
        await house.engine.cancel(workload_id)
    await house.engine.close()
