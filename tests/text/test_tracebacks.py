"""The traceback grammar; the page passes the same table (tests/vectors/tracebacks.json)."""

from __future__ import annotations

from typing import Any

import pytest
from support.vectors import vectors

from jupyter_logstream.text.levels.guesser import plain
from jupyter_logstream.text.tracebacks import begin, read_traceback

TABLE = vectors("tracebacks")


def encoded(lines: list[str]) -> list[bytes]:
    return [plain(line.encode()) for line in lines]


@pytest.mark.parametrize("case", TABLE["tracebacks"], ids=lambda case: case["name"])
def test_traceback_has_its_lines_and_its_title(case: dict[str, Any]) -> None:
    found = read_traceback(encoded([*case["traceback"], *case["after"]]))
    assert found == (len(case["traceback"]), case["title"])


@pytest.mark.parametrize("case", TABLE["tracebacks"], ids=lambda case: case["name"])
def test_traceback_begins_with_its_first_line(case: dict[str, Any]) -> None:
    assert [read_traceback(encoded([line, *case["traceback"]])) for line in case["before"]] == [None] * len(
        case["before"]
    )
    assert begin(encoded(case["traceback"])[0]) is not None


@pytest.mark.parametrize("lines", TABLE["none"], ids=repr)
def test_other_lines_are_no_traceback(lines: list[str]) -> None:
    for at in range(len(lines)):
        assert read_traceback(encoded(lines[at:])) is None
