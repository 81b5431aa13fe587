"""Running totals of an index: lines by level, and steps. Runner and server; stdlib.

Incremental: adding entries costs only what is new.
"""

from __future__ import annotations

from array import array

from ...model.records import LEVELS
from ...model.steps import Timeline
from .layout import ENTRY, LEVEL_BYTE, STEP_BEGIN, STEP_BITS, STEP_END, STEP_FAILED, STEP_FLAG_BYTE, flags_of, pack

_CHANGES_STEP = bytes(int(i & (STEP_BEGIN | STEP_END) > 0) for i in range(256))


class RunningTotals:
    """Lines by level code, and steps by number."""

    def __init__(self) -> None:
        self.levels = [0] * len(LEVELS)
        self.timeline: Timeline[int] = Timeline()
        self._skipped = False

    def skip(self, lines: int) -> None:
        """Count lines that retention removed: their levels and steps are unknown."""
        self.levels[0] += lines
        self._skipped = True

    def add(self, words: array[int]) -> None:
        """Add the entries that follow the last ones added."""
        data = pack(words)
        self.add_levels(data[LEVEL_BYTE::ENTRY])
        if self._skipped and words:
            self._resume(words[3] & STEP_BITS, words[1] / 1000)
        changes = data[STEP_FLAG_BYTE::ENTRY].translate(_CHANGES_STEP)
        at = changes.find(1)
        while at >= 0:
            self._change_step(words[4 * at + 1] / 1000, words[4 * at + 3])
            at = changes.find(1, at + 1)

    def add_levels(self, codes: bytes | bytearray) -> None:
        """Add lines that begin and end no step."""
        for code in range(len(LEVELS)):
            self.levels[code] += codes.count(code)

    def by_level(self) -> dict[str, int]:
        """Lines by level name; levels that do not occur are left out."""
        return {name: n for name, n in zip(LEVELS, self.levels) if n}

    def _change_step(self, time: float, meta: int) -> None:
        flags = flags_of(meta)
        if flags & STEP_BEGIN and meta & STEP_BITS:
            self.timeline.begin(meta & STEP_BITS, time)
        else:
            self.timeline.end(time, failed=bool(flags & STEP_FAILED))

    def _resume(self, step: int, time: float) -> None:
        """Take the open step from the first entry after skipped ones."""
        self._skipped = False
        if step and step != self.timeline.open:
            self.timeline.begin(step, time)
