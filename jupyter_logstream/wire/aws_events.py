"""Splits a response in AWS's binary event stream into JSON objects while it arrives. Any process; stdlib, no I/O.

Bedrock streams its answers in this format (`application/vnd.amazon.eventstream`): messages of a length, the length of
their headers, a checksum of both, headers, a payload in JSON, and a checksum of all, which the client verifies.

Bounded: of a message of more than _MAX_MESSAGE_BYTES nothing is read; time by the caller's `ScanBudget`.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from .decoding import DecodingError
from .json_scan import Path, Paths, ScanBudget

_PRELUDE = struct.Struct(">III")  # length of the message, length of its headers, checksum of these 8 bytes
_MIN_MESSAGE_BYTES = _PRELUDE.size + 4
_MAX_MESSAGE_BYTES = 64 * 1024
_BYTES_PER_STEP = 32  # json needs at most 1 us for them
_VALUE_BYTES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}  # type of a header's value -> its size
_STRING = 7
_WITH_LENGTH = {6, _STRING}


class AwsEventReader:
    """Reads objects from chunks of any size. `on_document` is called as by a `DocumentReader`."""

    def __init__(
        self, wanted: Paths, on_document: Callable[[Mapping[Path, Any], bytes], None], budget: ScanBudget
    ) -> None:
        self.budget = budget
        self.count = 0  # messages so far
        self.has_data = self.has_text = self.has_events = False
        self.stray = b""  # there is no text outside of messages
        self._wanted, self._on_document = wanted, on_document
        self._held = bytearray()
        self._skip = 0  # bytes of a message that is too long

    def feed(self, chunk: bytes) -> None:
        """Read the next bytes. Raises DecodingError if they are not in this format."""
        self._held += chunk
        at = 0
        while not self.budget.spent:
            step = min(self._skip, len(self._held) - at)
            at, self._skip = at + step, self._skip - step
            length, headers = self._prelude(at)
            if length > _MAX_MESSAGE_BYTES:
                self._skip = length
            elif length == 0 or len(self._held) - at < length:
                break
            else:
                self._read(bytes(self._held[at : at + length]), headers)
                at += length
            self.has_data = self.has_text = self.has_events = True
        del self._held[:at]

    def end(self) -> None:
        """The body has ended; an incomplete message is dropped."""
        self._held.clear()

    def _prelude(self, at: int) -> tuple[int, int]:
        """The length of the message and of its headers; 0: not here yet."""
        if self._skip or len(self._held) - at < _PRELUDE.size:
            return 0, 0
        length, headers, checksum = _PRELUDE.unpack_from(self._held, at)
        is_valid = zlib.crc32(self._held[at : at + 8]) == checksum
        if not is_valid or length < _MIN_MESSAGE_BYTES or headers > length - _MIN_MESSAGE_BYTES:
            raise DecodingError("not an event stream of AWS")
        return length, headers

    def _read(self, message: bytes, headers_bytes: int) -> None:
        self.count += 1
        self.budget.spend(1 + len(message) // _BYTES_PER_STEP)
        end = _PRELUDE.size + headers_bytes
        headers = _headers(message[_PRELUDE.size : end])
        value = _payload(message[end:-4])
        is_error = headers.get(b":message-type") in {b"exception", b"error"}
        if is_error and not value:
            text = headers.get(b":error-message") or headers.get(b":exception-type") or headers.get(b":error-code")
            value = {"message": (text or b"").decode("utf-8", "replace")}
        self._on_document(self._wanted.extract(value), b"error" if is_error else b"")


def _headers(data: bytes) -> dict[bytes, bytes]:
    """The headers whose values are strings; malformed ones end the list."""
    found: dict[bytes, bytes] = {}
    at = 0
    while at < len(data):
        name = data[at + 1 : at + 1 + data[at]]
        at += 1 + len(name)
        kind, at = data[at] if at < len(data) else -1, at + 1
        if kind in _WITH_LENGTH:
            size = int.from_bytes(data[at : at + 2], "big")
            if kind == _STRING:
                found[name] = data[at + 2 : at + 2 + size]
            at += 2 + size
        elif kind in _VALUE_BYTES:
            at += _VALUE_BYTES[kind]
        else:
            break
    return found


def _payload(data: bytes) -> dict[str, Any]:
    """The object of a payload; that of a model's own API is in `bytes`, as base64."""
    try:
        value = json.loads(data)
        if isinstance(value, dict) and isinstance(value.get("bytes"), str):
            value = json.loads(base64.b64decode(value["bytes"]))
    except (ValueError, RecursionError, binascii.Error):
        return {}
    return value if isinstance(value, dict) else {}
