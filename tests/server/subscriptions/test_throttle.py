"""Adaptive batching: the interval between frames grows with the number of caught-up readers."""

from __future__ import annotations

from collections import Counter

from jupyter_logstream.server.subscriptions.throttle import FrameThrottle

MIN_INTERVAL_S = 0.02


class Reader:
    pass


def test_few_readers_receive_frames_at_the_minimum_interval() -> None:
    throttle, readers = FrameThrottle(), [Reader() for _ in range(30)]
    assert {throttle.next_due(reader, 5.0, MIN_INTERVAL_S) for reader in readers} == {5.0 + MIN_INTERVAL_S}


def test_a_thousand_readers_receive_frames_less_often_in_groups() -> None:
    throttle, readers = FrameThrottle(), [Reader() for _ in range(1000)]
    for reader in readers:
        throttle.next_due(reader, 5.0, MIN_INTERVAL_S)
    due = [throttle.next_due(reader, 5.0, MIN_INTERVAL_S) for reader in readers]
    assert min(due) >= 5.0 + MIN_INTERVAL_S
    assert max(due) < 6.0, "a line is shown within a second"
    assert 5 < len(Counter(due)) < 50, "readers share ticks, but not a single one"
    ticks = {throttle.next_due(readers[0], now, MIN_INTERVAL_S) for now in (5.0, 5.0001)}
    assert len(ticks) == 1, "the tick does not depend on when a reader polls"


def test_readers_without_recent_frames_do_not_count() -> None:
    throttle, readers = FrameThrottle(), [Reader() for _ in range(1000)]
    for reader in readers:
        throttle.next_due(reader, 5.0, MIN_INTERVAL_S)
    assert throttle.next_due(readers[0], 60.0, MIN_INTERVAL_S) == 60.0 + MIN_INTERVAL_S
