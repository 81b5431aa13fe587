"""What the entries of an index come to: lines by level, and steps. stdlib; runner and server.

Counted on from where one stopped, so that asking costs what is new. This file must not know files, nor the names of
steps.
"""

from __future__ import annotations

from array import array

from ...model.records import LEVELS
from ...model.steps import Timeline
from .layout import ENTRY, LEVEL_BYTE, STEP_BEGIN, STEP_BITS, STEP_END, STEP_FAILED, STEP_FLAG_BYTE, flags_of, pack

_NO_STEP_FLAG = bytes(i for i in range(256) if not i & (STEP_BEGIN | STEP_END))


class Count:
    """Lines by level code, and steps by number."""

    def __init__(self) -> None:
        self.levels = [0] * len(LEVELS)
        self.timeline: Timeline[int] = Timeline()
        self._skipped = False

    def skip(self, lines: int) -> None:
        """Lines that retention took before they were counted: levels went with them, and where steps began."""
        self.levels[0] += lines
        self._skipped = True

    def add(self, words: array[int]) -> None:
        """Count entries, which go on where the last ones ended."""
        data = pack(words)
        self.add_levels(data[LEVEL_BYTE::ENTRY])
        if self._skipped and words:
            self._resume(words[3] & STEP_BITS, words[1] / 1000)
        flags = data[STEP_FLAG_BYTE::ENTRY]
        if flags.translate(None, _NO_STEP_FLAG):
            for i, flag in enumerate(flags):
                if flag & (STEP_BEGIN | STEP_END):
                    self._turn(words[4 * i + 1] / 1000, words[4 * i + 3])

    def add_levels(self, codes: bytes | bytearray) -> None:
        """Count lines that open and close no step."""
        for code in range(len(LEVELS)):
            self.levels[code] += codes.count(code)

    def by_level(self) -> dict[str, int]:
        """Lines by level name, only those that occur."""
        return {name: n for name, n in zip(LEVELS, self.levels, strict=True) if n}

    def _turn(self, time: float, mark: int) -> None:
        flags = flags_of(mark)
        if flags & STEP_BEGIN and mark & STEP_BITS:
            self.timeline.begin(mark & STEP_BITS, time)
        else:
            self.timeline.end(time, failed=bool(flags & STEP_FAILED))

    def _resume(self, step: int, time: float) -> None:
        """The first entry after some that were skipped says which step is open."""
        self._skipped = False
        if step and step != self.timeline.open:
            self.timeline.begin(step, time)
