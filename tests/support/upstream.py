"""Scripted upstream service for proxy tests: records requests byte for byte. Test support."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from support.waiting import eventually


@dataclass
class Visit:
    """One request: its head, the body received so far, and whether the connection ended."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    head: bytes = b""
    body: bytearray = field(default_factory=bytearray)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def line(self) -> str:
        return self.head.split(b"\r\n")[0].decode("latin-1")

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]

    @property
    def headers(self) -> dict[str, str]:
        lines = self.head.decode("latin-1").split("\r\n")[1:-2]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    async def read_body(self) -> bytes:
        """The whole body, by its framing."""
        headers = self.headers
        if headers.get("transfer-encoding") == "chunked":
            while size := int(await self.reader.readline(), 16):
                self.body += await self.reader.readexactly(size)
                await self.reader.readexactly(2)
            await self.reader.readexactly(2)
        else:
            self.body += await self.reader.readexactly(int(headers.get("content-length", "0")))
        return bytes(self.body)

    async def send(self, *parts: bytes) -> None:
        for part in parts:
            self.writer.write(part)
        await self.writer.drain()

    async def chunk(self, data: bytes) -> None:
        await self.send(b"%x\r\n" % len(data), data, b"\r\n")

    async def answer(self, body: bytes = b"", status: str = "200 OK", headers: str = "") -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        await self.send(head.encode("latin-1"), body)

    async def begin_events(self, headers: str = "") -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n{headers}\r\n"
        await self.send(head.encode())


Script = Callable[[Visit], Awaitable[None]]


@dataclass
class Upstream:
    """A listening service; `visits` are the requests that it received, in order."""

    port: int = 0
    script: Script | None = None
    visits: list[Visit] = field(default_factory=list)
    connections: int = 0
    server: asyncio.Server | None = None
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def seen(self) -> bytes:
        """All bytes received."""
        return b"".join(visit.head + bytes(visit.body) for visit in self.visits)

    async def visit(self, number: int = -1, patience: float = 10) -> Visit:
        """Wait for a request (-1: the newest, or the first if there is none yet)."""

        await eventually(lambda: len(self.visits) > max(number, 0), patience)
        return self.visits[number]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if task := asyncio.current_task():
            self.tasks.add(task)
        try:
            while True:
                visit = Visit(reader, writer)
                visit.head = await reader.readuntil(b"\r\n\r\n")
                self.visits.append(visit)
                try:
                    await (self.script or echo)(visit)
                finally:
                    visit.gone.set()
                if b"connection: close" in visit.head.lower():
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            for visit in self.visits:
                if visit.writer is writer:
                    visit.gone.set()
            writer.close()


async def echo(visit: Visit) -> None:
    """Respond with the head and body of the request."""
    await visit.answer(visit.head + await visit.read_body())


async def wait_for_disconnect(visit: Visit) -> None:
    """Read until the peer closes the connection."""
    with contextlib.suppress(ConnectionError):
        while await visit.reader.read(65536):
            pass
    visit.gone.set()


@asynccontextmanager
async def upstream(script: Script | None = None) -> AsyncIterator[Upstream]:
    """Run a service for the duration of the block."""
    made = Upstream(script=script)
    made.server = await asyncio.start_server(made.serve, "127.0.0.1", 0, limit=1 << 20)
    made.port = made.server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        made.server.close()
        for task in made.tasks:
            task.cancel()
        await asyncio.wait_for(asyncio.gather(*made.tasks, return_exceptions=True), 10)
