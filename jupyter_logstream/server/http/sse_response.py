"""Writing a response that does not end: headers, frames, silence, and readers that leave or do not read. Server side.

One coroutine serves one response and looks at its subscriptions when one of them has news. Every write is awaited, so a
reader that does not read holds one frame, then nothing, and after STALLED seconds loses its connection. This file must
not know what the frames mean.
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
from ..subscriptions.throttle import Pace
from .base import LogStreamHandler

SILENCE = 5.0  # seconds without a frame after which something is said
STALLED = 30.0  # seconds a write may wait for its reader
HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
    "Connection": "close",  # browsers otherwise drain an abandoned stream for up to 5 s
}


def cut(handler: RequestHandler) -> None:
    """Close the connection; what was not sent is dropped, and the handler ends as for a reader that has left."""
    cast("HTTP1Connection", handler.request.connection).stream.close()


def has_all(workload: Workload, last_event_id: str) -> bool:
    """Whether a reader has read an ended log to its end: 204 then, which stops even a bare EventSource."""
    return workload.status.final and last_event_id == str(workload.lines)


class OpenStreams:
    """How many responses are open, and how many subscriptions are on them; and how often they are told."""

    def __init__(self) -> None:
        self._open: dict[EventStreamHandler, int] = {}
        self.closing = False
        self.pace = Pace()

    def counts(self) -> dict[str, int]:
        """As `v1/info` tells it."""
        return {"connections": len(self._open), "open_streams": sum(self._open.values())}

    def add(self, response: EventStreamHandler, subscriptions: int) -> None:
        self._open[response] = subscriptions

    def set(self, response: EventStreamHandler, subscriptions: int) -> None:
        if response in self._open:
            self._open[response] = subscriptions

    def remove(self, response: EventStreamHandler) -> None:
        self._open.pop(response, None)

    def close(self) -> None:
        """Cut them all: readers come back with their cursors."""
        self.closing = True
        for response in list(self._open):
            response.leave()


class EventStreamHandler(LogStreamHandler):
    """A handler that answers with an event stream."""

    def initialize(self) -> None:
        self._news = asyncio.Event()
        self._left = False
        self._unwatch: list[Callable[[], None]] = []
        self._spoke = 0.0

    @property
    def open_streams(self) -> OpenStreams:
        streams: OpenStreams = self.settings["logstream"].streams
        return streams

    def on_connection_close(self) -> None:
        self.leave()

    def leave(self) -> None:
        """The reader has gone, or has to."""
        self._left = True
        self._news.set()

    def wake(self) -> None:
        """Something changed that this response may have to tell."""
        self._news.set()

    def watch(self, *unwatch: Callable[[], None]) -> None:
        """End these when the response ends."""
        self._unwatch += unwatch

    async def open(self, subscriptions: int) -> None:
        """Send the headers and a first block at once."""
        if self.open_streams.closing:
            raise HTTPError(503)
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.open_streams.add(self, subscriptions)
        await self.say(encode(retry=1000, comment="jupyter-logstream"))

    async def say(self, block: bytes) -> None:
        """Write a block (an empty one is none) and wait until the reader's side has taken it.

        StreamClosedError when it has gone, or takes longer than STALLED.
        """
        if not block:
            return
        self.write(block)
        del block  # the connection has it: a reader that takes its time costs one copy
        sent = self.flush()
        try:
            await (sent if sent.done() else asyncio.wait_for(sent, STALLED))  # mostly the socket takes it at once
        except asyncio.TimeoutError:
            cut(self)
            raise StreamClosedError from None
        self._spoke = asyncio.get_running_loop().time()
        await asyncio.sleep(0)  # a flush that need not wait does not yield: others must get their turn

    async def rest(self, due: float | None) -> bool:
        """Wait for news, for `due` (the loop's clock), or for silence to grow too long; True: it did."""
        now = asyncio.get_running_loop().time()
        until = self._spoke + SILENCE
        first = until if due is None else min(due, until)
        if first > now and not self._news.is_set():
            timer = asyncio.get_running_loop().call_at(first, self._news.set)
            try:
                await self._news.wait()
            finally:
                timer.cancel()
        self._news.clear()
        return asyncio.get_running_loop().time() >= until

    @property
    def left(self) -> bool:
        return self._left

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
        if not stream.closed():  # Tornado heeds the `Connection: close` of requests, not that of its own answers
            stream.write(b"").add_done_callback(partial(_close, stream))
        return finished


def _close(stream: BaseIOStream, sent: asyncio.Future[None]) -> None:
    """Close the connection behind all that was sent (or could not be: it is closed already, and nobody's fault)."""
    sent.exception()
    stream.close()
