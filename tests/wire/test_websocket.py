"""WebSocket frames of a client: any division gives the same frames, and what breaks RFC 6455 is refused."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.handshake import KEY, switching

from jupyter_logstream.wire.websocket import (
    BINARY,
    CLOSE,
    MAX_FRAME_BYTES,
    PING,
    BadSocketFrame,
    SocketDecoder,
    encode_frame,
    handshake,
    new_key,
    response_status,
)


def frame(opcode: int, payload: bytes, *, last: bool = True, bits: int = 0) -> bytes:
    """A frame as servers send it: not masked."""
    first, size = bits | (0x80 if last else 0) | opcode, len(payload)
    if size < 126:
        return struct.pack("!BB", first, size) + payload
    return struct.pack("!BBH", first, 126, size) + payload if size < 65536 else struct.pack("!BBQ", first, 127, size)


def unmasked(data: bytes) -> tuple[int, bytes]:
    """Opcode and payload of a client's frame."""
    at, size = 2, data[1] & 0x7F
    assert data[1] & 0x80
    if size >= 126:
        at = 4 if size == 126 else 10
        size = int.from_bytes(data[2:at], "big")
    mask, payload = data[at : at + 4], data[at + 4 :]
    assert len(payload) == size
    return data[0], bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 300_001])
def test_client_masks_each_frame_with_its_whole_payload(size: int) -> None:
    payload = bytes(i * 7 % 256 for i in range(size))
    assert unmasked(encode_frame(BINARY, payload)) == (0x80 | BINARY, payload)


STREAM = (
    frame(BINARY, b"a", last=False) + frame(PING, b"p") + frame(0, b"b" * 300, last=False) + frame(0, b"c")
    + frame(1, b"text") + frame(BINARY, b"") + frame(CLOSE, b"\x03\xe8")
)  # fmt: skip
FRAMES = [
    (BINARY, b"a"), (PING, b"p"), (BINARY, b"b" * 300), (BINARY, b"c"), (BINARY, b"text"), (BINARY, b""),
    (CLOSE, b"\x03\xe8"),
]  # fmt: skip


@given(st.lists(st.integers(1, 40), min_size=1, max_size=40))
def test_fragments_and_control_frames_survive_any_division(sizes: list[int]) -> None:
    data, decoder, found = STREAM, SocketDecoder(), []
    for size in [*sizes, len(data)]:
        found += decoder.feed(data[:size])
        data = data[size:]
    assert found == FRAMES


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (encode_frame(BINARY, b"a"), "masked"),
        (frame(BINARY, b"a", bits=0x40), "reserved bits"),
        (frame(PING, b"p", last=False), "fragmented"),
        (frame(PING, b"p" * 126), "too long"),
        (frame(0, b"a"), "opcode 0 is not expected"),
        (frame(BINARY, b"a", last=False) + frame(BINARY, b"b"), "opcode 2 is not expected"),
        (frame(3, b"a"), "opcode 3 is not expected"),
        (struct.pack("!BBQ", 0x82, 127, MAX_FRAME_BYTES + 1), "at most 1048576 bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # the mask of a frame is random, test ids are not
)
def test_frame_that_breaks_the_protocol_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(BadSocketFrame, match=words):
        SocketDecoder().feed(data)


def test_handshake_is_accepted_by_its_key_only() -> None:
    assert response_status(switching(KEY).partition(b"\r\n\r\n")[0], KEY)[0] == 101
    with pytest.raises(BadSocketFrame, match="does not accept"):
        response_status(switching(KEY).partition(b"\r\n\r\n")[0], new_key())
    assert response_status(b"HTTP/1.1 403 Forbidden\r\nA: b", KEY) == (403, "Forbidden")
    with pytest.raises(BadSocketFrame, match="no HTTP response"):
        response_status(b"SSH-2.0-OpenSSH_9.2", KEY)


def test_header_with_a_line_break_is_refused() -> None:
    with pytest.raises(ValueError, match="line break"):
        handshake("host", "/", KEY, {"Authorization": "Bearer a\r\nCookie: b"})
