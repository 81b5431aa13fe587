"""Workload values: transitions, ids, specifications, JSON."""

from __future__ import annotations

import itertools
import re
import shlex

import pytest

from jupyter_logstream.model.ids import ID, IdSource
from jupyter_logstream.model.protocol import FINAL, STATES, TRANSITIONS
from jupyter_logstream.model.spec import SpecError, check_spec
from jupyter_logstream.model.workload import Status, Workload, WorkloadSpec, shell_join

LEGAL = {
    *itertools.product(["queued"], ["running", "failed", "cancelled", "lost"]),
    *itertools.product(["running"], ["succeeded", "failed", "cancelled", "timed_out", "lost"]),
}


def test_only_transitions_of_the_protocol_are_allowed_and_a_final_state_never_changes() -> None:
    assert {"queued", "running", *FINAL} == STATES
    assert {(old, new) for old, news in TRANSITIONS.items() for new in news} == LEGAL
    for old, new in itertools.product(STATES, STATES):
        status = Status(old)  # type: ignore[arg-type]
        assert status.final == (old not in {"queued", "running"})
        if (old, new) in LEGAL:
            assert status.move(new, exit_code=1) == Status(new, exit_code=1)  # type: ignore[arg-type]
        else:
            with pytest.raises(ValueError, match=f"from {old} to {new}"):
                status.move(new)  # type: ignore[arg-type]


def test_ids_sort_after_those_of_a_clock_that_was_ahead() -> None:
    ahead, source = IdSource(), IdSource()
    ahead.continue_after("7ZZZZZZZZZ0000000000000000")
    newest = ahead.new()
    for other in newest, "build-17", "zzzzzzzzzzzzzzzzzzzzzzzzzz", "ZZZZZZZZZZ0000000000000000":
        source.continue_after(other)
    ids = [source.new() for _ in range(3)]
    assert [newest, *ids] == sorted([newest, *ids])
    assert all(re.fullmatch(ID, i) and len(i) == 26 for i in ids)


def test_ids_sort_by_creation_time_and_are_unguessable_and_match_the_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    source = IdSource()
    ids = [source.new() for _ in range(5000)]
    assert ids == sorted(ids)
    assert len({i[10:] for i in ids}) == 5000  # the random part is new each time
    assert all(re.fullmatch(ID, i) for i in ids)
    monkeypatch.setattr("time.time", lambda: 1.0)  # the clock is set back
    assert source.new() > ids[-1]


@pytest.mark.parametrize(
    "argv", [["ls"], ["echo", "a b", "it's", '"', "$x", "", "ü", "a;b", "\n"], ["a=b", "--x=1", "./y"]]
)
def test_shell_join_quotes_arguments_for_a_shell(argv: list[str]) -> None:
    assert shlex.split(shell_join(argv)) == argv


def test_a_spec_has_the_defaults_of_the_protocol() -> None:
    spec = check_spec({"command": "python train.py"})
    assert (spec.tty, spec.stdin, spec.timeout, spec.key, spec.backend, spec.tags) == (
        True,
        False,
        None,
        None,
        "local",
        {},
    )
    assert spec.argv == ["/bin/sh", "-c", "python train.py"]
    assert spec.name
    assert check_spec({"command": ["a", "b c"]}).argv == ["a", "b c"]


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("files", {"files": "train.py"}),
        ("files", {"files": ["x"] * 1001}),
        ("files[0]", {"files": [1]}),
        ("files[1]", {"files": ["src/", "/etc/passwd"]}),
        ("files[0]", {"files": ["~/x"]}),
        ("files[0]", {"files": [""]}),
        ("files[0]", {"files": ["a/../../b"]}),
        ("files[0]", {"files": ["a\0b"]}),
        ("files_from", {"files": ["train.py"]}),
        ("files_from", {"files": ["train.py"], "files_from": "work"}),
        ("files_from", {"files_from": 1}),
    ],
)
def test_files_are_globs_below_an_absolute_folder_or_the_error_names_the_field(
    field: str, given: dict[str, object]
) -> None:
    folder = {} if field == "files_from" else {"files_from": "/work"}
    with pytest.raises(SpecError) as error:
        check_spec({"command": "ls", **folder, **given})
    assert error.value.field == field


def test_files_are_part_of_the_specification() -> None:
    spec = check_spec({"command": "ls", "files": ["train.py", "src/**"], "files_from": "/work"})
    assert (spec.files, spec.files_from) == (("train.py", "src/**"), "/work")
    assert check_spec({"command": "ls", "files": [], "files_from": "/work"}).files_from == ""


def test_an_error_names_the_field_and_contains_no_control_characters() -> None:
    with pytest.raises(SpecError) as error:
        check_spec({"command": "ls", "a\x1b[31m\n<b>\u202e" + "x" * 1000: 1})
    assert len(str(error.value)) < 200
    assert not set("\x1b\n\u202e") & set(str(error.value))


def test_reason_and_node_are_in_the_json_and_null_if_unknown() -> None:
    spec = WorkloadSpec(command="true", name="a")
    known = Workload("x", spec, 1.0, Status("queued", reason="Resources", node="gpu1")).to_json()
    assert (known["reason"], known["node"]) == ("Resources", "gpu1")
    unknown = Workload("x", spec, 1.0, Status()).to_json()
    assert (unknown["reason"], unknown["node"]) == (None, None)
