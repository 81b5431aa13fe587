"""WebSocket tunnel: verifies an upstream's 101, then copies bytes both ways. Server; no HTTP handler here.

Only a 101 that answers this very handshake (RFC 6455, section 4) makes the connection a tunnel. Bytes then pass
unchanged in both directions and each side waits for the other, so frames, subprotocols, extensions, pings and close
codes are between the two ends. When one end closes, so does the other.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Mapping

from tornado.iostream import IOStream, StreamClosedError

from ..request_log.call import Call
from .exchange import Answer, RawConnection, UpstreamFailed
from .rules import ALWAYS_RETURNED, Header

_CHUNK_BYTES = 64 * 1024
_RETURNED = frozenset({"sec-websocket-accept", "sec-websocket-protocol", "sec-websocket-extensions"})
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


def is_handshake(method: str, version: str, headers: Mapping[str, str], *, has_body: bool) -> bool:
    """Whether a request is a WebSocket handshake; any other `Upgrade` is dropped as every hop-by-hop header."""
    is_upgrade = "websocket" in _tokens(headers.get("Upgrade")) and "upgrade" in _tokens(headers.get("Connection"))
    return is_upgrade and method == "GET" and version == "HTTP/1.1" and not has_body


def verified_connection(answer: Answer, key: str) -> RawConnection:
    """The connection behind a 101, if it is the answer to the handshake with this key. Raises UpstreamFailed."""
    expected = base64.b64encode(hashlib.sha1(key.encode("latin-1") + _GUID, usedforsecurity=False).digest()).decode()
    given = [value.strip() for name, value in answer.headers if name.lower() == "sec-websocket-accept"]
    upgrades = [value.strip().lower() for name, value in answer.headers if name.lower() == "upgrade"]
    if answer.connection is None or upgrades != ["websocket"] or given != [expected] or not key:
        raise UpstreamFailed("answered the WebSocket handshake with an invalid 101")
    return answer.connection


async def pump(caller: IOStream, connection: RawConnection, headers: list[Header], call: Call) -> None:
    """Send the caller the head of the 101, then copy bytes both ways until one end closes; closes the caller's end.

    Memory is bounded: each direction holds one chunk and waits until the other side accepts it.
    """
    try:
        await caller.write(_head(headers))
        there = asyncio.create_task(_to_upstream(caller, connection, call))
        back = asyncio.create_task(_to_caller(caller, connection, call))
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


async def _to_upstream(caller: IOStream, connection: RawConnection, call: Call) -> None:
    try:
        while True:
            chunk = await caller.read_bytes(_CHUNK_BYTES, partial=True)
            call.sent(chunk)
            await connection.write(chunk)
    except (StreamClosedError, OSError):
        return


async def _to_caller(caller: IOStream, connection: RawConnection, call: Call) -> None:
    try:
        while chunk := await connection.read():
            call.received(chunk)
            await caller.write(chunk)
    except StreamClosedError:
        return


def _head(headers: list[Header]) -> bytes:
    """The head of the 101 for the caller: of the upstream's headers only those of the handshake."""
    fields = [("Upgrade", "websocket"), ("Connection", "Upgrade")]
    fields += [(name, value) for name, value in headers if name.lower() in _RETURNED]
    fields += ALWAYS_RETURNED
    lines = ["HTTP/1.1 101 Switching Protocols", *(f"{name}: {value}" for name, value in fields), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def _tokens(value: str | None) -> set[str]:
    return {token.strip().lower() for token in (value or "").split(",")}
