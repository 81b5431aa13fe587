"""Durations, states and signals in words; the page passes the same tables (tests/vectors)."""

from __future__ import annotations

import pytest
from support.vectors import vectors

from jupyter_logstream.model.protocol import STATES
from jupyter_logstream.text.wording import duration, ending, place_of, result_text, state_label, state_summary

WORDS = vectors("states")


@pytest.mark.parametrize(("ms", "text"), vectors("durations")["cases"])
def test_duration_has_its_two_largest_units(ms: float, text: str) -> None:
    assert duration(ms) == text


@pytest.mark.parametrize(("state", "label"), WORDS["labels"].items())
def test_state_has_a_label(state: str, label: str) -> None:
    assert state_label(state) == label


def test_every_state_of_the_model_has_a_label_of_its_own() -> None:
    assert set(WORDS["labels"]) >= set(STATES)
    assert all(state_label(state) != state for state in STATES)


@pytest.mark.parametrize(("info", "text"), WORDS["endings"])
def test_ending_names_exit_code_or_signal(info: dict[str, object], text: str) -> None:
    assert ending(info) == text


@pytest.mark.parametrize(("info", "text"), WORDS["summaries"])
def test_summary_joins_state_ending_and_reason(info: dict[str, object], text: str) -> None:
    assert state_summary(info) == text


@pytest.mark.parametrize(("info", "place"), vectors("places")["cases"])
def test_a_place_is_named_unless_it_is_this_machine(info: dict[str, object], place: str) -> None:
    assert place_of(info) == place


@pytest.mark.parametrize(("result", "text"), vectors("results")["cases"])
def test_a_result_is_shown_with_its_type_where_the_value_does_not_show_it(result, text: str) -> None:
    assert result_text({"result": result}) == text
