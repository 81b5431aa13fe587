"""HTTP client for upstreams: connections, HTTP, TLS. Server; the only file that imports aiohttp.

The proxy needs three things that aiohttp has: a response can start and end while the request is still being sent,
cancellation takes effect at once, and both directions have back-pressure. No Tornado here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import aiohttp
from aiohttp.client_proto import ResponseHandler  # noqa: TC002 - with the others
from aiohttp.http import HttpVersion11, StreamWriter
from multidict import CIMultiDict
from yarl import URL

from .exchange import Answer, RawConnection, RequestBody, UpstreamFailed, UpstreamTimedOut, failure
from .rules import Header
from .upstreams import Upstream

_BUFFER_BYTES = 256 * 1024  # of a response, when the caller reads slowly (at most twice this)
_MAX_HEADER_BYTES = 64 * 1024
_OWN_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")  # aiohttp would add its own


class UpstreamClient:
    """Makes exchanges. Reuses connections; the number of open connections is not limited."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def exchange(
        self, upstream: Upstream, method: str, target: str, headers: Iterable[Header], body: RequestBody | None
    ) -> AsyncIterator[Answer]:
        """Send a request and yield its response; leaving the block before the response's end closes the connection.

        Follows no redirect, stores no cookie, ignores proxies of the environment. Raises UpstreamFailed.
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
            received = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers]
            connection = _upgraded(response)
            if connection is None:
                _end_with_connection(response)
            yield Answer(response.status, received, _chunks(response), connection)
        finally:
            response.close()  # returns the connection to the pool if the response was read to its end

    async def close(self) -> None:
        """Close all connections."""
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
                read_bufsize=_BUFFER_BYTES,
                max_line_size=_MAX_HEADER_BYTES,
                max_field_size=_MAX_HEADER_BYTES,
            )
        return self._session


class _Upgraded:
    """A connection after its 101. Bounded: reading pauses at _BUFFER_BYTES, writing waits beyond 64 KiB."""

    def __init__(self, protocol: ResponseHandler) -> None:
        loop = asyncio.get_running_loop()
        self._incoming = aiohttp.StreamReader(protocol, _BUFFER_BYTES, loop=loop)
        self._outgoing = StreamWriter(protocol, loop)
        protocol.read_timeout = None  # it applies to responses: an open connection can be silent
        protocol.set_parser(self, self._incoming)

    async def read(self) -> bytes:
        try:
            return await self._incoming.readany()
        except (aiohttp.ClientError, OSError):
            return b""

    async def write(self, data: bytes) -> None:
        await self._outgoing.write(data)

    # Called by aiohttp, which hands the bytes of an upgraded connection to a parser.

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self._incoming.feed_data(data)
        return False, b""

    def feed_eof(self) -> None:
        self._incoming.feed_eof()


def _upgraded(response: aiohttp.ClientResponse) -> RawConnection | None:
    """The connection of a 101 with `Connection: Upgrade` and an `Upgrade` header in HTTP/1.1; else None."""
    protocol = response.connection.protocol if response.connection is not None else None
    is_upgraded = response.status == 101 and response.version == HttpVersion11
    return _Upgraded(protocol) if is_upgraded and protocol is not None and protocol.upgraded else None


def _end_with_connection(response: aiohttp.ClientResponse) -> None:
    """End a body with its connection: aiohttp closes the connection on a malformed chunk without reporting it."""
    protocol = response.connection.protocol if response.connection is not None else None
    closed = protocol.closed if protocol is not None else None

    def end(ended: asyncio.Future[None]) -> None:
        ended.exception()  # retrieve it: the body reports the error
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
    """Translate an error of aiohttp."""
    if isinstance(error, asyncio.TimeoutError):  # aiohttp's timeouts are subclasses
        return UpstreamTimedOut("did not respond in time")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return UpstreamFailed("has a host name that cannot be resolved")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return failure(error.certificate_error)
    if isinstance(error, aiohttp.ClientConnectorError):
        return failure(error.os_error)
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError):
        return UpstreamFailed("closed the connection before the end of its response")
    if isinstance(error, aiohttp.ClientConnectionError) and error.__cause__ is not None:
        return failure(error.__cause__) if isinstance(error.__cause__, UpstreamFailed) else UpstreamFailed("failed")
    return failure(error)
