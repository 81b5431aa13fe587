"""Text of the operating system: surrogates stand for bytes that are not UTF-8 (PEP 383). Stdlib, no I/O."""

from __future__ import annotations

import os


def system_bytes(text: str) -> bytes:
    """The bytes of a variable or path, as `os.fsencode`, but UTF-8 where the locale cannot encode it (LC_ALL=C)."""
    try:
        return os.fsencode(text)
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")


def displayable(text: str) -> str:
    """`text` with U+FFFD for bytes that are not UTF-8, so that it can be encoded."""
    if text.isascii():
        return text  # nearly always
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
