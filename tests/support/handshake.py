"""WebSocket handshakes, byte for byte (RFC 6455, 4). Test support."""

from __future__ import annotations

import base64
import hashlib

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


def accept(key: str) -> str:
    """The value of Sec-WebSocket-Accept for a key."""
    digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode(), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def switching(key: str, version: str = "1.1", **headers: str) -> bytes:
    """A 101 for this key; `headers` replace its own (`_` stands for `-`, "" leaves one out)."""
    fields = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept(key)}
    fields.update({name.replace("_", "-"): value for name, value in headers.items()})
    lines = [f"HTTP/{version} 101 Switching Protocols", *(f"{n}: {v}" for n, v in fields.items() if v), "", ""]
    return "\r\n".join(lines).encode()
