"""Tap on a text stream: listeners on its `write`, and whether a line is open. Where users run Python; stdlib.

A tap replaces the `write` method, not the stream, so that holders of the stream (loggers, progress bars) are captured,
too. Writes to the underlying buffer and by other processes are not. This file must not know the listeners.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

    Listener = Callable[[str], bool]
    """Called with the written text; returns False to keep it from the stream."""


class Tap:
    """Replacement of one stream's `write` while it has listeners. `at_line_start`: no line is open."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._write = stream.write
        self._was_replaced = "write" in getattr(stream, "__dict__", {})  # by another wrapper, which must return
        self._listeners: list[Listener] = []
        self.at_line_start = True

    def write(self, text: str) -> int:
        """The stream's `write`: notify the listeners, then write."""
        if isinstance(text, str):  # else the stream raises
            for listener in reversed(self._listeners):  # the innermost first
                if not listener(text):
                    return len(text)
            if text:
                self.at_line_start = text.endswith("\n")
        return self._write(text)

    def write_line(self, line: str) -> None:
        """Write a separate line without notifying listeners, and flush."""
        self._write(f"{line}\n" if self.at_line_start else f"\n{line}\n")
        self.at_line_start = True
        self._stream.flush()

    def add(self, listener: Listener) -> None:
        """Notify `listener` of every write from now on."""
        self._listeners = [*self._listeners, listener]

    def remove(self, listener: Listener) -> None:
        """Remove a listener; the last one removes the tap, unless another wrapper covers it."""
        self._listeners = [other for other in self._listeners if other != listener]
        if not self._listeners and _tap_in(self._stream) is self:
            if self._was_replaced:
                self._stream.write = self._write  # type: ignore[method-assign]
            else:
                del self._stream.write


def tap(stream: TextIO) -> Tap:
    """The tap of a stream, installed at the first call."""
    found = _tap_in(stream)
    if found is None:
        found = Tap(stream)
        stream.write = found.write  # type: ignore[method-assign]
    return found


def _tap_in(stream: TextIO) -> Tap | None:
    found = getattr(stream.write, "__self__", None)
    return found if isinstance(found, Tap) else None
