"""Steps: the timeline of a workload's steps, and their JSON."""

from __future__ import annotations

import pytest

from jupyter_logstream.model.steps import Step, Timeline
from jupyter_logstream.model.workload import Status, Workload, WorkloadSpec


def test_new_step_ends_the_open_one() -> None:
    line: Timeline[str] = Timeline()
    line.end(1)
    line.begin("a", 2)
    line.begin("b", 3)
    line.end(4, failed=True)
    line.begin("c", 5)
    names = {"a": "a", "b": "b", "c": "c"}
    assert [(s.name, s.state, s.started, s.ended) for s in line.steps(names)] == [
        ("a", "succeeded", 2, 3),
        ("b", "failed", 3, 4),
        ("c", "running", 5, None),
    ]
    line.begin("a", 6)  # again: its latest run, at its first place
    assert [(s.name, s.state, s.started) for s in line.steps(names)] == [
        ("a", "running", 6),
        ("b", "failed", 3),
        ("c", "succeeded", 5),
    ]


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled", "timed_out", "lost"])
def test_open_step_ends_with_its_workload(state: str) -> None:
    steps = (Step("a", "succeeded", 1, 2), Step("b", "running", 2))
    spec = WorkloadSpec(command="x", name="x")
    running = Workload("i", spec, 0, Status("running"), steps=steps)
    assert [s["state"] for s in running.to_json()["steps"]] == ["succeeded", "running"]
    ended = Workload("i", spec, 0, Status(state, ended=9), steps=steps)  # type: ignore[arg-type]
    assert ended.to_json()["steps"] == [
        {"name": "a", "state": "succeeded", "started": 1, "ended": 2},
        {"name": "b", "state": state, "started": 2, "ended": 9},
    ]


def test_step_survives_json() -> None:
    for step in Step("a", "failed", 1.5, 2.25), Step("b", "running", 1.5):
        assert Step.from_json(step.to_json()) == step
