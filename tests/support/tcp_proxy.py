"""A TCP proxy between client and server that injects faults on command. Its event loop runs in a thread.

It knows one thing of HTTP: a connection that requested `STREAM` carries an event stream and can be treated
apart from all others. It holds at most `hold` bytes of a connection, and a few reads of 64 KiB.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Any

from support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Iterator

STREAM = b"/logstream/v1/events"
_PIECE = 65536
_RESET = struct.pack("ii", 1, 0)  # linger for no time: closing sends RST


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What happens to bytes on their way to the client. The default: nothing."""

    block: bool = False  # lets nothing through (until it no longer blocks: nothing is lost by that)
    no_streams: bool = False  # disconnects every client that requests a stream
    delay: float = 0.0  # seconds that each piece takes longer
    rate: float = inf  # bytes a second, per connection
    hold: int = 0  # bytes of a stream that are collected before any is passed on, as a buffering proxy does


class _Pair:
    """One client's connection, and ours to the server."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client, self.server = client, server
        self.is_stream = False
        self.left = inf  # bytes until it is cut

    def close(self, *, reset: bool = False) -> None:
        if reset:
            self.client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.client.transport.abort()
        self.client.close()
        self.server.close()


class TcpProxy:
    """Listens on `port` of this machine, passes everything on to `target`. `cuts`: streams that it has cut so far."""

    def __init__(self, target: int) -> None:
        self.target, self.port, self.cuts = target, free_port(), 0
        self._behaviour = Behaviour()
        self._open = asyncio.Event()
        self._open.set()
        self._sizes: deque[int] = deque()
        self._pairs: set[_Pair] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._listener: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tcp-proxy", daemon=True)
        self._thread.start()
        self.listen()

    def behave(self, **how: Any) -> None:
        """Set the behaviour from now on; without arguments: forward everything."""
        self._behaviour = replace(Behaviour(), **how)
        self._loop.call_soon_threadsafe(self._open.clear if self._behaviour.block else self._open.set)

    def cut_streams_after(self, sizes: Iterable[int]) -> None:
        """Cut the next streams after so many bytes each (every fourth by a reset); those after them live.

        One that ends before leaves what is left of its bytes to another.
        """
        self._sizes.extend(sizes)

    def cut(self, *, reset: bool = False, streams: bool = True) -> int:
        """Cut the connections that are open, only those with streams or all; how many they were."""
        cut: int = self._do(self._cut(reset=reset, streams=streams))
        return cut

    def refuse(self) -> None:
        """Stop listening and cut everything: who connects is refused."""
        self._do(self._refuse())

    def listen(self) -> None:
        """Listen (again, on the same port)."""
        self._do(self._listen())

    def close(self) -> None:
        """End it all."""
        self.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self.port, limit=_PIECE)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _refuse(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await self._cut(reset=False, streams=False)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _cut(self, *, reset: bool, streams: bool) -> int:
        chosen = [pair for pair in self._pairs if pair.is_stream or not streams]
        for pair in chosen:
            self.cuts += pair.is_stream
            pair.close(reset=reset)
        return len(chosen)

    def _accept(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._serve(reader, client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, from_client: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            from_server, server = await asyncio.open_connection("127.0.0.1", self.target, limit=_PIECE)
        except OSError:
            client.close()
            return
        pair = _Pair(client, server)
        self._pairs.add(pair)
        ways = [self._loop.create_task(way) for way in (self._up(from_client, pair), self._down(from_server, pair))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pair.close()
            self._pairs.discard(pair)
            if 0 < pair.left < inf:
                self._sizes.append(int(pair.left))
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _up(self, reader: asyncio.StreamReader, pair: _Pair) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(_PIECE):
                if STREAM in data:
                    if self._behaviour.no_streams:
                        self.cuts += 1
                        return
                    pair.is_stream = True
                    pair.left = self._sizes.popleft() if self._sizes else inf
                pair.server.write(data)
                await pair.server.drain()

    async def _down(self, reader: asyncio.StreamReader, pair: _Pair) -> None:
        held = b""
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(_PIECE):
                await self._open.wait()
                await asyncio.sleep(self._behaviour.delay + len(data) / self._behaviour.rate)
                held += data
                if pair.is_stream and len(held) < self._behaviour.hold:
                    continue
                passed = held[: int(min(pair.left, len(held)))]
                pair.left -= len(passed)
                held = b""
                pair.client.write(passed)
                await pair.client.drain()
                if pair.left <= 0:
                    self.cuts += 1
                    pair.close(reset=self.cuts % 4 == 0)
                    return
            pair.client.write(held)
            await pair.client.drain()


@contextmanager
def proxied(target: int) -> Iterator[TcpProxy]:
    """A proxy before a port of this machine, for the time of the block."""
    proxy = TcpProxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
