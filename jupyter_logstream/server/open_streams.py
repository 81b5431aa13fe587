"""Registry of open event streams: counts, the shared frame throttle, disconnection at shutdown. Server; no HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from .subscriptions.throttle import FrameThrottle


class Connection(Protocol):
    """An open response that can be ended from outside."""

    def disconnect(self) -> None:
        """End the response; its client reconnects with its cursors."""
        ...


class OpenStreams:
    """The open event streams of a server. One entry per connection, removed when the connection ends."""

    def __init__(self) -> None:
        self._open: dict[Connection, int] = {}
        self.closing = False
        self.throttle = FrameThrottle()

    def counts(self) -> dict[str, int]:
        """The numbers of connections and of subscriptions on them, named as in `v1/info`."""
        return {"connections": len(self._open), "open_streams": sum(self._open.values())}

    def add(self, connection: Connection, subscriptions: int) -> None:
        """Register a connection."""
        self._open[connection] = subscriptions

    def set(self, connection: Connection, subscriptions: int) -> None:
        """Change the number of live subscriptions of a registered connection."""
        if connection in self._open:
            self._open[connection] = subscriptions

    def remove(self, connection: Connection) -> None:
        """Unregister a connection; an unknown one is ignored."""
        self._open.pop(connection, None)

    def close(self) -> None:
        """Disconnect all clients and refuse new ones: the server is stopping."""
        self.closing = True
        for connection in list(self._open):
            connection.disconnect()


class TooManyReaders(RuntimeError):
    """The limit of concurrent readers is reached."""


class ReaderLimit:
    """Limits concurrent readers of one stream to `max_readers`; further ones are refused."""

    def __init__(self, max_readers: int) -> None:
        self._max_readers = max_readers
        self._readers = 0

    @contextmanager
    def reader(self) -> Iterator[None]:
        """Count one reader while the block runs. Raises TooManyReaders."""
        if self._readers >= self._max_readers:
            raise TooManyReaders(f"{self._max_readers} clients read this stream already; try again later")
        self._readers += 1
        try:
            yield
        finally:
            self._readers -= 1
