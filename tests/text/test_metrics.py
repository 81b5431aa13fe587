"""Metrics in lines: the table that the page passes too (tests/vectors/metrics.json), and the columns of a table."""

from __future__ import annotations

import json
import math
import time

import pytest
from support.vectors import vectors

from jupyter_logstream.model.records import Record
from jupyter_logstream.text.metrics import columns, numbers, worker

CASES = vectors("metrics")


@pytest.mark.parametrize(("line", "named"), CASES["lines"])
def test_line_has_the_named_numbers_of_the_table(line, named):
    expected = {name: math.nan if number is None else number for name, number in named.items()}
    assert numbers(line) == pytest.approx(expected, rel=1e-9, nan_ok=True)


@pytest.mark.parametrize(("line", "named"), CASES["workers"])
def test_line_names_the_worker_of_the_table(line, named):
    assert worker(line) == named


def test_number_that_is_not_finite_is_a_gap_in_strict_json():
    lines = ["Loss: 7.4e-06", "Loss: nan", "Loss: 1.23E+02", "Loss: -inf", "loss: 0x1f"]
    table = columns([Record(seq, 0.0, "info", line) for seq, line in enumerate(lines, start=1)])
    assert table["Loss"] == [7.4e-06, None, 123.0, None]
    json.dumps(table, allow_nan=False)


def test_table_has_the_workers_that_lines_name():
    lines = ["rank=0 loss=1", "rank=1 loss=2", "loss=3"]
    table = columns([Record(seq, 0.0, "info", line) for seq, line in enumerate(lines, start=1)])
    assert (table["worker"], table["loss"]) == (["rank 0", "rank 1", None], [1, 2, 3])


def test_table_has_a_row_per_line_with_numbers_and_a_column_per_name():
    lines = ["start", "epoch 1/2 loss=0.5", "x" * 10, "epoch 2/2 loss=0.25 acc=0.9"]
    records = [Record(seq, seq * 1000.0, "info", line, step="fit") for seq, line in enumerate(lines, start=1)]
    assert columns(records) == {
        "seq": [2, 4],
        "ts": [2000.0, 4000.0],
        "step": ["fit", "fit"],
        "epoch": [1, 2],
        "loss": [0.5, 0.25],
        "acc": [None, 0.9],
    }
    assert list(columns(records, ("acc", "no"))) == ["seq", "ts", "step", "acc", "no"]
    assert columns(records, ("acc",))["acc"] == [0.9]


def test_number_named_like_a_fixed_column_gets_an_underscore():
    assert columns([Record(1, 0.0, "info", "step 7 loss=1")])["step_"] == [7]


def test_long_lines_cost_no_more_than_their_beginning():
    for unit in ("a=1 ", "a", "1", "=", ": ", "a=1,", "1s/", "-", "a/", "1,111,"):
        before = time.thread_time()
        numbers(unit * (10_000_000 // len(unit)))
        assert time.thread_time() - before < 20
