"""Server-sent events response: headers, back-pressure, keep-alive, disconnection. Server.

One coroutine serves one response. Every write is awaited, so a client that does not read holds at most one frame, and
after WRITE_TIMEOUT_S its connection is closed. This file does not know what the events mean.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from tornado.http1connection import HTTP1Connection  # noqa: TC002 - with the others
from tornado.iostream import BaseIOStream, StreamClosedError
from tornado.web import HTTPError, RequestHandler

from ...model.workload import Workload
from ...wire.sse import encode
from ..open_streams import OpenStreams
from .base import LogStreamHandler

KEEP_ALIVE_INTERVAL_S = 5.0  # silence after which a keep-alive is sent
WRITE_TIMEOUT_S = 30.0
RETRY_MS = 1000
HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
    "Connection": "close",  # browsers otherwise drain an abandoned stream for up to 5 s
}


def disconnect(handler: RequestHandler) -> None:
    """Close the connection without ending the response: the client sees that it is incomplete."""
    cast("HTTP1Connection", handler.request.connection).stream.close()


def has_everything(workload: Workload, last_event_id: str) -> bool:
    """Whether a client has read an ended log to its end. 204 then, which stops even a bare EventSource."""
    return workload.status.final and last_event_id == str(workload.lines)


class EventStreamHandler(LogStreamHandler):
    """A handler that responds with an event stream."""

    def initialize(self) -> None:
        self._changed = asyncio.Event()
        self._disconnected = False
        self._unwatch: list[Callable[[], None]] = []
        self._last_write = 0.0

    @property
    def open_streams(self) -> OpenStreams:
        """The registry of open responses."""
        return self.services.open_streams

    @property
    def disconnected(self) -> bool:
        """Whether the client has gone, or the server is stopping."""
        return self._disconnected

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self.disconnect()

    def disconnect(self) -> None:
        """End the response: the client has gone, or the server is stopping."""
        self._disconnected = True
        self._changed.set()

    def wake(self) -> None:
        """Report a change that this response may have to send."""
        self._changed.set()

    def watch(self, *unwatch: Callable[[], None]) -> None:
        """Register unsubscribers to call when the response ends."""
        self._unwatch += unwatch

    async def open(self, subscriptions: int) -> None:
        """Send the headers and a first block at once, so that the client knows that it is connected."""
        if self.open_streams.closing:
            raise HTTPError(503)
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.open_streams.add(self, subscriptions)
        await self.write_block(encode(retry=RETRY_MS, comment="jupyter-logstream"))

    async def write_block(self, block: bytes) -> None:
        """Write a block and wait until the socket accepted it; an empty block is ignored.

        Raises StreamClosedError if the client has gone or does not read for WRITE_TIMEOUT_S.
        """
        if not block:
            return
        self.write(block)
        del block  # the connection holds it: a slow client costs one copy
        sent = self.flush()
        try:
            await (sent if sent.done() else asyncio.wait_for(sent, WRITE_TIMEOUT_S))  # usually accepted at once
        except asyncio.TimeoutError:
            disconnect(self)
            raise StreamClosedError from None
        self._last_write = asyncio.get_running_loop().time()
        await asyncio.sleep(0)  # a flush that need not wait does not yield: let other requests run

    async def wait_for_change(self, due: float | None) -> bool:
        """Wait for a change, the deadline `due` (loop's clock), or KEEP_ALIVE_INTERVAL_S without output.

        Returns True if a keep-alive is due.
        """
        now = asyncio.get_running_loop().time()
        keep_alive_due = self._last_write + KEEP_ALIVE_INTERVAL_S
        deadline = keep_alive_due if due is None else min(due, keep_alive_due)
        if deadline > now and not self._changed.is_set():
            timer = asyncio.get_running_loop().call_at(deadline, self._changed.set)
            try:
                await self._changed.wait()
            finally:
                timer.cancel()
        self._changed.clear()
        return asyncio.get_running_loop().time() >= keep_alive_due

    def on_finish(self) -> None:
        for unwatch in self._unwatch:
            unwatch()
        self._unwatch.clear()
        self.open_streams.remove(self)
        super().on_finish()

    def finish(self, *args: Any, **kwargs: Any) -> Any:
        if not self._headers_written:
            return super().finish(*args, **kwargs)
        stream = cast("HTTP1Connection", self.request.connection).stream
        finished = super().finish(*args, set_content_type=HEADERS["Content-Type"], **kwargs)
        if not stream.closed():  # Tornado obeys `Connection: close` of a request, not of its own response
            stream.write(b"").add_done_callback(partial(_close, stream))
        return finished


def _close(stream: BaseIOStream, sent: asyncio.Future[None]) -> None:
    """Close the connection after everything was sent."""
    sent.exception()  # retrieve it: the connection can be closed already
    stream.close()
