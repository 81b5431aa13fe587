"""Parts of an exchange with an upstream: request body, response, errors. Server; no Tornado, no aiohttp."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from .rules import Header


class UpstreamFailed(Exception):
    """An exchange failed. The message gives the reason without the upstream's address."""


class UpstreamTimedOut(UpstreamFailed):
    """The upstream did not respond within its configured timeout."""


class RawConnection(Protocol):
    """A connection that is no longer HTTP. Both directions wait for the other side."""

    async def read(self) -> bytes:
        """The next bytes; empty at the end, whatever its cause."""
        ...

    async def write(self, data: bytes) -> None:
        """Send bytes. Raises OSError if the connection is closed."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: its head, and its body in chunks. Iterating `chunks` raises UpstreamFailed if the body is cut off.

    `connection`: only after a 101 by which the upstream switches the protocol of an HTTP/1.1 connection.
    """

    status: int
    headers: list[Header]
    chunks: AsyncIterator[bytes]
    connection: RawConnection | None = None


class RequestBody:
    """A request's body in transit: a queue of one chunk, so that the caller waits for the upstream.

    After `close` (the upstream wants no more) further chunks are dropped.
    """

    def __init__(self) -> None:
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue(1)
        self._begun = self.closed = False

    async def put(self, chunk: bytes | None) -> None:
        """Queue a chunk (None: the end); returns when the queue has accepted it."""
        if not self.closed:
            await self._chunks.put(chunk)

    def close(self) -> None:
        """Drop further chunks and release a waiting `put`."""
        self.closed = True
        if not self._chunks.empty():
            self._chunks.get_nowait()

    def __aiter__(self) -> AsyncIterator[bytes]:
        if self._begun:
            raise UpstreamFailed("the upstream closed the connection, and the request cannot be sent twice")
        self._begun = True
        return self._read()

    async def _read(self) -> AsyncIterator[bytes]:
        while (chunk := await self._chunks.get()) is not None:
            yield chunk


def failure(error: Exception) -> UpstreamFailed:
    """Translate an error of name resolution, connection, TLS or time."""
    if isinstance(error, UpstreamFailed):
        return error
    if isinstance(error, asyncio.TimeoutError | TimeoutError):
        return UpstreamTimedOut("did not respond in time")
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "verify_message", "") or error.reason or "TLS failed"
        return UpstreamFailed(f"cannot be trusted: {reason}")
    if isinstance(error, ConnectionResetError | BrokenPipeError | asyncio.IncompleteReadError):
        return UpstreamFailed("closed the connection before the end of its response")
    if isinstance(error, socket.gaierror):
        return UpstreamFailed("has a host name that cannot be resolved")
    if isinstance(error, OSError):
        return UpstreamFailed(f"cannot be reached: {os.strerror(error.errno) if error.errno else 'no connection'}")
    return UpstreamFailed("sent a response that is not HTTP")
