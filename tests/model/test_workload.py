"""What a workload is: the legal moves between its states, its ids, its environment."""

from __future__ import annotations

import itertools
import re
import shlex

import pytest

from jupyter_logstream.backends.environment import child_environment
from jupyter_logstream.model.ids import ID, IdSource
from jupyter_logstream.model.protocol import FINAL, STATES, TRANSITIONS
from jupyter_logstream.model.spec import SpecError, check_spec
from jupyter_logstream.model.workload import Status, shell_join

LEGAL = {
    *itertools.product(["queued"], ["running", "failed", "cancelled", "lost"]),
    *itertools.product(["running"], ["succeeded", "failed", "cancelled", "timed_out", "lost"]),
}


def test_only_the_moves_of_the_protocol_are_made_and_a_final_state_never_changes() -> None:
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


def test_ids_sort_by_creation_are_unlike_each_other_and_match_the_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    source = IdSource()
    ids = [source.new() for _ in range(5000)]
    assert ids == sorted(ids)
    assert len({i[10:] for i in ids}) == 5000  # what cannot be guessed is new each time
    assert all(re.fullmatch(ID, i) for i in ids)
    monkeypatch.setattr("time.time", lambda: 1.0)  # the clock is set back
    assert source.new() > ids[-1]


@pytest.mark.parametrize(
    "argv", [["ls"], ["echo", "a b", "it's", '"', "$x", "", "ü", "a;b", "\n"], ["a=b", "--x=1", "./y"]]
)
def test_a_command_line_reads_as_the_shell_would_read_it(argv: list[str]) -> None:
    assert shlex.split(shell_join(argv)) == argv


def test_what_was_given_wins_over_the_terminals_and_the_ambient_environment() -> None:
    made = child_environment({"A": "1", "TERM": "dumb", "PAGER": "less"}, {"A": "2", "PAGER": "more"}, tty=True)
    assert (made["A"], made["TERM"], made["PAGER"]) == ("2", "xterm-256color", "more")
    made = child_environment({"A": "1", "TERM": "dumb"}, {}, tty=False)
    assert (made["A"], made["TERM"], made["PYTHONUNBUFFERED"]) == ("1", "dumb", "1")
    assert child_environment({}, {"PYTHONUNBUFFERED": ""}, tty=False)["PYTHONUNBUFFERED"] == ""


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


def test_an_error_names_the_field_and_repeats_nothing_that_acts() -> None:
    with pytest.raises(SpecError) as error:
        check_spec({"command": "ls", "a\x1b[31m\n<b>\u202e" + "x" * 1000: 1})
    assert len(str(error.value)) < 200
    assert not set("\x1b\n\u202e") & set(str(error.value))
