"""The comparison reports each kind of damage by its name, and no other."""

from __future__ import annotations

import random
from collections.abc import Callable
from math import isnan

import pytest
from support.canary.comparing import compare
from support.canary.writer import line

SENT = 200
WRITTEN = [line("a-run", seq, 1_000_000 * seq, 24) for seq in range(1, SENT + 1)]


def changed(*changes: Callable[[list[str]], object]) -> list[str]:
    lines = list(WRITTEN)
    for change in changes:
        change(lines)
    return lines


def test_lines_that_arrive_as_sent_are_clean() -> None:
    verdict = compare("a-run", SENT, WRITTEN)
    assert verdict.faults == {}
    assert (verdict.seen, verdict.sent) == (SENT, SENT)


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        (lambda it: it.pop(0), {"missing": 1}),
        (lambda it: it.pop(), {"missing": 1}),
        (lambda it: it.__delitem__(slice(50, 60)), {"missing": 10}),
        (lambda it: it.clear(), {"missing": SENT}),
        (lambda it: it.insert(80, it[79]), {"double": 1}),
        (lambda it: it.extend(it[:7]), {"double": 7}),
        (lambda it: it.insert(30, it.pop(31)), {"disordered": 1}),
        (lambda it: it.reverse(), {"disordered": SENT - 1}),
        (lambda it: it.append(line("a-run", SENT + 1, 5, 24)), {"unsent": 1}),
        (lambda it: it.insert(3, line("a-run", 0, 5, 24)), {"unsent": 1}),
        (lambda it: it.insert(3, line("another", 4, 5, 24)), {"unsent": 1}),
        (lambda it: it.insert(9, "Traceback (most recent call last):"), {"corrupt": 1}),
        (lambda it: it.insert(9, ""), {"corrupt": 1}),
        (lambda it: it.__setitem__(9, it[9] + it[10]), {"corrupt": 1, "missing": 1}),
        (lambda it: it.__setitem__(9, it[9].replace(" 10 ", " 11 ")), {"corrupt": 1, "missing": 1}),
        (lambda it: it.__setitem__(9, it[9][:-1] + "\N{REPLACEMENT CHARACTER}"), {"corrupt": 1, "missing": 1}),
        (lambda it: it.__setitem__(9, " " + it[9]), {"corrupt": 1, "missing": 1}),
    ],
)
def test_each_kind_of_damage_is_reported(change: Callable[[list[str]], object], faults: dict[str, int]) -> None:
    verdict = compare("a-run", SENT, changed(change))
    assert verdict.faults == faults
    assert all(kind in str(verdict) for kind in faults)


def test_every_changed_character_is_detected() -> None:
    rng = random.Random(1)
    for at in range(len(WRITTEN[99])):
        other = rng.choice([c for c in "0123456789abcdef x" if c != WRITTEN[99][at]])
        lines = changed(lambda it, at=at, other=other: it.__setitem__(99, it[99][:at] + other + it[99][at + 1 :]))
        assert compare("a-run", SENT, lines).faults, (at, other)


def test_several_kinds_of_damage_are_distinguished() -> None:
    lines = changed(lambda it: it.insert(20, it.pop(25)), lambda it: it.append(it[0]), lambda it: it.pop(100))
    assert compare("a-run", SENT, lines).faults == {"disordered": 5, "double": 1, "missing": 1}


def test_latency_is_from_the_write_to_the_arrival() -> None:
    arrivals = [1_000_000 * seq + (3_000_000 if seq <= 190 else 9_000_000) for seq in range(1, SENT + 1)]
    verdict = compare("a-run", SENT, WRITTEN, arrivals)
    assert (verdict.latency(0.5), verdict.latency(0.99)) == (3.0, 9.0)
    assert isnan(compare("a-run", SENT, WRITTEN).latency(0.5))
