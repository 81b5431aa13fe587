"""Step markers begin and end steps; the page passes the same table (tests/vectors/step_markers.json)."""

from __future__ import annotations

from typing import Any

import pytest
from support.vectors import vectors

from jupyter_logstream.text.step_markers import Marker, marker_in


def marker_of(expected: dict[str, Any] | None) -> Marker | None:
    return expected and Marker(expected.get("begin"), expected.get("failed", False))


@pytest.mark.parametrize(("line", "expected"), vectors("step_markers")["cases"])
def test_line_is_the_marker_of_the_table(line: str, expected: dict[str, Any] | None) -> None:
    assert marker_in(line.encode()) == marker_of(expected)


def test_control_sequences_in_a_marker_are_dropped() -> None:
    assert marker_in(b"::step:: a\x1b[Kb") == Marker("ab")


def test_invalid_utf8_in_a_name_is_replaced() -> None:
    assert marker_in(b"::step:: a\xff") == Marker("a\ufffd")
