"""Decoding of a body as it passes: gzip, deflate, and br and zstd with their packages. Any process; no I/O.

Bounded, since a few kB can hold gigabytes: a call inflates at most _MAX_CALL_BYTES, a body _MAX_RATIO times what was
received and _BASE_BYTES more. A body beyond that is not read further.
"""

from __future__ import annotations

import importlib
import zlib
from typing import Any

_MAX_CALL_BYTES = 1024 * 1024
_MAX_RATIO = 16
_BASE_BYTES = 64 * 1024
_PIECE_BYTES = 64 * 1024
_GZIP = frozenset({"gzip", "x-gzip", "deflate"})
_IDENTITY = frozenset({"", "identity"})


class DecodingError(ValueError):
    """The body is not valid in its encoding, or larger than is read."""


class Decoder:
    """Decodes a body of the Content-Encoding `encoding`. Raises DecodingError at once if there is no decoder."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding.strip().lower()
        self._left = _BASE_BYTES
        if self._encoding not in readable_encodings():
            raise DecodingError(f"no decoder for {self._encoding}")
        self._inner = _inner(self._encoding)

    def feed(self, chunk: bytes) -> list[bytes]:
        """The next bytes, in pieces. Raises DecodingError; the body is then not read further."""
        if self._inner is None:
            return [chunk]
        self._left += _MAX_RATIO * len(chunk)
        found, allowed = [], min(self._left, _MAX_CALL_BYTES)
        try:
            for piece in self._inner.pieces(chunk):
                allowed -= len(piece)
                if allowed < 0:
                    raise DecodingError("more than is read")
                self._left -= len(piece)
                found.append(piece)
        except _errors() as error:
            raise DecodingError(str(error)) from None
        return found


def decode_body(body: bytes, encoding: str) -> str:
    """The text of (the beginning of) a body; "" if its Content-Encoding cannot be read."""
    try:
        found = Decoder(encoding).feed(body)
    except DecodingError:
        return ""
    return b"".join(found).decode("utf-8", "replace")


def readable_encodings() -> frozenset[str]:
    """The encodings that can be read: br and zstd need an optional package."""
    brotli, zstd = _brotli(), _zstd()
    return _IDENTITY | _GZIP | ({"br"} if brotli else set()) | ({"zstd"} if zstd else set())


class _Zlib:
    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=47)

    def pieces(self, chunk: bytes) -> Any:
        while chunk:
            yield self._inner.decompress(chunk, _PIECE_BYTES)
            chunk = self._inner.unconsumed_tail
            if self._inner.eof and self._inner.unused_data:  # servers may flush by ending a gzip member
                chunk, self._inner = self._inner.unused_data, zlib.decompressobj(wbits=47)


class _Brotli:
    def __init__(self) -> None:
        self._inner = _brotli().Decompressor()

    def pieces(self, chunk: bytes) -> Any:
        yield self._inner.process(chunk, output_buffer_limit=_PIECE_BYTES)
        while not self._inner.can_accept_more_data():
            yield self._inner.process(b"", output_buffer_limit=_PIECE_BYTES)


class _Zstd:
    def __init__(self) -> None:
        self._inner = _zstd().ZstdDecompressor()

    def pieces(self, chunk: bytes) -> Any:
        while chunk or not (self._inner.needs_input or self._inner.eof):
            yield self._inner.decompress(chunk, max_length=_PIECE_BYTES)
            chunk = b""
            if self._inner.eof:
                chunk, self._inner = self._inner.unused_data, _zstd().ZstdDecompressor()
                if not chunk:
                    return


def _inner(encoding: str) -> Any:
    if encoding in _IDENTITY:
        return None
    return _Zlib() if encoding in _GZIP else _Brotli() if encoding == "br" else _Zstd()


def _brotli() -> Any:
    """The module; None unless it can bound its output (1.2 and later)."""
    module = _module("brotli")
    return module if hasattr(getattr(module, "Decompressor", None), "can_accept_more_data") else None


def _zstd() -> Any:
    return _module("compression.zstd") or _module("backports.zstd")


def _errors() -> tuple[type[Exception], ...]:
    brotli, zstd = _brotli(), _zstd()
    return (zlib.error, *((brotli.error,) if brotli else ()), *((zstd.ZstdError,) if zstd else ()))


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
