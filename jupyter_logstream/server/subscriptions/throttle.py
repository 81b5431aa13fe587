"""How often readers that have caught up are told: as often as they ask where they are few, less often where many.

Server side; no Tornado. A thousand readers shall leave the server time for everything else.
Many are told on common beats, a few dozen at a time: those of one stream then stand at the same cursor and share what
is read for them, and between two beats others get their turn.
"""

from __future__ import annotations

import math

_EACH = 0.0003  # seconds of the beat per reader that was told something lately
_LATELY = 1.0  # seconds
_TOGETHER = 50  # readers, about, that are told on one beat


class Pace:
    """Counts the readers that are told something, and says when one of them is next. One for a server.

    It remembers at most two seconds' readers, as numbers.
    """

    def __init__(self) -> None:
        self._since = -math.inf
        self._now: set[int] = set()
        self._before = 0

    def told(self, reader: object, now: float, least: float) -> float:
        """A reader has been told something: when it may be told more (the loop's clock), `least` seconds apart."""
        if now - self._since > _LATELY:
            self._before = len(self._now) if now - self._since < 2 * _LATELY else 0
            self._since, self._now = now, set()
        self._now.add(id(reader))
        readers = max(self._before, len(self._now))
        beat = _EACH * readers
        if beat <= least:
            return now + least
        groups = math.ceil(readers / _TOGETHER)
        mine = id(reader) // 64 % groups / groups * beat
        return math.ceil((now + least - mine) / beat) * beat + mine
