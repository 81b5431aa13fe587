"""Blocks of lines as plain text: colours and links removed from many lines at once. Server; no I/O.

A line whose text needs the terminal emulation (it moves the cursor, or has rare sequences) is named instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .terminal import equals_its_text

_PIECE_BYTES = 256 * 1024  # cleaned in one call, which holds the interpreter's lock
_INVISIBLE = re.compile(
    rb"\x1b(?:\[(?:[0-9;:]*m|0?[KJ])|\]8;[^\x07\x1b\x18\x1a\n]*(?:\x07|\x1b\\))"  # SGR, erase to the end, links
    rb"|\r+(?=\n)"
)
_EMULATED = re.compile(rb"[\x1b\b\r]|\xc2[\x90\x98\x9b-\x9f]")


class PlainLines(NamedTuple):
    """`block`: the texts in UTF-8, each with a line feed. `emulated`: numbers (from 0) of lines whose text differs."""

    block: bytes
    emulated: list[int]


def plain_lines(data: bytes) -> PlainLines:
    """The texts of whole lines, each with its line end."""
    block = _valid(data)
    if equals_its_text(block):
        return PlainLines(block, [])
    block = b"".join(_INVISIBLE.sub(b"", piece) for piece in _pieces(block))
    return PlainLines(block, list(_emulated(block)))


def _valid(data: bytes) -> bytes:
    """UTF-8 with U+FFFD in place of other bytes, as in the text of a record."""
    if data.isascii():
        return data
    try:
        data.decode()
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace").encode()
    return data


def _pieces(block: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(block):
        end = block.find(b"\n", at + _PIECE_BYTES) + 1 or len(block)
        yield block[at:end]
        at = end


def _emulated(block: bytes) -> Iterator[int]:
    at = line = 0
    while found := _EMULATED.search(block, at):
        line += block.count(b"\n", at, found.start())
        yield line
        at, line = block.find(b"\n", found.start()) + 1 or len(block), line + 1
