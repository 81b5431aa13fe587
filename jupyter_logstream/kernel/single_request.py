"""Single HTTP requests over kept connections: TCP, TLS or Unix socket. Runs in kernels, in user code.

By http.client, which a kernel has imported already: importing httpx, which opens the streams, takes longer than
starting a workload. Each request blocks a thread of its own. This file must not know what is requested.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import socket as sockets
import ssl
import threading
from contextlib import suppress
from functools import lru_cache, partial
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from .event_loop import THREAD_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CONNECT_TIMEOUT_S = 5
REQUEST_TIMEOUT_S = 30
MAX_IDLE_CONNECTIONS = 4
"""Kept connections to one server; of more, the last ones are closed."""

_RESERVED = "/%?:@!$&'()*+,;=~"


class NoAnswer(OSError):
    """The connection failed. `was_sent`: the server can have received the request."""

    def __init__(self, cause: Exception, *, was_sent: bool) -> None:
        super().__init__(str(cause) or type(cause).__name__)
        self.was_sent = was_sent


class Response(NamedTuple):
    """A response with its whole body."""

    status: int
    content: bytes

    def json(self) -> Any:
        """The body as JSON. Raises ValueError."""
        return json.loads(self.content)


async def send(
    url: str,
    unix_socket: str | None,
    method: str,
    params: Mapping[str, Any] | None,
    content: bytes | None,
    headers: Mapping[str, str],
    timeout_s: float = REQUEST_TIMEOUT_S,
) -> Response:
    """Send one request and return the response, of any status. Raises NoAnswer. Redirects are not followed.

    `url`: without a query, which is made of `params`. `unix_socket`: path of the socket to connect to instead of the
    host in `url`. `timeout_s`: how long the server can be silent. A cancelled request is disconnected.
    """
    parts = urlsplit(url)
    target = quote(parts.path, safe=_RESERVED) + (f"?{urlencode(params)}" if params else "")
    idle = _idle_connections(parts.scheme, parts.netloc, unix_socket, os.getpid())
    connection = _take(idle) or _connection(url, unix_socket)
    exchange = partial(_exchange, connection, method, target, content, headers, timeout_s)
    try:
        outcome = await _in_thread(exchange)
    except asyncio.CancelledError:
        if connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(sockets.SHUT_RDWR)  # wakes the thread
        raise
    if isinstance(outcome, NoAnswer):
        raise outcome
    if connection.sock is not None and len(idle) < MAX_IDLE_CONNECTIONS:  # None: the server closed it
        idle.append(connection)
    return outcome


def verifies_certificate(url: str) -> bool:
    """Whether the certificate must name the host: not on the loopback address, as it names the host of browsers."""
    parts = urlsplit(url)
    return parts.scheme == "https" and not _is_loopback(parts.hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


async def _in_thread(exchange: Callable[[], Response | NoAnswer]) -> Response | NoAnswer:
    """Run an exchange in a daemon thread: unlike an executor's, it does not delay the end of the interpreter."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Response | NoAnswer] = loop.create_future()

    def settle(outcome: Response | NoAnswer) -> None:
        if not done.done():  # else it was cancelled
            done.set_result(outcome)

    def run() -> None:
        outcome: Response | NoAnswer = NoAnswer(RuntimeError("the request failed"), was_sent=True)
        try:
            outcome = exchange()
        finally:
            loop.call_soon_threadsafe(settle, outcome)

    try:
        threading.Thread(target=run, name=f"{THREAD_NAME}-request", daemon=True).start()
    except RuntimeError:  # the interpreter is ending and starts no threads; a log's last lines must be sent
        return exchange()
    return await done


def _exchange(
    connection: HTTPConnection,
    method: str,
    target: str,
    content: bytes | None,
    headers: Mapping[str, str],
    timeout_s: float,
) -> Response | NoAnswer:
    was_sent = False
    try:
        is_new = connection.sock is None
        if is_new:
            connection.connect()
        connection.sock.settimeout(timeout_s)
        was_sent = True
        connection.request(method, target, content, dict(headers))
        response = connection.getresponse()
        return Response(response.status, response.read())
    except (OSError, HTTPException) as error:
        connection.close()
        return NoAnswer(error, was_sent=was_sent)


@lru_cache(maxsize=4)
def _idle_connections(scheme: str, host: str, unix_socket: str | None, pid: int) -> list[HTTPConnection]:  # noqa: ARG001
    """The kept connections of one server, as a stack; a forked child has its own."""
    return []


def _take(idle: list[HTTPConnection]) -> HTTPConnection | None:
    """A kept connection that the server has not closed."""
    while True:
        try:
            connection = idle.pop()
        except IndexError:
            return None
        poll = select.poll()
        poll.register(connection.sock, select.POLLIN)
        if not poll.poll(0):
            return connection
        connection.close()


def _connection(url: str, unix_socket: str | None) -> HTTPConnection:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if unix_socket is not None:
        connection: HTTPConnection = _UnixConnection(host, unix_socket)
    elif parts.scheme == "https":
        context = _tls_context(verifies_certificate(url))
        connection = HTTPSConnection(host, parts.port, timeout=CONNECT_TIMEOUT_S, context=context)
    else:
        connection = HTTPConnection(host, parts.port, timeout=CONNECT_TIMEOUT_S)
    connection.set_debuglevel(0)  # whatever the user set for the class: it would print our secret
    return connection


@lru_cache(maxsize=2)
def _tls_context(verify: bool) -> ssl.SSLContext:
    """As httpx makes it, so that requests and streams trust the same authorities."""
    import httpx  # noqa: PLC0415 - only for https

    return httpx.create_ssl_context(verify=verify, trust_env=False)


class _UnixConnection(HTTPConnection):
    """An HTTP connection over a Unix socket."""

    def __init__(self, host: str, path: str) -> None:
        super().__init__(host, timeout=CONNECT_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        """See HTTPConnection."""
        self.sock = sockets.socket(sockets.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
