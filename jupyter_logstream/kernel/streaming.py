"""Responses that are read as they arrive: event streams, downloads, exports. Runs in kernels, in user code.

They are received by httpx, which takes long to import: it is imported at the first stream. As connection.py, this file
must not know what a workload is.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, asynccontextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlencode

from ..wire.sse import Decoder, Event, EventTooLarge
from .connection import Attempts, block, locate, no_answer, raise_for_status
from .discovery import ServerAddress
from .errors import LogStreamError
from .event_loop import THREAD_NAME
from .single_request import CONNECT_TIMEOUT_S, REQUEST_TIMEOUT_S, verifies_certificate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    import httpx

READ_TIMEOUT_S = 15.0
"""A stream without a byte for this long is treated as disconnected; the server sends a ping every 5 s."""

UPSTREAM_READ_TIMEOUT_S = 600.0
"""The same for streams of other log servers, which need not send pings."""

SEARCH_TIMEOUT_S = 600.0
"""The same for exports, which can search a large log before they find a line."""

STREAM_OPEN_TIMEOUT_S = 10


def download(path: str, root: str = "v1") -> bytearray:
    """GET `logstream/{root}/{path}` and block for the body, which can be large. Raises LogStreamError."""
    return block(_download(path, root))


def save(path: str, file: BinaryIO, params: Mapping[str, Any], root: str = "v1") -> None:
    """GET `logstream/{root}/{path}` and write the body, of any size, to a file. Raises LogStreamError, OSError."""
    block(_save(f"{root}/{path}?{urlencode(params)}", file))


async def _download(path: str, root: str) -> bytearray:
    async with _open(f"{root}/{path}") as response:
        data = bytearray(int(response.headers["Content-Length"]))
        position = 0
        async for chunk in response.aiter_raw():
            data[position : position + len(chunk)] = chunk
            position += len(chunk)
        return data


async def _save(path: str, file: BinaryIO) -> None:
    async with _open(path, read_timeout=SEARCH_TIMEOUT_S) as response:
        async for chunk in response.aiter_raw():
            file.write(chunk)


@asynccontextmanager
async def open_events(streams: list[dict[str, Any]], root: str = "v1") -> AsyncIterator[AsyncIterator[Event]]:
    """Open `{root}/events` for `streams` and yield an iterator of its events.

    Raises NoServer when the connection fails, ends early or is silent for READ_TIMEOUT_S.
    """
    async with _open_stream("POST", f"{root}/events", {"streams": streams}) as events:
        yield events


@asynccontextmanager
async def open_simple(path: str, last_id: str = "") -> AsyncIterator[AsyncIterator[Event]]:
    """Open the simple form of a log at `logstream/{path}` after the event `last_id`; as `open_events` otherwise."""
    headers = {"Last-Event-ID": last_id} if last_id else {}
    async with _open_stream("GET", path, None, headers, UPSTREAM_READ_TIMEOUT_S) as events:
        yield events


@asynccontextmanager
async def _open_stream(
    method: str,
    path: str,
    body: object,
    extra_headers: Mapping[str, str] | None = None,
    read_timeout: float | None = None,
) -> AsyncIterator[AsyncIterator[Event]]:
    headers = {"Accept": "text/event-stream", **(extra_headers or {})}
    async with _open(path, method, body, headers, read_timeout) as response:
        yield events_of(response)


@asynccontextmanager
async def open_response(
    method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
) -> AsyncIterator[httpx.Response]:
    """An open response of `logstream/{path}` of any status, whose body the caller reads as it arrives.

    `body`: bytes as they are, or a value as JSON. Raises NoServer, also when the response breaks off.
    """
    async with _open(path, method, body, headers, any_status=True) as response:
        yield response


@asynccontextmanager
async def _open(
    path: str,
    method: str = "GET",
    body: object = None,
    extra_headers: Mapping[str, str] | None = None,
    read_timeout: float | None = None,
    *,
    any_status: bool = False,
) -> AsyncIterator[httpx.Response]:
    """An open response of `logstream/{path}`, whose body the caller reads as it arrives. Raises LogStreamError.

    A request that only reads is sent again once if the connection fails before an answer: a kept connection may have
    been closed by the server meanwhile.
    """
    import httpx  # noqa: PLC0415 - slow, see the module's docstring

    async with AsyncExitStack() as opened:
        attempts = Attempts()
        while True:
            server = await locate()
            headers = {
                "Authorization": f"Bearer {server.secret}",
                "Accept-Encoding": "identity",  # a compressor would delay events
                **(extra_headers or {}),
            }
            timeout = httpx.Timeout(STREAM_OPEN_TIMEOUT_S, read=read_timeout or READ_TIMEOUT_S)
            url = f"{server.url}/logstream/{path}"
            content = {"content": body} if isinstance(body, bytes) else {"json": body}
            request = _client(server).stream(method, url, **content, headers=headers, timeout=timeout)
            try:
                response = await opened.enter_async_context(request)
                break
            except httpx.TransportError as error:
                was_sent = not isinstance(error, httpx.ConnectError)
                may_repeat = method == "GET" or not any_status
                await attempts.failed(server, error, was_sent=was_sent, may_repeat=may_repeat)
        try:
            if not response.is_success and not any_status:
                raise_for_status(response.status_code, url, await response.aread())
            yield response
        except httpx.TransportError as error:
            raise no_answer(server, error) from error


async def events_of(response: httpx.Response) -> AsyncIterator[Event]:
    """The events of an open stream. Raises LogStreamError if one is too large."""
    decoder = Decoder()
    async for chunk in response.aiter_bytes():
        try:
            events = decoder.feed(chunk)
        except EventTooLarge as error:  # a repetition would bring the same
            raise LogStreamError(f"The stream cannot be read: {error}.") from None
        for event in events:
            yield event


def _client(server: ServerAddress) -> httpx.AsyncClient:
    return _client_of_loop(server.url, server.socket, asyncio.get_running_loop())


@lru_cache(maxsize=4)
def _client_of_loop(url: str, socket: str | None, _: asyncio.AbstractEventLoop) -> httpx.AsyncClient:
    """One client per server and loop: creating one takes 20 ms, and keeping it saves the connect.

    `trust_env=False`: proxies and .netrc of the environment must not see a request that carries our secret.
    """
    import httpx  # noqa: PLC0415 - slow, see the module's docstring

    for name in ("httpx", "httpcore.connection", "httpcore.http11"):  # our requests do not belong in the user's log
        logging.getLogger(name).addFilter(_is_not_ours)
    verify = verifies_certificate(url)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=4)
    timeout = httpx.Timeout(REQUEST_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    transport = None if socket is None else httpx.AsyncHTTPTransport(uds=socket, limits=limits, trust_env=False)
    return httpx.AsyncClient(trust_env=False, verify=verify, timeout=timeout, limits=limits, transport=transport)


def _is_not_ours(record: logging.LogRecord) -> bool:
    return record.threadName != THREAD_NAME
