"""Byte spans of a batch's lines in one file, and what their entries allow the reader to assume. Server; no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...text.lines import CR, OPEN, PART
from .batch import distinct
from .layout import FLAG_SHIFT, LOST


@dataclass(frozen=True, slots=True)
class LineSpans:
    """Lines of one file in a batch: their offsets, sizes and metadata, in columns. Never empty."""

    offsets: Sequence[int]
    sizes: Sequence[int]  # length | tail << 32
    metas: Sequence[int]
    unreadable: Sequence[int] | None = None  # positions; None: no I/O error

    @property
    def start(self) -> int:
        """Global offset of the first line."""
        return self.offsets[0]

    @property
    def end(self) -> int:
        """Global offset behind the last line."""
        return self.offsets[-1] + (self.sizes[-1] & 0xFFFFFFFF)

    def are_plain(self) -> bool:
        """Whether they are adjacent whole lines without a CR (so length == tail)."""
        if sum(self.sizes) != (self.end - self.start) * (1 << 32 | 1):
            return False
        return not any(meta >> FLAG_SHIFT & (PART | CR | OPEN | LOST) for meta in distinct(self.metas))

    def lost(self, name: str) -> Iterator[tuple[int, str]]:
        """Positions of lines whose bytes are lost, and the text in their place."""
        if max(self.metas) < LOST << FLAG_SHIFT:
            return
        kind = "a record" if name == "notes" else f"a line of {name}"
        for i, meta in enumerate(self.metas):
            if meta >> FLAG_SHIFT & LOST:
                yield i, f"lost: {kind} ({self.sizes[i] & 0xFFFFFFFF} bytes)"

    def are_adjacent(self) -> bool:
        """Whether each line begins where the one before it ends."""
        ends = [offset + (size & 0xFFFFFFFF) for offset, size in zip(self.offsets, self.sizes, strict=True)]
        return ends[:-1] == list(self.offsets[1:])
