"""WebSocket frames (RFC 6455) of a client: handshake, masking, fragments, control frames. Runner; stdlib, no I/O.

The server's end is Tornado's. Messages are pieces of a byte stream here, so the pieces of a fragmented message are
passed on as they arrive.
"""

from __future__ import annotations

import base64
import hashlib
import os
import struct
from collections.abc import Mapping

MAX_FRAME_BYTES = 1 << 20
"""Of one frame; a longer one raises BadSocketFrame."""

MAX_RESPONSE_BYTES = 64 << 10
"""Of the response to the handshake."""

_MAX_TARGET_CHARS = 200
_CONTINUATION, _TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
_LAST, _MASKED = 0x80, 0x80
_MAX_CONTROL_BYTES = 125
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class BadSocketFrame(ValueError):
    """The other end breaks RFC 6455. The text shows how."""


def handshake(host: str, target: str, key: str, headers: Mapping[str, str]) -> bytes:
    """The request that opens a WebSocket. `key`: see `new_key`. Raises ValueError for a header with a line break."""
    fields = {
        "Host": host,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Version": "13",
        **headers,
    }
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a header of the handshake contains a line break")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def new_key() -> str:
    """A random Sec-WebSocket-Key."""
    return base64.b64encode(os.urandom(16)).decode()


def response_status(response: bytes, key: str) -> tuple[int, str]:
    """Status code and reason of the handshake's response, up to its empty line; 101: the WebSocket is open.

    The reason of a redirection, which is not followed, names its target.
    Raises BadSocketFrame for what is no HTTP response, or a 101 that does not answer this key.
    """
    head, *lines = response.decode("latin-1").split("\r\n")
    version, _, rest = head.partition(" ")
    code, _, reason = rest.partition(" ")
    if not version.startswith("HTTP/1.") or not code.isdigit():
        raise BadSocketFrame(f"no HTTP response: {head[:80]!r}")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    expected = base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest()).decode()  # noqa: S324 - RFC 6455
    if code == "101" and fields.get("sec-websocket-accept") != expected:
        raise BadSocketFrame("the response does not accept this handshake")
    target = fields.get("location", "")[:_MAX_TARGET_CHARS]
    return int(code), f"{reason} to {target}" if target else reason


def encode_frame(opcode: int, payload: bytes) -> bytes:
    """A whole message or control frame, masked as a client must."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", _LAST | opcode, _MASKED | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", _LAST | opcode, _MASKED | 126, size)
    else:
        head = struct.pack("!BBQ", _LAST | opcode, _MASKED | 127, size)
    mask = os.urandom(4)
    return head + mask + _masked(payload, mask)


def _masked(payload: bytes, mask: bytes) -> bytes:
    """XOR with the repeated mask, as one large number: a loop over bytes is a hundred times slower."""
    size = len(payload)
    repeated = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(size, "big")


class SocketDecoder:
    """Splits bytes from a server into frames. Bound: one frame of MAX_FRAME_BYTES; a longer one is refused."""

    def __init__(self) -> None:
        self._unread = bytearray()
        self._in_message = False

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The frames that these bytes complete, as opcode and payload; data frames are all BINARY.

        Raises BadSocketFrame.
        """
        self._unread += data
        frames: list[tuple[int, bytes]] = []
        while (head := self._head()) is not None:
            at, size = head
            if len(self._unread) < at + size:
                break
            first = self._unread[0]
            payload = bytes(self._unread[at : at + size])
            del self._unread[: at + size]
            frames.append((self._checked(first), payload))
        return frames

    def _head(self) -> tuple[int, int] | None:
        """Where the payload of the next frame begins, and its size; None if the header is not complete."""
        if len(self._unread) < 2:
            return None
        size, at = self._unread[1], 2
        if size & _MASKED:
            raise BadSocketFrame("a server masked a frame")
        if self._unread[0] & CLOSE and size > _MAX_CONTROL_BYTES:
            raise BadSocketFrame("a control frame is too long")
        if size >= 126:
            at = 4 if size == 126 else 10
            if len(self._unread) < at:
                return None
            size = int.from_bytes(self._unread[2:at], "big")
        if size > MAX_FRAME_BYTES:
            raise BadSocketFrame(f"a frame has at most {MAX_FRAME_BYTES} bytes, not {size}")
        return at, size

    def _checked(self, first: int) -> int:
        """The opcode of a frame by its first byte; that of data frames is BINARY. Raises BadSocketFrame."""
        last, opcode = bool(first & _LAST), first & 0x0F
        if first & 0x70:
            raise BadSocketFrame("a frame has reserved bits: no extension was negotiated")
        if opcode in {CLOSE, PING, PONG}:
            if not last:
                raise BadSocketFrame("a control frame is fragmented")
            return opcode
        if opcode not in {_CONTINUATION, _TEXT, BINARY} or (opcode == _CONTINUATION) != self._in_message:
            raise BadSocketFrame(f"a frame with opcode {opcode} is not expected here")
        self._in_message = not last
        return BINARY
