"""docs/guarantees.md stays true: every test it names is there, and each promise and fault names one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from support.paths import ROOT

TEXT = (ROOT / "docs" / "guarantees.md").read_text()
NAMED = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", TEXT)


def names_in(path: Path) -> set[str]:
    """The names that pytest collects from a file."""
    found = ast.walk(ast.parse(path.read_text()))
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return {node.name for node in found if isinstance(node, kinds) and node.name.startswith("test_")}


def test_every_test_that_the_guarantees_name_is_there() -> None:
    assert len(NAMED) > 80
    for file, name in NAMED:
        path = ROOT / (file if file.startswith("tests/") else f"tests/{file}")
        assert path.exists(), file
        assert not name or name in names_in(path), f"{file}::{name}"


def test_every_promise_and_every_row_names_its_test() -> None:
    promises = re.split(r"\n(?=\d\. )", TEXT.partition("## The promises")[2].partition("## Faults")[0].strip())
    assert len(promises) == 6
    rows = [line for line in TEXT.splitlines() if line.startswith("| ") and "make soak" not in line]
    rows = [row for row in rows if row not in {"| fault | what happens | test |", "| what | test |"}]
    assert [part[:60] for part in [*promises, *rows] if "::test_" not in part] == []


def test_every_fault_and_bad_input_is_named_or_listed_as_not_tested() -> None:
    named: dict[str, set[int]] = {"F": set(), "B": set()}
    for kind, first, _, last in re.findall(r"\b([FB])(\d+)(-[FB](\d+))?", TEXT):
        named[kind] |= set(range(int(first), int(last or first) + 1))
    known = {"F": set(range(1, 65)) - {6, 7, 10, 20, 22, 23, 42, 50, 55, 59, 64}, "B": set(range(1, 105))}
    assert {kind: sorted(known[kind] - named[kind]) for kind in known} == {"F": [], "B": []}
