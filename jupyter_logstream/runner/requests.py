"""The runner's end of its socket: accepts connections, reads requests, notifies watchers. Runner; stdlib."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable
from typing import Any

from ..wire.runner_socket import Connection, answer

Handler = Callable[[Connection, dict[str, Any], bytes], None]


class Requests:
    """Serves a listening socket in the runner's selector; `handle` gets each request with its bytes and answers it.

    Bound: one connection per client, closed by the client; a connection's buffer is bounded by `Connection`.
    """

    def __init__(self, selector: selectors.BaseSelector, listener: socket.socket, handle: Handler) -> None:
        self._selector, self._listener, self._handle = selector, listener, handle
        self._connections: set[Connection] = set()
        self._watchers: set[Connection] = set()
        self._publishers: set[Connection] = set()
        selector.register(listener, selectors.EVENT_READ, self._accept)

    def watch(self, connection: Connection) -> None:
        """Notify this connection of changes of the status."""
        self._watchers.add(connection)

    def keep(self, connection: Connection) -> None:
        """Leave this connection open when the workload ends: a descendant that outlives it publishes by it."""
        self._publishers.add(connection)

    def notify(self) -> None:
        """Make every watcher read the status again."""
        for connection in self._watchers:
            connection.send(answer())

    def disconnect(self) -> None:
        """Close all connections but those kept: watchers learn that the workload has ended. New ones are accepted."""
        for connection in self._connections - self._publishers:
            self._close(connection)

    def close(self) -> None:
        """Close all connections and the listening socket."""
        for connection in list(self._connections):
            self._close(connection)
        self._selector.unregister(self._listener)
        self._listener.close()

    def _accept(self, _: int) -> None:
        try:
            connection = Connection(self._listener.accept()[0])
        except OSError:  # the peer is gone, or no descriptor is free: the connection stays in the backlog
            time.sleep(0.05)
            return
        self._connections.add(connection)
        self._selector.register(connection.socket, selectors.EVENT_READ, lambda _: self._serve(connection))

    def _serve(self, connection: Connection) -> None:
        requests = connection.read()
        if requests is None:
            self._close(connection)
            return
        for request, payload in requests:
            self._handle(connection, request, payload)

    def _close(self, connection: Connection) -> None:
        self._selector.unregister(connection.socket)
        connection.socket.close()
        self._connections.discard(connection)
        self._watchers.discard(connection)
        self._publishers.discard(connection)
