"""Envelope: file format of pickled calls and results, with a header that is read without unpickling. Any process.

    header   one line of ASCII JSON, padded with spaces so that the first part is aligned
    parts    the pickle, then its out-of-band buffers (PEP 574), each aligned to ALIGNMENT_BYTES

The header has `format`, `parts` (their sizes in bytes) and what the writer adds: versions, type, a short repr. Server
and runner read headers only: loading a pickle executes code, so it happens only in the user's own processes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Union

FORMAT = 1
ALIGNMENT_BYTES = 64
"""Arrays are loaded in place, and processors read aligned ones faster."""

MAX_HEADER_BYTES = 1 << 20
"""A longer header is refused by writer and reader."""

Part = Union[bytes, bytearray, memoryview]


class BadEnvelope(ValueError):
    """The file is no envelope of a known format, or it is cut off. The text names the problem."""


def pack(header: Mapping[str, Any], parts: Sequence[Part]) -> Iterator[Part]:
    """The envelope in chunks, without copies of the parts. Raises BadEnvelope if the header is too long."""
    sizes = [len(memoryview(part).cast("B")) for part in parts]
    line = json.dumps({**header, "format": FORMAT, "parts": sizes}).encode()
    if len(line) >= MAX_HEADER_BYTES - ALIGNMENT_BYTES:
        raise BadEnvelope(f"the header has {len(line)} bytes")
    yield line + b" " * _padding(len(line) + 1) + b"\n"
    for part, size in zip(parts, sizes):
        yield memoryview(part).cast("B")
        yield bytes(_padding(size))


def unpack(data: Part) -> tuple[dict[str, Any], list[memoryview]]:
    """Header and parts of an envelope; the parts are views of `data`. Raises BadEnvelope."""
    view = memoryview(data)
    header, position = _header(bytes(view[:MAX_HEADER_BYTES]))
    parts = []
    for size in header["parts"]:
        if position + size > len(view):
            raise BadEnvelope("is cut off")
        parts.append(view[position : position + size])
        position += size + _padding(size)
    return header, parts


def read_header(file: BinaryIO) -> dict[str, Any]:
    """The header of an envelope at the beginning of a file. Raises BadEnvelope, OSError."""
    return _header(file.read(MAX_HEADER_BYTES))[0]


def _header(data: bytes) -> tuple[dict[str, Any], int]:
    line, newline, _ = data.partition(b"\n")
    try:
        header = json.loads(line)
    except ValueError:
        header = None
    if not newline or not isinstance(header, dict) or not _are_sizes(header.get("parts")):
        raise BadEnvelope("has no header")
    if header.get("format") != FORMAT:
        raise BadEnvelope(f"has the format {header.get('format')!r}, which this version cannot read")
    return header, len(line) + 1


def _are_sizes(parts: object) -> bool:
    return isinstance(parts, list) and all(isinstance(size, int) and size >= 0 for size in parts)


def _padding(size: int) -> int:
    return -size % ALIGNMENT_BYTES
