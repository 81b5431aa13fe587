"""Standard input of the child with back-pressure. Runner; stdlib.

A send is acknowledged only after the child's pipe accepted every byte; unacknowledged input is bounded by its senders,
who wait for the answer.
"""

from __future__ import annotations

import os
import selectors

from ..wire.runner_socket import Connection, answer


class Stdin:
    """Writes to the pipe `fd`; None: the workload was started without standard input."""

    def __init__(self, selector: selectors.BaseSelector, fd: int | None) -> None:
        self._selector, self._fd = selector, fd
        self._waiting: list[tuple[memoryview, bool, Connection]] = []  # bytes, whether input ends after them, sender
        self._refusal = "no_stdin" if fd is None else "stdin_closed"

    def put(self, data: bytes, sender: Connection, *, last: bool) -> None:
        """Queue bytes and answer `sender` once they are written; `last` closes the input after them."""
        if self._fd is None:
            sender.send(answer(self._refusal))
            return
        self._waiting.append((memoryview(data), last, sender))
        self._feed()

    def _feed(self, _: int = -1) -> None:
        while self._waiting and self._fd is not None:
            data, last, sender = self._waiting[0]
            try:
                written = os.write(self._fd, data) if data else 0
            except BlockingIOError:
                self._watch(True)
                return
            except BrokenPipeError:  # the child closed its end
                self._close()
                break
            if written < len(data):
                self._waiting[0] = data[written:], last, sender
                continue
            self._waiting.pop(0)
            if last:
                self._close()
            sender.send(answer())
        self._watch(False)
        for *_sent, sender in self._waiting:
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
