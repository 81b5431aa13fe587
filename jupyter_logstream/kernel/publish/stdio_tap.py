"""Taps on the streams that `print` writes to: who listens, and whether a line is open. Where users run Python; stdlib.

A tap takes the place of a stream's `write`, not of the stream: those who hold the stream itself (loggers, progress
bars) are heard, too. What goes past it - the buffer below, other processes - is not. It must not know who listens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

    Listener = Callable[[str], bool]
    """Called with what is written; False: the stream shall not get it."""


class Tap:
    """Stands in for one stream's `write` until nobody listens any more. `at_line_start`: no line is open."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._through = stream.write
        self._listeners: list[Listener] = []
        self.at_line_start = True

    def write(self, text: str) -> int:
        """What the stream's users call."""
        if isinstance(text, str):  # else it is the stream's to complain
            for listener in reversed(self._listeners):  # the innermost first
                if not listener(text):
                    return len(text)
            if text:
                self.at_line_start = text.endswith("\n")
        return self._through(text)

    def write_line(self, line: str) -> None:
        """Write a line of its own, past all listeners, and see that it gets out."""
        self._through(f"{line}\n" if self.at_line_start else f"\n{line}\n")
        self.at_line_start = True
        self._stream.flush()

    def add(self, listener: Listener) -> None:
        """Let `listener` hear what is written from now on."""
        self._listeners = [*self._listeners, listener]

    def remove(self, listener: Listener) -> None:
        """The last one to leave takes the tap away, unless somebody has put something over it."""
        self._listeners = [other for other in self._listeners if other != listener]
        if not self._listeners and _tap_in(self._stream) is self:
            del self._stream.write


def tap(stream: TextIO) -> Tap:
    """The tap on a stream, which is put there if need be."""
    found = _tap_in(stream)
    if found is None:
        found = Tap(stream)
        stream.write = found.write  # type: ignore[method-assign]
    return found


def _tap_in(stream: TextIO) -> Tap | None:
    found = getattr(stream.write, "__self__", None)
    return found if isinstance(found, Tap) else None
