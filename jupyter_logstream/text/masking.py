"""Masking: the values of secret environment variables replaced in output. Any process; stdlib, no I/O.

A help, not a wall: a value is found byte for byte as the environment has it. What a program encodes (base64, URL
quoting, JSON escapes), cuts up or colours in between is another text, and is not found. Plan: whole chunks are searched
in C and nearly always come back as they are; what a secret may go on behind a chunk's end is held back until it is
known. This file must not know where bytes come from or go to, nor whose environment it was given.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from fnmatch import translate

SECRET_NAMES = (
    "*TOKEN*", "*SECRET*", "*PASSWORD*", "*PASSWD*", "*PASSPHRASE*", "*CREDENTIAL*", "*APIKEY*", "*API_KEY*",
    "*ACCESS_KEY*", "*PRIVATE_KEY*", "*_KEY", "*_PAT", "*_DSN", "*CONNECTION_STRING*", "DATABASE_URL", "PGPASS*",
)  # fmt: skip
"""Names of variables whose values are secrets: globs, whatever the case."""

SHORTEST = 8
"""Bytes of the shortest value that is masked: shorter ones would blot out ordinary words."""

MASK = b"***"

_ALWAYS = ("JUPYTER_LOGSTREAM_SECRET",)  # opens our own routes: no configuration may let it through
_SHORT_TAIL = 8  # bytes of a tail that are looked up; longer ones are searched for
# Bytes from the rare to the frequent, as logs of all sorts have them. A wrong order costs time, never a secret.
_FREQUENT = b"@&%+QZXJKVYUWGHBMPFqz9768LDOxjNRCIvSAETkw543/,21:b0ygpf_.-\ndcumlhrsniotae "


def secret_values(env: Mapping[str, str], names: Sequence[str] = SECRET_NAMES) -> list[bytes]:
    """The values in `env` that are to be masked, the longest first. `names`: globs of variables' names.

    White space around a value does not count: programs strip it. Values shorter than SHORTEST bytes are left out.
    """
    named = re.compile("|".join(translate(name) for name in (*names, *_ALWAYS)), re.IGNORECASE)
    found = {os.fsencode(value).strip() for name, value in env.items() if named.match(name)}
    return sorted((value for value in found if len(value) >= SHORTEST), key=lambda value: (-len(value), value))


class Masker:
    """Replaces secrets in the bytes of one source, whatever the chunks. `masked`: how many it has replaced so far.

    Secrets that overlap are one replacement. Holds back fewer bytes than the longest secret has.
    """

    __slots__ = ("_covered", "_held", "_inner", "_longest", "_secrets", "_starts", "masked")

    def __init__(self, values: Sequence[bytes]) -> None:
        secrets = [value for value in dict.fromkeys(values) if value]
        # With each: a byte of it that most chunks lack, and how far apart two of it that overlap must be.
        self._secrets = [(value, min(value, key=_FREQUENT.find), _period(value)) for value in secrets]
        self._inner = bytes(set().union(*(value[:-1] for value in secrets)))  # a held tail ends with one of these
        self._starts = {value[:n] for value in secrets for n in range(1, min(_SHORT_TAIL, len(value)))}
        self._longest = max(map(len, secrets), default=0)
        self._held = b""
        self._covered = 0  # bytes of what is held that belong to a secret told as replaced already
        self.masked = 0

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes; return what can be told of them and of what was held back before."""
        data = self._held + chunk if self._held else chunk
        return self._told(data, self._tail(data))

    def finish(self) -> bytes:
        """The output has ended (or will not be waited for): what was held back became no secret."""
        return self._told(self._held, len(self._held))

    def mask(self, text: str) -> str:
        """A whole text with its secrets replaced; knows nothing of what was fed."""
        data = text.encode("utf-8", "surrogatepass")
        spans = self._spans(data)
        if not spans:
            return text
        other = Masker([])
        told = other._replaced(data, spans, len(data))
        self.masked += other.masked
        return told.decode("utf-8", "surrogatepass")

    def _told(self, data: bytes, keep: int) -> bytes:
        """The bytes up to `keep`, masked; the others are held."""
        spans = self._spans(data)
        if spans or self._covered:
            return self._replaced(data, spans, keep)
        self._held = data[keep:] if keep < len(data) else b""
        return data[:keep] if keep < len(data) else data

    def _replaced(self, data: bytes, spans: list[tuple[int, int]], keep: int) -> bytes:
        pieces: list[bytes] = []
        end = self._covered  # of what is told already
        for start, stop in spans:
            if start < end:  # overlaps the one before: the same replacement
                end = max(end, stop)
            elif start < keep:
                pieces += (data[end:start], MASK)
                self.masked += 1
                end = stop
            else:  # it is held whole, and may be part of a longer one
                break
        pieces.append(data[end:keep])
        self._held = data[keep:]
        self._covered = max(end - keep, 0)
        return b"".join(pieces)

    def _spans(self, data: bytes) -> list[tuple[int, int]]:
        """Where secrets stand, in order of their starts; they may overlap."""
        spans: list[tuple[int, int]] = []
        for value, rare, period in self._secrets:
            if rare in data:
                at = data.find(value)
                while at >= 0:
                    spans.append((at, at + len(value)))
                    at = data.find(value, at + period)
        return sorted(spans)

    def _tail(self, data: bytes) -> int:
        """Where the first end of the data begins that a secret may begin with; its length where none does."""
        size = len(data)
        if data[-1:] not in self._inner or not data:
            return size
        found = size
        for n in range(min(_SHORT_TAIL - 1, size), 0, -1):
            if data[size - n :] in self._starts:
                found = size - n
                break
        window = data[-self._longest + 1 :]
        before = size - len(window)
        for value, _, _ in self._secrets:
            at = window.find(value[:_SHORT_TAIL], max(len(window) - len(value) + 1, 0))
            while 0 <= at < found - before:
                if value.startswith(window[at:]):
                    found = before + at
                    break
                at = window.find(value[:_SHORT_TAIL], at + 1)
        return found


def _period(value: bytes) -> int:
    """The least shift by which a value overlaps itself; its length where it does not."""
    return next(shift for shift in range(1, len(value) + 1) if value.startswith(value[shift:]))
