"""Blocks of lines as plain text: colours and links removed from many lines at once. Server; no I/O.

A line whose text needs the terminal emulation (it moves the cursor, or has rare sequences) is named instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .terminal import equals_its_text

_PIECE_BYTES = 256 * 1024  # cleaned in one call, which holds the interpreter's lock
_MAX_DIFFERENT = 16  # sequences of a piece that are removed by one fast call each; more by a regular expression
_REMOVED = b"\xff"  # in place of a sequence until all are found: no byte of UTF-8, so it forms no new sequence
_INVISIBLE = re.compile(  # SGR, erase to the end, links
    rb"\x1b(?:\[(?:[0-9;:]*m|0?[KJ])|\]8;[^\x07\x1b\x18\x1a\n\xff]*(?:\x07|\x1b\\))"
)
_CRS = re.compile(rb"\r+\n")
_ACTIVE = (b"\x1b", b"\b", b"\r", *(bytes([0xC2, code]) for code in (0x90, 0x98, *range(0x9B, 0xA0))))


class PlainLines(NamedTuple):
    """`block`: the texts in UTF-8, each with a line feed. `emulated`: numbers (from 0) of lines whose text differs."""

    block: bytes
    emulated: list[int]


def plain_lines(data: bytes) -> PlainLines:
    """The texts of whole lines, each with its line end."""
    block = _valid(data)
    if equals_its_text(block):
        return PlainLines(block, [])
    block = b"".join(map(_cleaned, _pieces(block)))
    return PlainLines(block, [] if equals_its_text(block) else _emulated(block))


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


def _cleaned(piece: bytes) -> bytes:
    piece = piece.replace(b"\r\n", b"\n")
    if b"\r\n" in piece:
        piece = _CRS.sub(b"\n", piece)
    for _ in range(_MAX_DIFFERENT):
        found = _INVISIBLE.search(piece)
        if found is None:
            break
        piece = piece.replace(found[0], _REMOVED)
    else:
        piece = _INVISIBLE.sub(_REMOVED, piece)
    return piece.translate(None, _REMOVED)


def _emulated(block: bytes) -> list[int]:
    """Numbers of the lines that hold a character that a terminal acts on."""
    places = sorted(place for active in _ACTIVE for place in _first_in_lines(block, active))
    found: list[int] = []
    at = line = 0
    for place in places:
        line += block.count(b"\n", at, place)
        at = place
        if not found or found[-1] != line:
            found.append(line)
    return found


def _first_in_lines(block: bytes, active: bytes) -> Iterator[int]:
    at = block.find(active)
    while at >= 0:
        yield at
        end = block.find(b"\n", at)
        at = block.find(active, end) if end >= 0 else -1
