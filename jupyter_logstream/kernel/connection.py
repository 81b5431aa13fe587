"""HTTP client of the kernel side: server discovery, requests, event streams, errors. Runs in kernels, in user code.

All I/O runs on the background event loop (event_loop.py). Single requests are sent by http.client (single_request.py),
streams by httpx, which is imported at the first stream. This file must not know what a workload is.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from contextlib import AsyncExitStack, asynccontextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar
from urllib.parse import urlencode, urlsplit

from ..wire.sse import Decoder, Event, EventTooLarge
from .discovery import ServerAddress, find_server, may_start
from .errors import LogStreamError, NoServer, NotFound, Rejected, ServerFailed
from .event_loop import THREAD_NAME, run_sync
from .single_request import CONNECT_TIMEOUT_S, REQUEST_TIMEOUT_S, NoAnswer, Response, send, verifies_certificate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Mapping

    import httpx

T = TypeVar("T")

READ_TIMEOUT_S = 15.0
"""A stream without a byte for this long is treated as disconnected; the server sends a ping every 5 s."""

UPSTREAM_READ_TIMEOUT_S = 600.0
"""The same for streams of other log servers, which need not send pings."""

SEARCH_TIMEOUT_S = 600.0
"""The same for exports, which can search a large log before they find a line."""

STREAM_OPEN_TIMEOUT_S = 10
RETRY_DELAY_S = 0.2
TAKEOVER_TIMEOUT_S = 20.0
"""How long a request waits for the next server of its store, such as a Jupyter server that is starting."""


class _Settings:
    """Settings of this process. `quiet`: start private servers without a message."""

    quiet = False


_settings = _Settings()


def start_servers_quietly() -> None:
    """For processes whose standard error belongs to a workload: write no message about a private server to it."""
    _settings.quiet = True


async def locate() -> ServerAddress:
    """Find a server, or start a private one in another thread, so that other requests go on. Raises NoServer."""
    try:
        return find_server()
    except NoServer:
        if not may_start():
            raise
    from .private_server import ensure_server  # noqa: PLC0415 - rarely needed

    return await asyncio.to_thread(ensure_server, quiet=_settings.quiet)


def call(
    method: str,
    path: str,
    *,
    params: Mapping[str, Any] | None = None,
    body: object = None,
    raw: bytes | None = None,
    root: str = "v1",
    may_repeat: bool = False,
) -> Response:
    """Send one request to `logstream/{root}/{path}` and block for the response.

    `body` is sent as JSON, `raw` unchanged. A request without `raw` (or with `may_repeat`) is sent again once when the
    connection fails, so such a POST must be idempotent. Raises LogStreamError.
    """
    return _block(fetch(method, path, params=params, body=body, raw=raw, root=root, may_repeat=may_repeat))


def download(path: str, root: str = "v1") -> bytearray:
    """GET `logstream/{root}/{path}` and block for the body, which can be large. Raises LogStreamError."""
    return _block(_download(path, root))


def save(path: str, file: BinaryIO, params: Mapping[str, Any], root: str = "v1") -> None:
    """GET `logstream/{root}/{path}` and write the body, of any size, to a file. Raises LogStreamError, OSError."""
    _block(_save(f"{root}/{path}?{urlencode(params)}", file))


def _block(work: Coroutine[Any, Any, T]) -> T:
    try:
        return run_sync(work)
    except LogStreamError as error:
        raise error.with_traceback(None) from error.__cause__  # frames of the background loop do not help the user


async def fetch(
    method: str,
    path: str,
    *,
    params: Mapping[str, Any] | None = None,
    body: object = None,
    raw: bytes | None = None,
    kind: str = "application/octet-stream",
    root: str = "v1",
    may_repeat: bool = False,
) -> Response:
    """`call` as a coroutine for the background loop; `kind` is the media type of `raw`."""
    # ASCII JSON: an environment can hold bytes that are not UTF-8 (lone surrogates in str), which only survive escaped.
    content = raw if body is None else json.dumps(body).encode()
    attempts = _Attempts()
    while True:
        server = await locate()
        headers = {
            "Authorization": f"Bearer {server.secret}",
            "Content-Type": "application/json" if raw is None else kind,
        }
        url = f"{server.url}/logstream/{root}/{path}"
        try:
            response = await send(url, server.socket, method, params, content, headers)
        except NoAnswer as error:
            await attempts.failed(server, error, was_sent=error.was_sent, may_repeat=raw is None or may_repeat)
            continue
        _raise_for_status(response.status, url, response.content)
        return response


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
        attempts = _Attempts()
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
                _raise_for_status(response.status_code, url, await response.aread())
            yield response
        except httpx.TransportError as error:
            raise _no_answer(server, error) from error


class _Attempts:
    """Repetition of one request whose connection fails: once, or until the next server of a shared store answers."""

    def __init__(self) -> None:
        self._has_failed, self._deadline = False, time.monotonic() + TAKEOVER_TIMEOUT_S

    async def failed(self, server: ServerAddress, error: Exception, *, was_sent: bool, may_repeat: bool) -> None:
        """Wait before the next attempt, or raise NoServer. `was_sent`: the server can have received the request."""
        waits = server.shared and not was_sent and time.monotonic() < self._deadline
        if not waits and (self._has_failed or (was_sent and not may_repeat)):
            raise _no_answer(server, error) from error
        self._has_failed = True
        await asyncio.sleep(RETRY_DELAY_S)


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


def _raise_for_status(status: int, url: str, content: bytes) -> None:
    """Raise the exception that stands for the server's error body `{"message", "reason"}`, unless it is a success."""
    if 200 <= status < 300:
        return
    try:
        problem = json.loads(content)
        message, reason = str(problem["message"]), str(problem.get("reason") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        message, reason = f"{urlsplit(url).path} answered with status {status}", ""
    if status == 404:
        raise NotFound(message)
    if 400 <= status < 500:
        raise Rejected(message, reason)
    raise ServerFailed(f"The server failed: {message}")


def _no_answer(server: ServerAddress, error: Exception) -> NoServer:
    return NoServer(
        f"The Jupyter server at {server.socket or server.url} does not answer ({str(error) or type(error).__name__}). "
        "Check that it is running, then try again."
    )


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
