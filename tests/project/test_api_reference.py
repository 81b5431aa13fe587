"""The public surface is documented: the API reference has every name, docstrings have every parameter."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest
from support.paths import ROOT

import jupyter_logstream
from jupyter_logstream import LogHandler, LogView, Reader, RequestTable, Workload, WorkloadTable

REFERENCE = ROOT / "docs" / "reference" / "api.md"
FUNCTIONS = ("attach", "capture", "proxy_url", "record_requests", "request_log", "run", "step", "workloads")
METHODS = [
    (f"{owner.__name__}.{name}", member)
    for owner in (Workload, Reader)
    for name, member in inspect.getmembers(owner, inspect.isfunction)
    if not name.startswith("_")
]
CONSTRUCTORS = [(owner.__name__, owner.__init__, owner.__doc__) for owner in (LogHandler, WorkloadTable, RequestTable)]


def undocumented(call: Any, text: str | None) -> list[str]:
    """The parameters of `call` that `text` does not name in code style or as a numpydoc entry."""
    named = set(re.findall(r"`\*{0,2}(\w+)", text or "")) | set(re.findall(r"^\s*(\w+) :", text or "", re.MULTILINE))
    return [name for name in inspect.signature(call).parameters if name not in named | {"self"}]


def test_the_reference_has_a_heading_for_each_public_name() -> None:
    headings = re.findall(r"^### `(\w+)`$", REFERENCE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(headings) == sorted(jupyter_logstream.__all__)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_docstring_names_each_parameter_of_a_public_function(name: str) -> None:
    function = getattr(jupyter_logstream, name)
    assert undocumented(function, function.__doc__) == []


@pytest.mark.parametrize(("name", "method"), METHODS, ids=[name for name, _ in METHODS])
def test_a_docstring_names_each_parameter_of_a_public_method(name: str, method: Any) -> None:
    assert undocumented(method, method.__doc__) == [], name


@pytest.mark.parametrize(("name", "call", "text"), CONSTRUCTORS, ids=[name for name, _, _ in CONSTRUCTORS])
def test_a_class_docstring_names_each_parameter_of_its_constructor(name: str, call: Any, text: str) -> None:
    assert undocumented(call, text) == [], name


def test_the_docstring_of_the_log_view_names_its_options() -> None:
    assert all(f"`{name}`" in (LogView.__doc__ or "") for name in ("workload", "scope", "upstream", "height"))


def test_the_reference_names_each_public_member_of_a_workload() -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    members = [name for name, _ in inspect.getmembers(Workload) if not name.startswith("_")]
    assert [name for name in members if f".{name}" not in text] == []
