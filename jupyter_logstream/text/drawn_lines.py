"""Lines of a stream as the texts that a terminal shows, where the bytes are not stored. Kernels; stdlib, no I/O."""

from __future__ import annotations

from .lines import MAX_TEXT_BYTES, Lines, Splitter
from .terminal import HEAD_BYTES, MAX_REDRAWN_BYTES, line_text

_MAX_OPEN_BYTES = 2 * (MAX_TEXT_BYTES + MAX_REDRAWN_BYTES)


class DrawnLines:
    """Splits the bytes of one source into lines and draws each.

    Buffers the line being written: of more than 160 KiB only the end that can still be shown, and its beginning.
    """

    def __init__(self) -> None:
        self._splitter = Splitter()
        self._open = self._head = b""
        self._at = 0  # offset of the first byte of `_open`

    def feed(self, chunk: bytes) -> list[str]:
        """The texts of the lines that the next bytes complete."""
        return self._texts(self._splitter.feed(chunk), self._open + chunk)

    def finish(self) -> list[str]:
        """The text of the last line, if it has no line end."""
        return self._texts(self._splitter.finish(), self._open)

    def _texts(self, lines: Lines, data: bytes) -> list[str]:
        drawn = []
        offset, start = self._at, lines.start
        for length, tail, text in zip(lines.lengths, lines.tails, lines.texts, strict=True):
            end = start + length - tail  # of what stands before the text
            before = data[max(0, start - offset, end - MAX_REDRAWN_BYTES - offset) : max(0, end - offset)]
            head = self._line_head(data, start - offset) if end - start > MAX_REDRAWN_BYTES else b""
            drawn.append(line_text(text, before, head))
            start += length
        if start >= offset:
            data, self._at, self._head = data[start - offset :], start, b""
        if len(data) > _MAX_OPEN_BYTES:
            self._head = self._head or data[:HEAD_BYTES]
            dropped = len(data) - _MAX_OPEN_BYTES // 2
            data, self._at = data[dropped:], self._at + dropped
        self._open = data
        return drawn

    def _line_head(self, data: bytes, start: int) -> bytes:
        return self._head if start < 0 else data[start : start + HEAD_BYTES]
