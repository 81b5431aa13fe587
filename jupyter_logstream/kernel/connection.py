"""Requests of the kernel side to the server: discovery, repetition, errors. Runs in kernels, in user code.

All I/O runs on the background event loop (event_loop.py). Single requests are sent by http.client (single_request.py);
streaming.py has what is read as it arrives. This file must not know what a workload is.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from .discovery import ServerAddress, find_server, may_start
from .errors import LogStreamError, NoServer, NotFound, Rejected, ServerFailed
from .event_loop import run_sync
from .single_request import NoAnswer, Response, send

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping


T = TypeVar("T")

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
    return block(fetch(method, path, params=params, body=body, raw=raw, root=root, may_repeat=may_repeat))


def block(work: Coroutine[Any, Any, T]) -> T:
    """Run work on the background event loop and wait for it. Raises what it raises."""
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
    attempts = Attempts()
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
        raise_for_status(response.status, url, response.content)
        return response


class Attempts:
    """Repetition of one request whose connection fails: once, or until the next server of a shared store answers."""

    def __init__(self) -> None:
        self._has_failed, self._deadline = False, time.monotonic() + TAKEOVER_TIMEOUT_S

    async def failed(self, server: ServerAddress, error: Exception, *, was_sent: bool, may_repeat: bool) -> None:
        """Wait before the next attempt, or raise NoServer. `was_sent`: the server can have received the request."""
        waits = server.shared and not was_sent and time.monotonic() < self._deadline
        if not waits and (self._has_failed or (was_sent and not may_repeat)):
            raise no_answer(server, error) from error
        self._has_failed = True
        await asyncio.sleep(RETRY_DELAY_S)


def raise_for_status(status: int, url: str, content: bytes) -> None:
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


def no_answer(server: ServerAddress, error: Exception) -> NoServer:
    """The exception for a server whose connection failed by `error`."""
    return NoServer(
        f"The Jupyter server at {server.socket or server.url} does not answer ({str(error) or type(error).__name__}). "
        "Check that it is running, then try again."
    )
