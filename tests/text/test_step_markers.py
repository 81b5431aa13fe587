"""Steps: marker lines, and what they come to."""

from __future__ import annotations

import pytest

from jupyter_logstream.model.steps import Step, Timeline
from jupyter_logstream.model.workload import Status, Workload, WorkloadSpec
from jupyter_logstream.text.step_markers import Marker, marker_in


@pytest.mark.parametrize(
    ("line", "marker"),
    [
        (b"::step:: load", Marker("load")),
        (b"::step::load data ", Marker("load data")),
        (b"::group::Build", Marker("Build")),
        (b"::step:: \x1b[32mgreen\x1b[0m", Marker("green")),
        (b"\x1b[1m::step:: bold\x1b[0m", Marker("bold")),
        (b"::step:: a\x1b[Kb", Marker("ab")),
        ("::step:: schön".encode(), Marker("schön")),
        (b"::step:: " + b"x" * 500, Marker("x" * 200)),
        (b"::endstep::", Marker(None)),
        (b"::endstep:: failed", Marker(None, failed=True)),
        (b"::endstep::failed ", Marker(None, failed=True)),
        (b"::endstep:: succeeded", Marker(None)),
        (b"::endgroup::", Marker(None)),
        (b"::step::", None),
        (b"::step::   ", None),
        (b" ::step:: x", None),
        (b"x ::step:: y", None),
        (b"::steps:: x", None),
        (b"::STEP:: x", None),
        (b":step: x", None),
        (b"", None),
    ],
)
def test_a_line_is_a_marker_or_none(line: bytes, marker: Marker | None) -> None:
    assert marker_in(line) == marker


def test_steps_are_flat_and_a_new_one_ends_the_one_before() -> None:
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
def test_a_step_that_was_open_at_the_end_has_ended_as_the_workload_has(state: str) -> None:
    steps = (Step("a", "succeeded", 1, 2), Step("b", "running", 2))
    spec = WorkloadSpec(command="x", name="x")
    running = Workload("i", spec, 0, Status("running"), steps=steps)
    assert [s["state"] for s in running.to_json()["steps"]] == ["succeeded", "running"]
    ended = Workload("i", spec, 0, Status(state, ended=9), steps=steps)  # type: ignore[arg-type]
    assert ended.to_json()["steps"] == [
        {"name": "a", "state": "succeeded", "started": 1, "ended": 2},
        {"name": "b", "state": state, "started": 2, "ended": 9},
    ]


def test_a_step_comes_back_as_it_was_written() -> None:
    for step in Step("a", "failed", 1.5, 2.25), Step("b", "running", 1.5):
        assert Step.from_json(step.to_json()) == step
