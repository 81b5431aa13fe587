"""How often readers are told: few as they ask, many less often, and not all at once."""

from __future__ import annotations

from collections import Counter

from jupyter_logstream.server.subscriptions.throttle import Pace

LEAST = 0.02


class Reader:
    pass


def test_few_readers_are_told_as_often_as_they_ask() -> None:
    pace, readers = Pace(), [Reader() for _ in range(30)]
    assert {pace.told(reader, 5.0, LEAST) for reader in readers} == {5.0 + LEAST}


def test_a_thousand_are_told_less_often_and_never_more_than_some_at_once() -> None:
    pace, readers = Pace(), [Reader() for _ in range(1000)]
    for reader in readers:
        pace.told(reader, 5.0, LEAST)
    turns = [pace.told(reader, 5.0, LEAST) for reader in readers]
    assert min(turns) >= 5.0 + LEAST
    assert max(turns) < 6.0, "a line is shown within a second"
    assert 5 < len(Counter(turns)) < 50, "they share beats, but not one"
    assert len({pace.told(readers[0], now, LEAST) for now in (5.0, 5.0001)}) == 1, "a beat does not follow the reader"


def test_readers_that_are_told_nothing_any_more_do_not_count() -> None:
    pace, readers = Pace(), [Reader() for _ in range(1000)]
    for reader in readers:
        pace.told(reader, 5.0, LEAST)
    assert pace.told(readers[0], 60.0, LEAST) == 60.0 + LEAST
