"""Budgets of the recognisers: whatever a line holds, its cost is linear in 500 characters and does not grow beyond.

Lines are pieces of what recognisers look for, repeated; the slowest ones found are in tests/vectors/slow_lines.json,
which the page passes, too (js/test/text/budgets.test.ts).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from support.vectors import vectors

from jupyter_logstream.text.levels import Guesser, guess_level
from jupyter_logstream.text.metrics import numbers, worker
from jupyter_logstream.text.step_markers import marker_in
from jupyter_logstream.text.time_prefix import without_time
from jupyter_logstream.text.tracebacks import _RULES, State, begin, follow

BUDGET_CHARS = 500
LINES: list[tuple[str, str, str]] = [tuple(line) for line in vectors("slow_lines")["lines"]]
PIECES = [*(unit for _, unit, _ in LINES), *"aE1=:/.,-|[](){}\"'% \t#", "at ", "Error", "loss", "it/s", "Caused by: "]


def follow_every_state(line: bytes) -> None:
    for name in _RULES:
        follow(State(name, b""), line)


Recogniser = Callable[[Any], object]
OF_TEXT: dict[str, Recogniser] = {"numbers": numbers, "worker": worker, "time prefix": without_time}
OF_BYTES: dict[str, Recogniser] = {
    "level of one line": guess_level,
    "levels of many lines": lambda line: Guesser().guess([line]),
    "traceback begins": begin,
    "traceback continues": follow_every_state,
    "step marker": marker_in,
}
PLAIN_TASK: dict[str, Recogniser] = {"plain task": lambda line: [char in "aeiou" for char in line]}
RECOGNISERS = OF_TEXT | OF_BYTES | PLAIN_TASK
WHOLE_LINE = {"levels of many lines", "time prefix", "step marker"}
"""Recognisers that search the whole line, once."""


def line_of(form: tuple[str, str, str], length: int) -> str:
    head, unit, tail = form
    return (head + unit * (length // len(unit) + 1))[: length - len(tail)] + tail


def forms(seed: int, count: int) -> list[tuple[str, str, str]]:
    rng = random.Random(seed)

    def some(most: int) -> str:
        return "".join(rng.choices(PIECES, k=rng.randint(0, most)))

    return [(some(3), some(3) or "a", some(2)) for _ in range(count)]


def cost(name: str, text: str, times: int = 1) -> float:
    """The least of five: seconds of the processor's time."""
    recogniser, line = RECOGNISERS[name], text.encode() if name in OF_BYTES else text
    least = float("inf")
    for _ in range(5):
        start = time.thread_time()
        for _ in range(times):
            recogniser(line)
        least = min(least, time.thread_time() - start)
    return least / times


@pytest.mark.parametrize("name", [*OF_TEXT, *OF_BYTES])
def test_a_line_twice_as_long_costs_about_twice_as_much(name: str) -> None:
    for form in [*LINES, *forms(1, 60)]:
        long = cost(name, line_of(form, BUDGET_CHARS), 3)
        if long > 200e-6:  # shorter times are noise
            assert long / cost(name, line_of(form, BUDGET_CHARS // 2), 3) < 3, form


@pytest.mark.parametrize("name", [name for name in RECOGNISERS if name not in WHOLE_LINE | set(PLAIN_TASK)])
def test_what_is_behind_the_budget_costs_nothing(name: str) -> None:
    for form in LINES:
        bounded = cost(name, line_of(form, 8 * BUDGET_CHARS), 3)
        assert cost(name, line_of(form, 128 * BUDGET_CHARS), 3) < 3 * bounded + 100e-6, form


@pytest.mark.parametrize("name", sorted(WHOLE_LINE))
def test_a_search_of_the_whole_line_is_linear(name: str) -> None:
    for form in LINES:
        long = cost(name, line_of(form, 32_000))
        if long > 1e-3:
            assert long / cost(name, line_of(form, 4_000)) < 8 * 3, form


@pytest.mark.parametrize("name", [*OF_TEXT, *OF_BYTES])
def test_the_slowest_line_costs_a_bounded_multiple_of_searching_it(name: str) -> None:
    """About 1 ms, in units of what the machine needs now to look at each character of a line once."""
    plain_task = cost("plain task", "x" * BUDGET_CHARS, 20)
    slowest = max((cost(name, line_of(form, BUDGET_CHARS)), form) for form in [*LINES, *forms(2, 60)])
    assert slowest[0] < 60 * plain_task, slowest
