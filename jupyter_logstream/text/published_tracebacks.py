"""Levels of tracebacks that are published line by line, as lines of output get them. Runner and server; no I/O.

A record whose sender named a level keeps it, and ends the traceback before it. A record of several lines is one error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..model.records import LEVELS, Record, level_code
from .levels import Tracebacks
from .tracebacks import State

_MAX_OPEN = 1000
_ERRORS = frozenset({"error", "fatal"})


class PublishedTracebacks:
    """The traceback that the last record of each workload left open; beyond 1,000 workloads the oldest is forgotten."""

    def __init__(self) -> None:
        self._open: dict[str, State] = {}

    def spread(
        self, workload_id: str, records: Sequence[Record], guessed: Sequence[bool]
    ) -> tuple[list[Record], State | None]:
        """The records with the levels of their tracebacks, and the state behind them: to be kept once they are stored.

        `guessed`: for each record, whether its level follows from its text.
        """
        tracebacks = Tracebacks()
        tracebacks.state = self._open.get(workload_id)
        found = list(records)
        for i, record in enumerate(records):
            if not guessed[i] or "\n" in record.message:
                tracebacks.state = None
            elif tracebacks.state is not None or record.level in _ERRORS:
                codes = tracebacks.spread([record.message.encode()], bytearray([level_code(record.level)]))
                level = LEVELS[codes[0]] if codes else record.level
                if level != record.level:
                    found[i] = replace(record, level=level)
        return found, tracebacks.state

    def keep(self, workload_id: str, state: State | None) -> None:
        """Continue from a state with the next records of a workload."""
        self._open.pop(workload_id, None)
        if state is None:
            return
        self._open[workload_id] = state
        if len(self._open) > _MAX_OPEN:
            del self._open[next(iter(self._open))]
