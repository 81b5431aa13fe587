"""What an exchange with an upstream is made of: a request's body on its way, an answer, and how it fails. Server side.

This file must not know what carries an exchange (`transport.py`), nor Tornado, nor what the bytes mean.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass

from .rules import Header


class UpstreamFailed(Exception):
    """An exchange came to no good end; the message says why, without telling where the upstream is."""


class UpstreamTimedOut(UpstreamFailed):
    """The upstream was waited for as long as its configuration says."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: its head, and its body as it comes. UpstreamFailed out of `chunks` when it breaks off."""

    status: int
    headers: list[Header]
    chunks: AsyncIterator[bytes]


class RequestBody:
    """A request's body on its way: one piece at a time, so that the caller waits for the upstream.

    When the upstream wants no more (`close`), what still comes is dropped.
    """

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue(1)
        self._begun = self.closed = False

    async def put(self, piece: bytes | None) -> None:
        """Hand over a piece, None at the end; returns when there is room for another."""
        if not self.closed:
            await self._pieces.put(piece)

    def close(self) -> None:
        """Take no more; whoever waits in `put` goes on."""
        self.closed = True
        if not self._pieces.empty():
            self._pieces.get_nowait()

    def __aiter__(self) -> AsyncIterator[bytes]:
        if self._begun:
            raise UpstreamFailed("the upstream closed the connection, and the request cannot be sent twice")
        self._begun = True
        return self._read()

    async def _read(self) -> AsyncIterator[bytes]:
        while (piece := await self._pieces.get()) is not None:
            yield piece


def failure(error: Exception) -> UpstreamFailed:
    """An error of the system - names, connections, TLS, time - as what it means to the caller."""
    if isinstance(error, UpstreamFailed):
        return error
    if isinstance(error, asyncio.TimeoutError | TimeoutError):
        return UpstreamTimedOut("does not answer in time")
    if isinstance(error, ssl.SSLError):
        said = getattr(error, "verify_message", "") or error.reason or "TLS failed"
        return UpstreamFailed(f"cannot be trusted: {said}")
    if isinstance(error, ConnectionResetError | BrokenPipeError | asyncio.IncompleteReadError):
        return UpstreamFailed("closed the connection before the end of its answer")
    if isinstance(error, socket.gaierror):
        return UpstreamFailed("has a host name that cannot be found")
    if isinstance(error, OSError):
        return UpstreamFailed(f"cannot be reached: {os.strerror(error.errno) if error.errno else 'no connection'}")
    return UpstreamFailed("answers with what is no HTTP")
