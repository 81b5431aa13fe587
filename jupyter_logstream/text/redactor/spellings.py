"""Spellings of a secret: how programs write the same value. Any process; stdlib, pure.

JSON, Python's repr, URL quoting, shell quoting, base64 at the three alignments of its groups, hexadecimal, and each
line of a value of several lines. A value of letters and digits only is the same in all but base64 and hexadecimal.
"""

from __future__ import annotations

import json
from binascii import b2a_base64
from collections.abc import Iterator

from .values import MIN_SECRET_BYTES

_MAX_QUOTED_BYTES = 4096  # longer values are not searched in URLs and shell commands
_MAX_LINES = 500  # lines of one value that are masked each; further ones only as part of the whole
_BASE64_LINE = 76  # characters after which MIME and `base64` begin a new line
_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
# What is left unquoted by: quote(safe=""), quote, encodeURIComponent, encodeURI, HTML forms.
_URL_SAFE = (
    _UNRESERVED,
    _UNRESERVED + b"/",
    _UNRESERVED + b"!*'()",
    _UNRESERVED + b"!*'();/?:@&=+$,#",
    _UNRESERVED.replace(b"~", b"*"),
)
_URL_QUOTED = [
    [bytes([byte]) if byte in safe else form % byte for byte in range(256)]
    for safe in _URL_SAFE
    for form in (b"%%%02X", b"%%%02x")
]
_BACKSLASHED = [
    b"\\%c" % byte if 0x20 <= byte < 0x7F and byte not in _UNRESERVED + b"%+,/:=@" else b"%c" % byte
    for byte in range(256)
]
_IN_DOUBLE_QUOTES = [b"\\%c" % byte if byte in b'"$`\\' else b"%c" % byte for byte in range(256)]
_PLAIN = frozenset(_UNRESERVED.replace(b"~", b""))
_URL_BASE64 = bytes.maketrans(b"+/", b"-_")


def spellings(value: bytes) -> list[bytes]:
    """The value and its other spellings, without those of fewer than MIN_SECRET_BYTES bytes."""
    found = dict.fromkeys([value, *_base64(value), value.hex().encode(), value.hex().upper().encode()])
    if not _PLAIN.issuperset(value):
        found.update(dict.fromkeys([*_escaped(value), *_lines(value)]))
        if len(value) <= _MAX_QUOTED_BYTES:
            found.update(dict.fromkeys([*_url_quoted(value), *_shell_quoted(value)]))
    return [spelling for spelling in found if len(spelling) >= MIN_SECRET_BYTES]


def _escaped(value: bytes) -> Iterator[bytes]:
    """As in JSON (ASCII or not, `/` and HTML's characters escaped or not, JSON in JSON) and in Python's repr."""
    text = value.decode("utf-8", "surrogateescape")
    for ascii_only in False, True:
        quoted = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        html_safe = quoted.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")
        twice = json.dumps(quoted, ensure_ascii=ascii_only)[1:-1]
        for spelling in quoted, quoted.replace("/", r"\/"), html_safe, twice:
            yield spelling.encode("utf-8", "surrogateescape")
    for spelling in repr(text)[1:-1], repr(value)[2:-1], repr(text + "'\"")[1:-4]:
        yield spelling.encode("utf-8", "surrogateescape")


def _url_quoted(value: bytes) -> Iterator[bytes]:
    for table in _URL_QUOTED:
        quoted = b"".join([table[byte] for byte in value])
        yield quoted
        yield quoted.replace(b"%20", b"+")


def _shell_quoted(value: bytes) -> Iterator[bytes]:
    """In single quotes, in double quotes, and with backslashes."""
    yield value.replace(b"'", b"'\"'\"'")
    yield value.replace(b"'", b"'\\''")
    yield b"".join([_IN_DOUBLE_QUOTES[byte] for byte in value])
    yield b"".join([_BACKSLASHED[byte] for byte in value])


def _lines(value: bytes) -> Iterator[bytes]:
    """Each line of a value of several lines, without the marks around a key in PEM format, which all keys have."""
    lines = value.splitlines()
    if len(lines) > 1:
        yield from (line for line in map(bytes.strip, lines[:_MAX_LINES]) if not line.startswith(b"-----"))


def _base64(value: bytes) -> Iterator[bytes]:
    """The characters that do not depend on the bytes around the value, at each alignment; whole lines of a long one."""
    for shift in range(3):
        encoded = b2a_base64(bytes(shift) + value, newline=False)
        spelling = encoded[(0, 2, 3)[shift] : (shift + len(value)) * 8 // 6]
        yield spelling
        yield spelling.translate(_URL_BASE64)
        if shift == 0 and len(spelling) > _BASE64_LINE:
            yield from (spelling[at : at + _BASE64_LINE] for at in range(0, len(spelling), _BASE64_LINE))
