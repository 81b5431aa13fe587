"""The field `follow` of a specification: what is accepted, and errors that name the field."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_logstream.model.spec import SpecError, check_spec


def test_a_spec_that_follows_files_needs_no_command_and_is_named_after_its_paths() -> None:
    spec = check_spec({"follow": {"paths": ["logs/a.log", "logs/*.err", "logs/a.log"], "tail": 5, "poll": False}})
    assert spec.follow == {"paths": ["logs/a.log", "logs/*.err"], "tail": 5}
    assert (spec.name, spec.tty) == ("logs/a.log logs/*.err", False)
    assert spec.command == "jupyter logstream follow --tail=5 logs/a.log 'logs/*.err'"
    assert check_spec({"command": "ls", "follow": None}).follow is None


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("follow", {"follow": ["a.log"]}),
        ("follow.paths", {"follow": {}}),
        ("follow.paths", {"follow": {"paths": "a.log"}}),
        ("follow.paths", {"follow": {"paths": []}}),
        ("follow.paths", {"follow": {"paths": ["a"] * 101}}),
        ("follow.paths[1]", {"follow": {"paths": ["a", ""]}}),
        ("follow.paths[0]", {"follow": {"paths": ["a\0"]}}),
        ("follow.paths[0]", {"follow": {"paths": [1]}}),
        ("follow.paths[0]", {"follow": {"paths": ["\ud800"]}}),
        ("follow.paths[0]", {"follow": {"paths": ["a" * 5000]}}),
        ("follow.tail", {"follow": {"paths": ["a"], "tail": -1}}),
        ("follow.tail", {"follow": {"paths": ["a"], "tail": True}}),
        ("follow.tail", {"follow": {"paths": ["a"], "tail": 1, "from_start": True}}),
        ("follow.from_start", {"follow": {"paths": ["a"], "from_start": 1}}),
        ("follow.roots", {"follow": {"paths": ["a"], "roots": ["/"]}}),
        ("command", {"command": "ls", "follow": {"paths": ["a"]}}),
        ("stdin", {"stdin": True, "follow": {"paths": ["a"]}}),
        ("follow", {"backend": "external", "follow": {"paths": ["a"]}}),
    ],
)
def test_an_invalid_follow_names_its_field(field: str, given: dict[str, Any]) -> None:
    with pytest.raises(SpecError) as error:
        check_spec(given)
    assert error.value.field == field
