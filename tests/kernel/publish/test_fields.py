"""What a log call adds to its message, as JSON of a bounded size."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from jupyter_logstream.kernel.publish.fields import MAX_FIELDS_CHARS, MAX_TEXT_CHARS, Fields


def fields(**values):
    found = Fields(lambda text: text.replace("secret", "***")).of(values)
    json.dumps(found, allow_nan=False)
    return found


@pytest.mark.parametrize("value", [None, True, 0, -3, 1.5, "text", [], {}, [1, ["a"]], {"a": {"b": [None]}}])
def test_what_is_json_stays_what_it_is(value):
    assert fields(x=value) == {"x": value}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (float("nan"), "nan"),
        (-math.inf, "-inf"),
        (1 << 60, str(1 << 60)),
        ((1, 2), [1, 2]),
        ({3: 4}, {"3": 4}),
        ({1}, "{1}"),
        (b"x", "b'x'"),
        (ValueError("no"), "ValueError('no')"),
        (np.float32(0.5), 0.5),
        (np.int64(7), 7),
        (np.arange(2), "array([0, 1])"),
    ],
)
def test_what_is_not_json_becomes_what_it_looks_like(value, shown):
    assert fields(x=value) == {"x": shown}


def test_no_value_makes_them_large():
    deep: list = []
    for _ in range(1000):
        deep = [deep]
    for value in (
        "x" * 10**6,
        ["x" * 1000] * 1000,
        {str(i): i for i in range(10**5)},
        deep,
        [[[[0] * 99] * 99] * 99] * 99,
    ):
        assert len(json.dumps(fields(x=value, y=1))) < 8 * MAX_FIELDS_CHARS


def test_truncated_text_is_marked():
    assert fields(x="y" * 5000)["x"] == "y" * MAX_TEXT_CHARS + "..."


def test_secrets_are_replaced_wherever_they_stand():
    shown = fields(a="my secret", secret=1, b={"secret": ["secret"]}, c={"secret"})
    assert shown == {"a": "my ***", "***": 1, "b": {"***": ["***"]}, "c": "{'***'}"}


def test_a_secret_that_the_cut_would_halve_is_replaced():
    assert "sec" not in fields(x="." * (MAX_TEXT_CHARS - 3) + "secret")["x"]
