"""Budget of a query: its processor time and its cancellation, checked between two batches. Server; no I/O."""

from __future__ import annotations

import time

MAX_CPU_S = 20.0
"""Processor time of one query. Not wall-clock time: a busy machine does not make a query too expensive."""


class SlowPattern(ValueError):
    """A query takes too long on this log. `after`: the last line that was read."""

    def __init__(self, after: int, cpu_s: float) -> None:
        super().__init__(
            f"the search takes too long: stopped at line {after} after {cpu_s:g} s of processor time; "
            "continue with after, or search a part of the log"
        )
        self.after = after


class SearchCancelled(Exception):
    """The caller of a query has gone."""


class Budget:
    """What one query can spend. It runs in one thread; `cancel` can be called from any."""

    def __init__(self, cpu_s: float = MAX_CPU_S) -> None:
        self._cpu_s = cpu_s
        self._begin: float | None = None  # set by the thread of the query: the clock is that thread's
        self._is_cancelled = False

    def cancel(self) -> None:
        """Make the next `check` raise SearchCancelled."""
        self._is_cancelled = True

    def check(self, after: int) -> None:
        """Call before each batch. Raises SearchCancelled, SlowPattern (naming `after`, the last line that was read)."""
        if self._is_cancelled:
            raise SearchCancelled
        now = time.thread_time()
        self._begin = now if self._begin is None else self._begin
        if now - self._begin > self._cpu_s:
            raise SlowPattern(after, self._cpu_s)
