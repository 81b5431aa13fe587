"""Machines that cannot be reached: launches that are tried again, links that are down, cancels that are kept."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from support.cluster import House
from support.waiting import eventually

from jupyter_logstream.backends.protocol import CannotLaunch, CannotReach, NotReached
from jupyter_logstream.server.engine import NoRoom

REFUSED = "ssh: connect to host gpu1 port 22: Connection refused"


async def test_a_machine_that_refuses_the_workload_makes_it_failed_with_its_words() -> None:
    house = House()
    house.cluster.launching = [CannotLaunch(None, "sbatch: error: invalid partition specified: gpux")]
    workload_id = await house.submit()
    ended = house.engine.get(workload_id).to_json()
    assert (ended["state"], ended["error"]) == ("failed", "sbatch: error: invalid partition specified: gpux")
    assert house.engine.running == 0
    await house.engine.close()


async def test_a_lack_of_this_machine_refuses_the_request_and_leaves_nothing() -> None:
    house = House()
    house.cluster.launching = [CannotLaunch(12, "no process could be started: Cannot allocate memory")]
    with pytest.raises(NoRoom, match="Cannot allocate memory"):
        await house.submit()
    assert (house.registry.ids(), house.engine.running) == ([], 0)
    await house.engine.close()


@pytest.mark.parametrize("fault", [NotReached(REFUSED), CannotReach("no answer within 10 s"), OSError(24, "EMFILE")])
async def test_a_machine_that_cannot_be_reached_is_tried_again_until_the_workload_runs_once(fault: Exception) -> None:
    house = House()
    house.cluster.launching = [fault, fault, fault]
    shown = []
    house.engine.watch_all(lambda i: shown.append(house.engine.status_of(i)))
    workload_id = await house.submit()
    await eventually(lambda: house.cluster.jobs == {workload_id: 1})
    house.cluster.report(workload_id, "running", node="gpu1")
    running = await house.becomes(workload_id, "running")
    assert (running["reason"], running["link"], running["node"]) == (None, None, "gpu1")
    waiting = [workload for workload in shown if workload.link]
    assert {(w.status.state, w.status.reason) for w in waiting} == {("queued", str(fault))}
    assert len({w.link.since for w in waiting if w.link}) == 1
    await house.engine.close()


async def test_a_launch_that_takes_long_does_not_hold_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_logstream.server.lifecycle._ANSWER_TIMEOUT_S", 0.05)
    house = House()
    house.cluster.held.clear()
    workload_id = await house.submit()
    assert house.engine.get(workload_id).status.state == "queued"
    assert await house.engine.cancel(workload_id) == (house.engine.get(workload_id), True)
    assert house.registry.load(workload_id).cancel_kept
    house.cluster.held.set()
    await house.becomes(workload_id, "cancelled")
    assert [call[0] for call in house.cluster.calls] == ["launch", "watch", "cancel"]
    await house.engine.close()


async def test_one_machine_that_does_not_answer_holds_no_launch_on_another() -> None:
    house = House()
    other = type(house.cluster)()
    other.name = "other"
    house.engine._backends["other"] = other  # type: ignore[index]
    house.cluster.held.clear()
    waiting = [asyncio.ensure_future(house.submit()) for _ in range(12)]
    await eventually(lambda: len(house.cluster.jobs) == 8)
    workload_id = await house.submit(backend="other")
    assert other.jobs == {workload_id: 1}
    house.cluster.held.set()
    await asyncio.gather(*waiting)
    await house.engine.close()


async def test_cancel_ends_a_workload_at_once_whose_machine_was_never_reached() -> None:
    house = House()
    house.cluster.launching = [NotReached(REFUSED) for _ in range(50)]
    workload_id = await house.submit_soon()
    await eventually(lambda: house.engine.get(workload_id).link is not None)
    await house.engine.cancel(workload_id)
    assert house.engine.get(workload_id).status.state == "cancelled"
    assert house.cluster.jobs == {}
    await house.engine.close()


async def test_cancel_of_a_launch_without_an_answer_is_kept_and_reaches_the_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jupyter_logstream.server.lifecycle._ANSWER_TIMEOUT_S", 0.5)
    house = House()
    house.cluster.answer_lost = True
    house.cluster.launching = [CannotReach("the answer of sbatch was lost") for _ in range(3)]
    workload_id = await house.submit_soon()
    await eventually(lambda: house.engine.get(workload_id).link is not None)
    await house.engine.cancel(workload_id)
    await house.becomes(workload_id, "cancelled")
    assert [call for call in house.cluster.calls if call[0] == "cancel"] == [("cancel", 1, 3)]
    await house.engine.close()


async def test_a_link_that_is_down_is_shown_with_its_time_and_the_workload_stays_running() -> None:
    house = House()
    workload_id = await house.submit()
    house.cluster.report(workload_id, "running", node="gpu1")
    started = await house.becomes(workload_id, "running")
    for _ in range(2):
        house.cluster.report(workload_id, "running", node="gpu1", link="down")
    await eventually(lambda: house.engine.get(workload_id).link is not None)
    await eventually(house.cluster.reports[workload_id].empty)
    down = house.engine.get(workload_id).to_json()
    assert (down["state"], down["node"], down["started"]) == ("running", "gpu1", started["started"])
    assert (down["link"]["state"], down["link"]["cancel_pending"]) == ("down", False)
    assert down["link"]["since"] >= started["started"]
    house.cluster.report(workload_id, "running", node="gpu1")
    await eventually(lambda: house.engine.get(workload_id).link is None)
    await house.engine.close()


@pytest.mark.parametrize("restart", [False, True])
async def test_cancel_while_the_link_is_down_is_kept_and_done_when_it_is_back(restart: bool) -> None:
    house = House()
    workload_id = await house.submit()
    house.cluster.report(workload_id, "running")
    house.cluster.report(workload_id, "running", link="down")
    await eventually(lambda: house.engine.get(workload_id).link is not None)
    house.cluster.reachable = False
    workload, is_ending = await house.engine.cancel(workload_id)
    assert (workload.status.state, is_ending) == ("running", True)
    assert workload.to_json()["link"]["cancel_pending"] is True
    await house.engine.cancel(workload_id)  # again: the same answer
    if restart:
        await house.restart()
        house.cluster.report(workload_id, "running", link="down")
        await eventually(lambda: house.engine.get(workload_id).link is not None)
        assert house.engine.get(workload_id).to_json()["link"]["cancel_pending"] is True
    house.cluster.reachable = True
    house.cluster.report(workload_id, "running")
    ended = await house.becomes(workload_id, "cancelled")
    assert ended["link"] is None
    assert [call for call in house.cluster.calls if call[0] == "cancel"] == [("cancel", 1, 3)]
    await house.engine.close()


async def test_cancel_that_does_not_arrive_is_sent_again_although_no_link_is_known_to_be_down() -> None:
    house = House()
    workload_id = await house.submit()
    house.cluster.report(workload_id, "running")
    await house.becomes(workload_id, "running")
    house.cluster.reachable = False
    workload, is_ending = await house.engine.cancel(workload_id)
    assert (workload.status.state, is_ending) == ("running", True)
    assert house.registry.load(workload_id).cancel_kept
    house.cluster.reachable = True
    await house.becomes(workload_id, "cancelled")
    assert [call for call in house.cluster.calls if call[0] == "cancel"] == [("cancel", 1, 3)]
    await house.engine.close()


PHASES = ["before submit", "begun", "submitted, not answered", "queued", "running", "ended while away"]


@pytest.mark.parametrize("phase", PHASES)
async def test_a_server_killed_in_any_phase_finds_its_job_and_never_starts_a_second(phase: str) -> None:
    house = House()
    workload_id = await house.submit()
    entry = house.registry.entries[workload_id]
    if phase == "before submit":
        house.cluster.jobs.clear()
        house.registry.entries[workload_id] = replace(entry, handle=None)
    elif phase in {"begun", "submitted, not answered"}:
        if phase == "begun":
            house.cluster.jobs.clear()
        house.registry.entries[workload_id] = replace(entry, handle={})
    elif phase == "queued":
        house.cluster.report(workload_id, "queued", reason="Resources")
        await eventually(lambda: house.engine.get(workload_id).status.reason == "Resources")
    else:
        house.cluster.report(workload_id, "running", node="gpu1")
        await house.becomes(workload_id, "running")
    await house.engine.close()
    house.cluster.calls.clear()
    if phase == "ended while away":
        house.cluster.report(workload_id, "succeeded", exit_code=0, node="gpu1")
    await house.restart()
    await eventually(lambda: house.cluster.calls and house.cluster.calls[-1] == ("watch", workload_id, 1))
    assert house.cluster.jobs == {workload_id: 1}
    if phase != "ended while away":
        house.cluster.report(workload_id, "succeeded", exit_code=0, node="gpu1")
    ended = await house.becomes(workload_id, "succeeded")
    assert (ended["exit_code"], ended["node"]) == (0, "gpu1")
    launched = [call for call in house.cluster.calls if call[0] == "launch"]
    assert len(launched) == (0 if phase in {"queued", "running", "ended while away"} else 1)
    await house.engine.close()
