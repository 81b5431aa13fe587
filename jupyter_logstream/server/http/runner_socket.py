"""WebSocket of a runner that connects to this server: its token is checked, its bytes go to the mirror. Server."""

from __future__ import annotations

import asyncio
from typing import Any

from jupyter_server.auth.decorator import allow_unauthenticated
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from ...model.ids import ID
from ..engine import Admission
from .base import RETRY_AFTER_S, LogStreamHandler
from .errors import Refused

_BUFFER_BYTES = 1 << 20
_PIECE_BYTES = 256 << 10  # of a message
_REFUSED = {
    "no": (403, "forbidden", "the token does not belong to this workload"),
    "ended": (410, "ended", "this workload takes no connection of a runner any more"),
    "replaced": (409, "replaced", "the log of this workload comes from its engine"),
    "later": (503, "not_ready", "this workload is not ready for its runner yet: try again"),
}


class RunnerSocketHandler(WebSocketHandler, LogStreamHandler):  # type: ignore[misc]
    """`GET v1/workloads/{id}/runner`, upgraded to a WebSocket.

    Without Jupyter's login: a runner on another machine has none, and must not have one. Its token gives access to the
    mirror of its own workload only, and stands in a header that no page of another site can set.
    """

    async def prepare(self, **_: Any) -> None:
        """Replace Jupyter's login: `get` checks the token."""
        self.current_user = self._jupyter_current_user = None
        self._track_activity = False
        if self.request.method != "GET":
            raise Refused(405, "method_not_allowed", "this address takes WebSockets only")

    @allow_unauthenticated
    async def get(self, workload_id: str) -> None:
        admission: Admission = self.engine.admission(workload_id, next(iter(self.credentials()), ""))
        if admission != "yes":
            raise Refused(*_REFUSED[admission], Retry_After=str(RETRY_AFTER_S))
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            raise Refused(426, "upgrade_required", "this address takes WebSockets only", Upgrade="websocket")
        await super().get(workload_id)

    async def open(self, workload_id: str) -> None:
        """Hand the connection to the mirror of the workload."""
        self._pipe = SocketPipe(self)
        await self.engine.connected(workload_id, self._pipe)

    async def on_message(self, message: str | bytes) -> None:
        """Pass bytes on; the next message is read when the mirror has taken enough of them."""
        if isinstance(message, str):
            self.close(1003, "messages are binary")
            return
        await self._pipe.receive(message)

    def on_close(self) -> None:
        """End the pipe."""
        if hasattr(self, "_pipe"):
            self._pipe.end()


class SocketPipe:
    """A WebSocket as a `Pipe`. Bound: about 2 * _BUFFER_BYTES that the mirror has not read."""

    def __init__(self, handler: WebSocketHandler) -> None:
        loop = asyncio.get_running_loop()
        self._transport = _Transport(handler)
        self.reader = asyncio.StreamReader(limit=_BUFFER_BYTES)
        self.reader.set_transport(self._transport)
        flow = asyncio.StreamReaderProtocol(asyncio.StreamReader())
        self.writer = asyncio.StreamWriter(self._transport, flow, None, loop)
        self._ended = False

    async def receive(self, data: bytes) -> None:
        """Add bytes; returns when there is capacity for more."""
        if not self._ended:
            self.reader.feed_data(data)
            await self._transport.readable.wait()

    def end(self) -> None:
        """The connection has ended."""
        if not self._ended:
            self._ended = True
            self.reader.feed_eof()
            self._transport.readable.set()

    async def close(self) -> None:
        """See Pipe."""
        self._transport.close()
        self.end()

    def error(self) -> str:
        """See Pipe: a WebSocket reports nothing but its end."""
        return ""


class _Transport(asyncio.Transport):
    """The sending half of a WebSocket, and the flow control of the receiving one."""

    def __init__(self, handler: WebSocketHandler) -> None:
        super().__init__()
        self._handler = handler
        self._is_closing = False
        self.readable = asyncio.Event()
        self.readable.set()

    def write(self, data: Any) -> None:
        """Send bytes. Raises ConnectionResetError if the connection has ended."""
        view = memoryview(data)
        try:
            for at in range(0, len(view), _PIECE_BYTES):
                sent = self._handler.write_message(bytes(view[at : at + _PIECE_BYTES]), binary=True)
                sent.add_done_callback(_retrieve)
        except WebSocketClosedError:
            raise ConnectionResetError("the runner has disconnected") from None

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._handler.close()

    def is_closing(self) -> bool:
        return self._is_closing

    def pause_reading(self) -> None:
        self.readable.clear()

    def resume_reading(self) -> None:
        self.readable.set()


def _retrieve(sent: asyncio.Future[None]) -> None:
    """The end of the connection is reported by `on_close`; here it would only be logged."""
    if not sent.cancelled():
        sent.exception()


ROUTES = [(rf"v1/workloads/({ID})/runner", RunnerSocketHandler)]
