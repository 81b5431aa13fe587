"""Adaptive batching: the minimum interval between frames for caught-up readers grows with their number. Server.

Each reader that received a frame lately adds 0.3 ms, so 1,000 readers leave most of the event loop's time to others.
Many readers share common ticks, about 50 readers a tick: readers of one stream then stand at the same cursor and share
one read and one encoding, and other requests run between two ticks. No Tornado here.
"""

from __future__ import annotations

import math

_INTERVAL_PER_READER_S = 0.0003
_WINDOW_S = 1.0  # a reader counts if it received a frame in this or the previous window
_READERS_PER_TICK = 50


class FrameThrottle:
    """Counts the readers that receive frames and schedules the next frame of each. One per server.

    Memory: the ids of the readers of one window (integers), and one count.
    """

    def __init__(self) -> None:
        self._window_start = -math.inf
        self._readers: set[int] = set()
        self._previous_count = 0

    def next_due(self, reader: object, now: float, min_interval_s: float) -> float:
        """Record a frame sent to `reader` at `now`; return when its next one is due. Both in the loop's clock.

        At least `min_interval_s` later, more if many readers are active.
        """
        if now - self._window_start > _WINDOW_S:
            self._previous_count = len(self._readers) if now - self._window_start < 2 * _WINDOW_S else 0
            self._window_start, self._readers = now, set()
        self._readers.add(id(reader))
        count = max(self._previous_count, len(self._readers))
        interval = _INTERVAL_PER_READER_S * count
        if interval <= min_interval_s:
            return now + min_interval_s
        groups = math.ceil(count / _READERS_PER_TICK)
        phase = id(reader) // 64 % groups / groups * interval  # objects are aligned: the low bits do not differ
        return math.ceil((now + min_interval_s - phase) / interval) * interval + phase
