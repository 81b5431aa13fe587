"""WebSockets through the proxy: the handshake is ours to check, all that follows goes through as it is. Server side.

After the upstream's 101 the connection is no longer HTTP: bytes are passed on both ways, each side waiting for the
other, so frames of any size, subprotocols, extensions, pings and close codes are the business of the two ends. When one
end closes, so does the other. This file must not know frames.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from jupyter_server.utils import url_path_join
from tornado.httputil import HTTPHeaders, HTTPInputError, parse_response_start_line
from tornado.iostream import IOStream, StreamClosedError

from ..http.base import Refused
from ..http.sse_response import cut
from ..request_log.call import Call
from .exchange import UpstreamFailed, UpstreamTimedOut, failure
from .rules import ALWAYS_RETURNED, Header, response_headers, upgrade_headers
from .upstreams import Upstream

if TYPE_CHECKING:
    from tornado.http1connection import HTTP1Connection

    from ..http.proxy import ProxyHandler

_PIECE = 64 * 1024
_LONGEST_HEAD = 64 * 1024
_HANDSHAKE = frozenset({"upgrade", "connection", "sec-websocket-accept", "sec-websocket-protocol"})
_HANDSHAKE_TOO = frozenset({"sec-websocket-extensions"})


async def tunnel(
    handler: ProxyHandler,
    upstream: Upstream,
    target: str,
    headers: list[Header],
    secrets: Collection[str],
    call: Call,
) -> None:
    """Ask the upstream to upgrade; give the caller its answer, and from then on every byte. Raises Refused."""
    caller = cast("HTTP1Connection", handler.request.connection).stream
    asked = asyncio.ensure_future(_ask(upstream, target, headers, handler, secrets))
    caller.set_close_callback(partial(_leave, asked))
    try:
        reader, writer, status, told = await asked
    except UpstreamFailed as error:
        timed_out = isinstance(error, UpstreamTimedOut)
        status, reason = (504, "upstream_timeout") if timed_out else (502, "bad_gateway")
        call.fail("timeout" if timed_out else "error", str(error), status)
        raise Refused(status, reason, f"the upstream {upstream.name} {error}") from None
    except asyncio.CancelledError:
        call.fail("cancelled")
        cut(handler)
        return
    call.answered(status, told)
    here = url_path_join(handler.base_url, "logstream/proxy", upstream.name)
    head = _head(status, told, response_headers(told, upstream, here, target))
    passing = asyncio.create_task(_pass(handler.detach(), reader, writer, head, call))
    handler.open_calls.add(passing)
    passing.add_done_callback(handler.open_calls.discard)


def _leave(asked: asyncio.Future[Any]) -> None:
    asked.cancel()


async def _ask(
    upstream: Upstream, target: str, headers: Iterable[Header], handler: ProxyHandler, secrets: Collection[str]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, int, list[Header]]:
    """Send the handshake; the connection, with the status and headers of its answer. UpstreamFailed."""
    fields = [*headers, *upgrade_headers(handler.request.headers.get_all(), secrets)]
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields), "", ""]
    try:
        connecting = asyncio.open_connection(upstream.host, upstream.port, ssl=upstream.tls, limit=_LONGEST_HEAD)
        reader, writer = await asyncio.wait_for(connecting, upstream.connect_timeout)
    except (OSError, asyncio.TimeoutError) as error:
        raise failure(error) from error
    answered = False
    try:
        writer.write("\r\n".join(lines).encode("latin-1", "replace"))
        status, told = _parsed(await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), upstream.timeout))
        answered = True
    except (asyncio.LimitOverrunError, HTTPInputError):
        raise UpstreamFailed("answers with what is no HTTP") from None
    except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError) as error:
        raise failure(error) from error
    finally:
        if not answered:
            writer.close()
    return reader, writer, status, told


def _parsed(head: bytes) -> tuple[int, list[Header]]:
    first, _, rest = head.decode("latin-1").partition("\r\n")
    status = parse_response_start_line(first).code
    if not 200 <= status <= 599 and status != 101:
        raise HTTPInputError("no status")
    return status, list(HTTPHeaders.parse(rest).get_all())


def _head(status: int, told: list[Header], kept: list[Header]) -> bytes:
    """The answer's head as it goes to the caller: for 101 the handshake's headers, else as of any answer."""
    if status == 101:
        fields = [(n, v) for n, v in told if n.lower() in _HANDSHAKE | _HANDSHAKE_TOO]
    else:  # its body follows as it was framed
        framing = [(n, v) for n, v in told if n.lower() == "transfer-encoding"]
        fields = [*kept, *framing, ("Connection", "close")]
    fields += [field for field in ALWAYS_RETURNED if field not in fields]
    reason = "Switching Protocols" if status == 101 else "Answer"
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in fields), "", ""]
    return "\r\n".join(lines).encode("latin-1")


async def _pass(
    caller: IOStream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes, call: Call
) -> None:
    """Bytes both ways until one end closes; then the other is closed, too."""
    try:
        await caller.write(head)
        there = asyncio.create_task(_to_upstream(caller, writer, call))
        back = asyncio.create_task(_to_caller(caller, reader, call))
        try:
            await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
        finally:
            there.cancel()
            back.cancel()
            await asyncio.gather(there, back, return_exceptions=True)
        call.finish()
    except StreamClosedError:
        call.fail("cancelled")
    except asyncio.CancelledError:
        call.fail("interrupted")
    finally:
        caller.close()
        writer.close()


async def _to_upstream(caller: IOStream, writer: asyncio.StreamWriter, call: Call) -> None:
    try:
        while True:
            piece = await caller.read_bytes(_PIECE, partial=True)
            call.sent(piece)
            writer.write(piece)
            await writer.drain()
    except (StreamClosedError, ConnectionError):
        return


async def _to_caller(caller: IOStream, reader: asyncio.StreamReader, call: Call) -> None:
    try:
        while piece := await reader.read(_PIECE):
            call.received(piece)
            await caller.write(piece)
    except (StreamClosedError, ConnectionError):
        return
