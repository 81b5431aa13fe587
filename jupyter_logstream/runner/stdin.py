"""The child's standard input: bytes in order, at the child's pace. Runs in the runner; stdlib.

Whoever sends is answered when the pipe has taken all of it, so nothing piles up here that was said to be accepted.
"""

from __future__ import annotations

import os
import selectors

from ..control import Connection, answer


class Stdin:
    """Feeds the pipe `fd` (None: the workload was started without one)."""

    def __init__(self, selector: selectors.BaseSelector, fd: int | None) -> None:
        self._selector, self._fd = selector, fd
        self._waiting: list[tuple[memoryview | None, Connection]] = []
        self._refusal = "no_stdin" if fd is None else "stdin_closed"

    def put(self, data: bytes | None, sender: Connection) -> None:
        """Write bytes; None closes the input after what was sent before."""
        if self._fd is None:
            sender.send(answer(self._refusal))
            return
        self._waiting.append((None if data is None else memoryview(data), sender))
        self._feed()

    def _feed(self, _: int = -1) -> None:
        while self._waiting and self._fd is not None:
            data, sender = self._waiting[0]
            try:
                taken = os.write(self._fd, data) if data else 0
            except BlockingIOError:
                self._watch(True)
                return
            except BrokenPipeError:  # the child has closed it
                self._close()
                break
            if data and taken < len(data):
                self._waiting[0] = data[taken:], sender
                continue
            self._waiting.pop(0)
            sender.send(answer())
            if data is None:
                self._close()
        self._watch(False)
        for _data, sender in self._waiting:
            sender.send(answer(self._refusal))
        self._waiting.clear()

    def _watch(self, wanted: bool) -> None:
        if self._fd is None or wanted == (self._fd in self._selector.get_map()):
            return
        if wanted:
            self._selector.register(self._fd, selectors.EVENT_WRITE, self._feed)
        else:
            self._selector.unregister(self._fd)

    def _close(self) -> None:
        self._watch(False)
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
