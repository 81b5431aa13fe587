"""Carries exchanges with upstreams: connections, HTTP, TLS. Server side; the only file that imports aiohttp.

aiohttp it is for three things that the proxy must have: a response may begin, and end, while the request is still being
sent; whoever leaves cancels it at once; and both directions wait for their reader. This file must not know Tornado, nor
what the bytes mean.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from .exchange import Answer, RequestBody, UpstreamFailed, UpstreamTimedOut, failure
from .rules import Header
from .upstreams import Upstream

_BUFFER = 256 * 1024  # bytes of a response that may wait for the caller's side to take them (twice this at most)
_LONGEST_HEADER = 64 * 1024
_OWN_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")  # aiohttp would add its own


class UpstreamClient:
    """Makes exchanges. Connections are kept and used again; there is no limit to how many are open."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def exchange(
        self, upstream: Upstream, method: str, target: str, headers: Iterable[Header], body: RequestBody | None
    ) -> AsyncIterator[Answer]:
        """Send a request and yield its answer; leaving the block before its end closes the connection.

        Raises UpstreamFailed. No redirect is followed, no cookie is kept, no proxy of the environment is used.
        """
        request = self._open().request(
            method,
            URL(f"{upstream.origin}{target}", encoded=True),
            headers=CIMultiDict(headers),
            data=body,
            allow_redirects=False,
            ssl=upstream.tls if upstream.tls is not None else True,
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=upstream.connect_timeout, sock_read=upstream.timeout
            ),
        )
        try:
            response = await request
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _failure(error) from error
        try:
            _end_with_connection(response)
            told = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers]
            yield Answer(response.status, told, _chunks(response))
        finally:
            response.close()  # gives a connection back when its response was read to the end

    async def close(self) -> None:
        """Let go of all connections."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=_OWN_HEADERS,
                auto_decompress=False,
                trust_env=False,
                read_bufsize=_BUFFER,
                max_line_size=_LONGEST_HEADER,
                max_field_size=_LONGEST_HEADER,
            )
        return self._session


def _end_with_connection(response: aiohttp.ClientResponse) -> None:
    """See to it that a body ends when its connection does: aiohttp closes on a malformed chunk, and tells nobody."""
    protocol = response.connection.protocol if response.connection is not None else None
    closed = protocol.closed if protocol is not None else None

    def end(ended: asyncio.Future[None]) -> None:
        ended.exception()  # seen: what it means for the body is said below
        if not response.content.is_eof() and response.content.exception() is None:
            response.content.set_exception(aiohttp.ClientPayloadError("the connection was closed"))

    if closed is not None:
        closed.add_done_callback(end)


async def _chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.content.iter_any():
            yield chunk
    except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as error:
        raise _failure(error) from error


def _failure(error: Exception) -> UpstreamFailed:
    """An error of aiohttp's as what it means to the caller."""
    if isinstance(error, asyncio.TimeoutError):  # aiohttp's are of this kind, too
        return UpstreamTimedOut("does not answer in time")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return UpstreamFailed("has a host name that cannot be found")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return failure(error.certificate_error)
    if isinstance(error, aiohttp.ClientConnectorError):
        return failure(error.os_error)
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError):
        return UpstreamFailed("closed the connection before the end of its answer")
    if isinstance(error, aiohttp.ClientConnectionError) and error.__cause__ is not None:
        return failure(error.__cause__) if isinstance(error.__cause__, UpstreamFailed) else UpstreamFailed("failed")
    return failure(error)
