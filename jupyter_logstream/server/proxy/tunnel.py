"""WebSocket tunnel: upgrades a connection to an upstream, then copies bytes both ways. Server; no HTTP handler here.

After the upstream's 101 (RFC 6455, section 4) the connection is no longer HTTP. Bytes pass unchanged in both directions
and each side waits for the other, so frames, subprotocols, extensions, pings and close codes are between the two ends.
When one end closes, so does the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from tornado.httputil import HTTPHeaders, HTTPInputError, parse_response_start_line
from tornado.iostream import IOStream, StreamClosedError

from ..request_log.call import Call
from .exchange import UpstreamFailed, failure
from .rules import ALWAYS_RETURNED, Header
from .upstreams import Upstream

_CHUNK_BYTES = 64 * 1024
_MAX_HEAD_BYTES = 64 * 1024
_HANDSHAKE = frozenset(
    {"upgrade", "connection", "sec-websocket-accept", "sec-websocket-protocol", "sec-websocket-extensions"}
)


@dataclass(frozen=True, slots=True)
class Tunnel:
    """An open connection to an upstream with its answer to the handshake. Its owner runs `pump` or `close`."""

    status: int
    headers: list[Header]
    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter

    def head(self, allowed: list[Header]) -> bytes:
        """The response head for the caller: the handshake's headers for 101, else the `allowed` ones."""
        if self.status == 101:
            fields = [(name, value) for name, value in self.headers if name.lower() in _HANDSHAKE]
        else:  # the body follows with the framing that the upstream chose
            framing = [(name, value) for name, value in self.headers if name.lower() == "transfer-encoding"]
            fields = [*allowed, *framing, ("Connection", "close")]
        fields += [field for field in ALWAYS_RETURNED if field not in fields]
        reason = "Switching Protocols" if self.status == 101 else "Answer"
        lines = [f"HTTP/1.1 {self.status} {reason}", *(f"{name}: {value}" for name, value in fields), "", ""]
        return "\r\n".join(lines).encode("latin-1")

    async def pump(self, caller: IOStream, head: bytes, call: Call) -> None:
        """Send `head` to the caller, then copy bytes both ways until one end closes; closes the other end.

        Memory is bounded: each direction holds one chunk of 64 KiB and waits until the other side accepts it.
        """
        try:
            await caller.write(head)
            there = asyncio.create_task(self._to_upstream(caller, call))
            back = asyncio.create_task(self._to_caller(caller, call))
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
            self._writer.close()

    async def _to_upstream(self, caller: IOStream, call: Call) -> None:
        try:
            while True:
                chunk = await caller.read_bytes(_CHUNK_BYTES, partial=True)
                call.sent(chunk)
                self._writer.write(chunk)
                await self._writer.drain()
        except (StreamClosedError, ConnectionError):
            return

    async def _to_caller(self, caller: IOStream, call: Call) -> None:
        try:
            while chunk := await self._reader.read(_CHUNK_BYTES):
                call.received(chunk)
                await caller.write(chunk)
        except (StreamClosedError, ConnectionError):
            return


async def open_tunnel(upstream: Upstream, target: str, headers: Iterable[Header]) -> Tunnel:
    """Connect to the upstream and send the handshake. Cancelling closes the connection. Raises UpstreamFailed."""
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""]
    try:
        connecting = asyncio.open_connection(upstream.host, upstream.port, ssl=upstream.tls, limit=_MAX_HEAD_BYTES)
        reader, writer = await asyncio.wait_for(connecting, upstream.connect_timeout)
    except (OSError, asyncio.TimeoutError) as error:
        raise failure(error) from error
    answered = False
    try:
        writer.write("\r\n".join(lines).encode("latin-1", "replace"))
        status, received = _parse_head(await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), upstream.timeout))
        answered = True
    except (asyncio.LimitOverrunError, HTTPInputError):
        raise UpstreamFailed("sent a response that is not HTTP") from None
    except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError) as error:
        raise failure(error) from error
    finally:
        if not answered:
            writer.close()
    return Tunnel(status, received, reader, writer)


def _parse_head(head: bytes) -> tuple[int, list[Header]]:
    first, _, rest = head.decode("latin-1").partition("\r\n")
    status = parse_response_start_line(first).code
    if not 200 <= status <= 599 and status != 101:
        raise HTTPInputError("no status")
    return status, list(HTTPHeaders.parse(rest).get_all())
