"""The kernel's end of the HTTP connection: where the server is, one call, one event stream, errors. Runs in kernels.

All I/O happens on one event loop in one daemon thread, whoever asks: so a caller may block with an exact timeout,
be interrupted, or await, and there is one implementation.
This file must not know what a workload is, nor import the server
side. httpx is imported where it is first used.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import logging
import os
import socket
import threading
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from ..wire.sse import Decoder, Event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Mapping

    import httpx

T = TypeVar("T")

SILENCE = 15.0
"""Seconds without a byte after which a stream counts as cut; the server pings every 5 s."""

SILENCE_ELSEWHERE = 600.0
"""The same for log servers of somebody else's: one without pings is silent for as long as its program is."""


class LogStreamError(Exception):
    """What jupyter-logstream raises; catch this for all of them."""


class NoServer(LogStreamError):
    """There is no server to talk to: none known, or it does not answer."""


class ServerFailed(LogStreamError):
    """The server answers, but with a failure of its own (5xx)."""


class NotFound(LogStreamError, LookupError):
    """The server does not know what was asked for."""


class Rejected(LogStreamError, ValueError):
    """The server refuses the call; the message names what is wrong, `reason` is its stable code."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Place:
    """Where the server is, and what opens its logstream routes."""

    url: str
    secret: str


def find_server() -> Place:
    """Read the server's place, anew each time: a restarted server may be elsewhere. Raises NoServer.

    The file named by JUPYTER_LOGSTREAM_SERVER is kept up to date by the server; where it cannot be read (another
    machine), JUPYTER_LOGSTREAM_URL and JUPYTER_LOGSTREAM_SECRET say what was true when the kernel was started.
    """
    env = os.environ
    if path := env.get("JUPYTER_LOGSTREAM_SERVER"):
        try:
            place = json.loads(Path(path).read_bytes())
            return Place(place["url"].rstrip("/"), place["secret"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # the environment is the second source; without it the error below says what to do
    if (url := env.get("JUPYTER_LOGSTREAM_URL")) and (secret := env.get("JUPYTER_LOGSTREAM_SECRET")):
        return Place(url.rstrip("/"), secret)
    raise NoServer(
        "There is no server to talk to: this Python was not started by a Jupyter server that has jupyter-logstream. "
        "Install jupyter-logstream where Jupyter Server runs (`jupyter server extension list` there must show it as "
        "enabled), restart the server, then this kernel."
    )


def call(
    method: str,
    path: str,
    *,
    params: Mapping[str, Any] | None = None,
    body: object = None,
    raw: bytes | None = None,
    root: str = "v1",
) -> httpx.Response:
    """Make one call to `logstream/{root}/{path}` and block for the answer; `body` goes as JSON, `raw` as it is.

    Tried a second time when the connection failed, so every POST must be safe to repeat. Raises LogStreamError.
    """
    try:
        return block(fetch(method, path, params=params, body=body, raw=raw, root=root))
    except LogStreamError as error:
        raise error.with_traceback(None) from error.__cause__  # the frames of our loop and thread tell nobody anything


async def fetch(
    method: str,
    path: str,
    *,
    params: Mapping[str, Any] | None = None,
    body: object = None,
    raw: bytes | None = None,
    kind: str = "application/octet-stream",
    root: str = "v1",
) -> httpx.Response:
    """`call`, to be awaited on the loop of this module; `kind`: what `raw` is."""
    import httpx  # noqa: PLC0415 - lazily, see above

    # ASCII JSON: an environment may hold bytes that are not UTF-8 (lone surrogates here), which only survive escaped.
    content = raw if body is None else json.dumps(body).encode()
    for attempt in (1, 2):
        place = find_server()
        headers = {
            "Authorization": f"Bearer {place.secret}",
            "Content-Type": "application/json" if raw is None else kind,
        }
        try:
            response = await _http(place.url).request(
                method, f"{place.url}/logstream/{root}/{path}", params=params, content=content, headers=headers
            )
        except httpx.TransportError as error:
            if attempt == 2 or raw is not None:
                raise _no_answer(place, error) from error
            await asyncio.sleep(0.2)
            continue
        _check(response)
        return response
    raise AssertionError  # the loop returns or raises


@asynccontextmanager
async def open_events(streams: list[dict[str, Any]], root: str = "v1") -> AsyncIterator[AsyncIterator[Event]]:
    """Open `{root}/events` for `streams`; yields its events as they come. Raises NoServer where it is cut or silent."""
    async with _open_stream("POST", f"{root}/events", {"streams": streams}) as events:
        yield events


@asynccontextmanager
async def open_simple(path: str, last_id: str = "") -> AsyncIterator[AsyncIterator[Event]]:
    """Open a stream of the simple form at `logstream/{path}`, behind the event with the id `last_id`. As above."""
    headers = {"Last-Event-ID": last_id} if last_id else {}
    async with _open_stream("GET", path, None, headers, SILENCE_ELSEWHERE) as events:
        yield events


@asynccontextmanager
async def _open_stream(
    method: str, path: str, body: object, more: Mapping[str, str] | None = None, silence: float = SILENCE
) -> AsyncIterator[AsyncIterator[Event]]:
    import httpx  # noqa: PLC0415 - lazily, see above

    place = find_server()
    headers = {
        "Authorization": f"Bearer {place.secret}",
        "Accept": "text/event-stream",
        "Accept-Encoding": "identity",  # a compressor would hold events back
        **(more or {}),
    }
    url, timeout = f"{place.url}/logstream/{path}", httpx.Timeout(10, read=silence)
    try:
        request = _http(place.url).stream(method, url, json=body, headers=headers, timeout=timeout)
        async with request as response:
            if response.is_error:
                await response.aread()
            _check(response)
            yield _events(response)
    except httpx.TransportError as error:
        raise _no_answer(place, error) from error


async def _events(response: httpx.Response) -> AsyncIterator[Event]:
    decoder = Decoder()
    async for chunk in response.aiter_bytes():
        for event in decoder.feed(chunk):
            yield event


def _check(response: httpx.Response) -> None:
    """Turn the server's `{"message", "reason"}` into the exception that it stands for."""
    if response.is_success:
        return
    try:
        answer = response.json()
        message, reason = str(answer["message"]), str(answer.get("reason") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        message, reason = f"{response.request.url.path} answers {response.status_code}", ""
    if response.status_code == 404:
        raise NotFound(message)
    if response.is_client_error:
        raise Rejected(message, reason)
    raise ServerFailed(f"The server failed: {message}")


def _no_answer(place: Place, error: Exception) -> NoServer:
    return NoServer(
        f"The Jupyter server at {place.url} does not answer ({str(error) or type(error).__name__}). Does it run?"
    )


# --- the loop -------------------------------------------------------------------------------------------------------


def block(work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
    """Run `work` on the loop and wait for it; raises TimeoutError. Timeout and interrupt cancel it."""
    future = asyncio.run_coroutine_threadsafe(work, _loop())
    try:
        return future.result(timeout)
    except concurrent.futures.TimeoutError as error:  # not the builtin one before Python 3.11
        raise TimeoutError(str(error)) from None
    finally:
        future.cancel()  # an interrupted cell lets go of its stream


def later(work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
    """Run `work` on the loop, and do not wait for it."""
    return asyncio.run_coroutine_threadsafe(work, _loop())


async def across(work: Coroutine[Any, Any, T]) -> T:
    """Await `work` from another loop (the kernel's), while it runs on ours."""
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, _loop()))


_THREAD = "jupyter-logstream"
_making = threading.Lock()


def _loop() -> asyncio.AbstractEventLoop:
    with _making:
        return _start_loop(os.getpid())


class _Loop(asyncio.SelectorEventLoop):
    """Finds hosts also while the interpreter ends (a log's last lines!), when no executor takes work any more."""

    async def getaddrinfo(self, host: Any, port: Any, **how: Any) -> Any:
        """As asyncio's; blocks at the end of the process only."""
        try:
            return await super().getaddrinfo(host, port, **how)
        except RuntimeError:
            return socket.getaddrinfo(host, port, **how)


@lru_cache(maxsize=1)
def _start_loop(pid: int) -> asyncio.AbstractEventLoop:  # noqa: ARG001 - a forked child has no thread, needs its own
    loop = _Loop()
    threading.Thread(target=loop.run_forever, name=_THREAD, daemon=True).start()
    _http.cache_clear()
    return loop


@lru_cache(maxsize=4)
def _http(url: str) -> httpx.AsyncClient:
    """One client per server: making one costs 20 ms, keeping it saves the connect.

    `trust_env=False`: proxies and .netrc of the environment are not for a call that carries our secret to this machine.
    """
    import httpx  # noqa: PLC0415 - lazily, see above

    for name in ("httpx", "httpcore.connection", "httpcore.http11"):  # our calls are no news for the user's own log
        logging.getLogger(name).addFilter(_is_not_ours)
    # A certificate names the host that browsers use, not the loopback address that the kernel reaches it by.
    verify = urlsplit(url).scheme == "https" and not _is_loopback(urlsplit(url).hostname or "")
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=4)
    return httpx.AsyncClient(trust_env=False, verify=verify, timeout=httpx.Timeout(30, connect=5), limits=limits)


def _is_not_ours(record: logging.LogRecord) -> bool:
    return record.threadName != _THREAD


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
