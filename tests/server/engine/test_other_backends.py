"""The engine with a backend, a registry and a store that keep no files on this machine."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from support.cluster import House
from support.waiting import eventually

from jupyter_logstream.backends.protocol import CannotReach
from jupyter_logstream.model.protocol import STATES
from jupyter_logstream.model.spec import SpecError
from jupyter_logstream.server.engine import Engine
from jupyter_logstream.server.retention import Limits


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
