"""Decoding of a body as it passes: gzip, deflate, and br and zstd with their packages. Any process; no I/O.

Bounded, since a few kB can hold gigabytes: a body is inflated to at most _MAX_RATIO times what was received and
_BASE_BYTES more; a body beyond that is not read further. It is inflated lazily, in pieces of at most PIECE_BYTES, so
the caller decides how much of a chunk it reads at a time.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Iterator
from typing import Any

PIECE_BYTES = 64 * 1024
_MAX_RATIO = 64  # events of a stream that repeat all but a word compress 30 times
_BASE_BYTES = 64 * 1024
_INPUT_BYTES = 16 * 1024  # of a chunk per step: the end of each member in it costs a copy of the rest
_ZLIB_OR_GZIP, _RAW_DEFLATE = 47, -15  # wbits of zlib
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
        self.inflates = self._inner is not None  # the body is compressed

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The next bytes in pieces, decoded while they are taken: all must be taken before the next chunk is fed.

        Raises DecodingError while they are taken; the body is then not read further.
        """
        if self._inner is None:
            for start in range(0, len(chunk), PIECE_BYTES):
                yield chunk[start : start + PIECE_BYTES]
            return
        self._left += _MAX_RATIO * len(chunk)
        try:
            for start in range(0, len(chunk), _INPUT_BYTES):
                for piece in self._inner.pieces(chunk[start : start + _INPUT_BYTES]):
                    self._left -= len(piece)
                    if self._left < 0:
                        raise DecodingError("more than is read")
                    yield piece
        except _errors() as error:
            raise DecodingError(str(error)) from None


def decode_body(body: bytes, encoding: str) -> str:
    """The text of (the beginning of) a body; "" if its Content-Encoding cannot be read."""
    found: list[bytes] = []
    try:
        found.extend(Decoder(encoding).feed(body))
    except DecodingError:
        return ""
    return b"".join(found).decode("utf-8", "replace")


def readable_encodings() -> frozenset[str]:
    """The encodings that can be read: br and zstd need an optional package."""
    brotli, zstd = _brotli(), _zstd()
    return _IDENTITY | _GZIP | ({"br"} if brotli else set()) | ({"zstd"} if zstd else set())


class _Zlib:
    """gzip, and deflate with or without the header of zlib: servers send either."""

    def __init__(self, *, is_deflate: bool) -> None:
        self._inner = None if is_deflate else zlib.decompressobj(wbits=_ZLIB_OR_GZIP)
        self._head = b""  # the first byte of deflate

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        inner = self._inner
        if inner is None:
            chunk = self._head + chunk
            if len(chunk) < 2:
                self._head = chunk
                return
            inner = self._inner = zlib.decompressobj(wbits=_ZLIB_OR_GZIP if _has_header(chunk) else _RAW_DEFLATE)
        while True:
            piece = inner.decompress(chunk, PIECE_BYTES)
            yield piece
            chunk = inner.unconsumed_tail
            if inner.eof:  # servers may flush by ending a gzip member
                chunk = inner.unused_data
                inner = self._inner = zlib.decompressobj(wbits=_ZLIB_OR_GZIP)
                if not chunk:
                    return
            elif not chunk and len(piece) < PIECE_BYTES:
                return


class _Brotli:
    def __init__(self) -> None:
        self._inner = _brotli().Decompressor()

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        piece = chunk
        while piece or not self._inner.can_accept_more_data():  # true also while there is more output
            piece = self._inner.process(chunk, output_buffer_limit=PIECE_BYTES)
            chunk = b""
            yield piece


class _Zstd:
    def __init__(self) -> None:
        self._inner = _zstd().ZstdDecompressor()

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        while chunk or not (self._inner.needs_input or self._inner.eof):
            yield self._inner.decompress(chunk, max_length=PIECE_BYTES)
            chunk = b""
            if self._inner.eof:
                chunk, self._inner = self._inner.unused_data, _zstd().ZstdDecompressor()
                if not chunk:
                    return


def _inner(encoding: str) -> Any:
    if encoding in _IDENTITY:
        return None
    if encoding in _GZIP:
        return _Zlib(is_deflate=encoding == "deflate")
    return _Brotli() if encoding == "br" else _Zstd()


def _has_header(data: bytes) -> bool:
    """Whether deflated data starts with the header of zlib (RFC 1950, 2.2)."""
    return data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0


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
