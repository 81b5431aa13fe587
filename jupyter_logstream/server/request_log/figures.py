"""The request log's figures at their last change, computed at most as often as a reader needs. Server; no HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterable

from .database import Database
from .row import Row
from .stats import Facts, Figures, RunningStats


class LogFigures:
    """Figures over all rows in `database`: read when they are first needed, then kept up to date by `changed`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stats: RunningStats | None = None  # None: not read yet
        self._generation = database.generation
        self._known: Figures | None = None
        self._known_at = 0.0  # monotonic seconds

    def reset(self) -> None:
        """Read the rows again: the numbers of changes have started again."""
        self._stats = self._known = None

    def changed(self, before: Row | None, after: Row, deleted: Iterable[Facts] = ()) -> None:
        """A row was added (`before` is None) or changed, and others were deleted."""
        stats = self._stats
        if stats is None:
            return
        former, facts = None if before is None else Facts.of(before), Facts.of(after)
        if former != facts:
            if former is not None:
                stats.remove(former)
            stats.add(facts)
        for one in deleted:
            stats.remove(one)

    def get(self, seq: int, max_age_s: float = 0.0) -> Figures:
        """Figures up to the change `seq`; `max_age_s`: earlier ones that are not older are good enough."""
        known, now = self._known, time.monotonic()
        if known is not None and (known.seq == seq or now - self._known_at < max_age_s):
            return known
        if self._stats is None or self._generation != self._database.generation:
            self._stats, self._generation = RunningStats.read(self._database.read), self._database.generation
        self._known, self._known_at = self._stats.figures(seq), now
        return self._known

    def since(self, seq: int, since_ms: float) -> Figures:
        """Figures over the rows of calls that started at `since_ms` (Unix ms) or later."""
        return RunningStats.read(self._database.read, since_ms).figures(seq)
