"""WebSocket client as a byte channel: connect, read, write. Runner; stdlib, no asyncio."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

from ..wire.websocket import (
    BINARY,
    CLOSE,
    MAX_RESPONSE_BYTES,
    PING,
    PONG,
    BadSocketFrame,
    SocketDecoder,
    encode_frame,
    handshake,
    new_key,
    response_status,
)

_CONNECT_TIMEOUT_S, _WRITE_TIMEOUT_S = 10.0, 30.0
_READ_BYTES = 1 << 18
_PIECE_BYTES = 256 << 10  # of a message
_SWITCHING_PROTOCOLS = 101


class HandshakeRefused(OSError):
    """The server answered the handshake with another status than 101; `code` is that status."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"the server answered {code} {reason}")
        self.code = code


class WebSocket:
    """An open WebSocket as a channel of bytes; see `serve.Channel`. Bound: one frame."""

    def __init__(self, url: str, headers: Mapping[str, str], ca: str = "") -> None:
        """Connect. `url`: http or https; `ca`: certificates (PEM) to trust besides those of the machine.

        Raises OSError (HandshakeRefused is one) and ValueError.
        """
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        self._socket = socket.create_connection((parts.hostname or "", port), _CONNECT_TIMEOUT_S)
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if secure:
                context = ssl.create_default_context()
                if ca:
                    context.load_verify_locations(cadata=ca)
                self._socket = context.wrap_socket(self._socket, server_hostname=parts.hostname)
            target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
            self._decoder = SocketDecoder()
            self._received = self._open(parts.netloc.rpartition("@")[2], target, headers)
        except BaseException:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """For a selector; `read` can have more when it is not ready, see `is_pending`."""
        return self._socket.fileno()

    @property
    def is_pending(self) -> bool:
        """Whether `read` returns something at once, whatever the selector reports."""
        return bool(self._received) or (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0)

    def read(self) -> bytes | None:
        """Bytes that have arrived; None: none yet; b"": the connection has ended. Answers pings."""
        found, self._received = self._received, b""
        if found:
            return found
        self._socket.settimeout(0)
        try:
            data = self._socket.recv(_READ_BYTES)
            frames = self._decoder.feed(data) if data else [(CLOSE, b"")]
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except (OSError, BadSocketFrame):
            return b""
        return self._contents(frames)

    def write(self, data: bytes) -> None:
        """Send all bytes. Blocks while the other end does not read. Raises OSError, also after _WRITE_TIMEOUT_S."""
        view = memoryview(data)
        for at in range(0, len(view), _PIECE_BYTES):
            self._send(BINARY, bytes(view[at : at + _PIECE_BYTES]))

    def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(OSError):
            self._send(CLOSE, b"")
        self._socket.close()

    def _open(self, host: str, target: str, headers: Mapping[str, str]) -> bytes:
        """Send the handshake; returns what followed the response."""
        key = new_key()
        self._socket.sendall(handshake(host, target, key, headers))
        response = b""
        while b"\r\n\r\n" not in response:
            data = self._socket.recv(_READ_BYTES)
            if not data or len(response) > MAX_RESPONSE_BYTES:
                raise BadSocketFrame("the connection ended before the response to the handshake")
            response += data
        head, _, rest = response.partition(b"\r\n\r\n")
        code, reason = response_status(head, key)
        if code != _SWITCHING_PROTOCOLS:
            raise HandshakeRefused(code, reason)
        return self._contents(self._decoder.feed(rest)) or b""

    def _contents(self, frames: list[tuple[int, bytes]]) -> bytes | None:
        """The bytes in these frames; None if there are none, b"" if the first frame closes the connection."""
        found: list[bytes] = []
        for opcode, payload in frames:
            if opcode == CLOSE:
                return b"".join(found)
            if opcode == PING:
                with contextlib.suppress(OSError):
                    self._send(PONG, payload)
            elif opcode != PONG:
                found.append(payload)
        return b"".join(found) or None

    def _send(self, opcode: int, payload: bytes) -> None:
        self._socket.settimeout(_WRITE_TIMEOUT_S)
        self._socket.sendall(encode_frame(opcode, payload))
