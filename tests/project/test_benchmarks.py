"""The table of benchmarks: its format, and that docs/benchmarks.md has the figures of results.json."""

from __future__ import annotations

import json

from benchmarks import report
from benchmarks.machine import HERE
from benchmarks.report import ROWS, table


def test_a_figure_stands_beside_its_peers_with_their_ratio_and_whether_the_bar_is_met() -> None:
    figures = {
        "throughput: ours, lines/s (median)": 400_000.0,
        "throughput: naive Tornado SSE, lines/s (median)": 100_000.0,
        "taking in 1,000,000 lines: ours, s": 0.6,
        "taking in 1,000,000 lines: child | cat > /dev/null, s": 0.4,
        "something else": 3.0,
    }
    _, _, missed, met, other = ([cell.strip() for cell in line.split(" | ")] for line in table(figures).splitlines())
    assert missed[1:] == ["400,000", "naive Tornado SSE", "100,000", "4x", ">= 5x MISSED |"]
    assert met[1:] == ["0.6", r"child \| cat", "0.4", "1.5x", "<= 2x met    |"]
    assert other[:2] == ["| something else", "3"]


def test_every_figure_of_a_row_was_measured_and_is_in_the_document() -> None:
    figures = json.loads((HERE / "results.json").read_text())
    assert {name for row in ROWS for name in (row.ours, row.theirs) if name} <= set(figures)
    assert report.DOCUMENT.read_text().endswith(f"{report.BELOW}\n{table(figures)}")
