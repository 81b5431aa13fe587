"""Masking of secrets: replaces the values of secret environment variables in output. Any process; stdlib, no I/O.

A safety net, not a guarantee: a value is found byte for byte as the environment holds it; encoded (base64, URL quoting,
JSON escapes), split or coloured it is not found. Whole chunks are searched in C and nearly always pass unchanged; the
end of a chunk that can be the start of a secret is held back until the next chunk. This file must not know where bytes
come from or go to.
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
"""Globs of the variable names whose values are secrets; case is ignored."""

MIN_SECRET_BYTES = 8
"""Shorter values are not masked: they would match ordinary words."""

MASK = b"***"

_ALWAYS = ("JUPYTER_LOGSTREAM_SECRET",)  # grants access to the server: masked whatever is configured
_SHORT_TAIL_BYTES = 8  # tails up to this length are looked up in a set; longer ones are searched
# Bytes by their frequency in logs, rarest first. A wrong order costs time only.
_FREQUENT = b"@&%+QZXJKVYUWGHBMPFqz9768LDOxjNRCIvSAETkw543/,21:b0ygpf_.-\ndcumlhrsniotae "


def secret_values(env: Mapping[str, str], names: Sequence[str] = SECRET_NAMES) -> list[bytes]:
    """The values in `env` to mask, longest first. `names`: globs of variable names, SECRET_NAMES by default.

    White space around a value is ignored, since programs strip it. Values below MIN_SECRET_BYTES are left out.
    """
    named = re.compile("|".join(translate(name) for name in (*names, *_ALWAYS)), re.IGNORECASE)
    found = {os.fsencode(value).strip() for name, value in env.items() if named.match(name)}
    return sorted((value for value in found if len(value) >= MIN_SECRET_BYTES), key=lambda value: (-len(value), value))


class Masker:
    """Replaces secrets in the bytes of one source, independent of chunk borders. `masked`: replacements so far.

    Overlapping secrets are one replacement. Holds back fewer bytes than the longest secret has.
    """

    __slots__ = ("_covered", "_held", "_inner", "_longest", "_secrets", "_starts", "masked")

    def __init__(self, values: Sequence[bytes]) -> None:
        secrets = [value for value in dict.fromkeys(values) if value]
        # Each with its rarest byte, which most chunks lack, and the least distance of two overlapping occurrences.
        self._secrets = [(value, min(value, key=_FREQUENT.find), _period(value)) for value in secrets]
        self._inner = bytes(set().union(*(value[:-1] for value in secrets)))  # a held tail ends with one of these
        self._starts = {value[:n] for value in secrets for n in range(1, min(_SHORT_TAIL_BYTES, len(value)))}
        self._longest = max(map(len, secrets), default=0)
        self._held = b""
        self._covered = 0  # held bytes that belong to a secret that is replaced already
        self.masked = 0

    def feed(self, chunk: bytes) -> bytes:
        """The masked bytes that are decided after the next chunk; the rest is held back."""
        data = self._held + chunk if self._held else chunk
        return self._masked_until(data, self._tail(data))

    def finish(self) -> bytes:
        """The bytes held back, at the end of the output or when it is not awaited: they are no secret."""
        return self._masked_until(self._held, len(self._held))

    def mask(self, text: str) -> str:
        """A whole text with its secrets replaced; independent of the bytes fed."""
        data = text.encode("utf-8", "surrogatepass")
        spans = self._spans(data)
        if not spans:
            return text
        other = Masker([])
        replaced = other._replaced(data, spans, len(data))
        self.masked += other.masked
        return replaced.decode("utf-8", "surrogatepass")

    def _masked_until(self, data: bytes, limit: int) -> bytes:
        """The bytes up to `limit`, masked; the others are held back."""
        spans = self._spans(data)
        if spans or self._covered:
            return self._replaced(data, spans, limit)
        self._held = data[limit:] if limit < len(data) else b""
        return data[:limit] if limit < len(data) else data

    def _replaced(self, data: bytes, spans: list[tuple[int, int]], limit: int) -> bytes:
        pieces: list[bytes] = []
        end = self._covered  # of the bytes that are emitted or replaced
        for start, stop in spans:
            if start < end:  # overlaps the previous one: the same replacement
                end = max(end, stop)
            elif start < limit:
                pieces += (data[end:start], MASK)
                self.masked += 1
                end = stop
            else:  # held back as a whole: it can be part of a longer one
                break
        pieces.append(data[end:limit])
        self._held = data[limit:]
        self._covered = max(end - limit, 0)
        return b"".join(pieces)

    def _spans(self, data: bytes) -> list[tuple[int, int]]:
        """The spans of secrets, ordered by their starts; they can overlap."""
        spans: list[tuple[int, int]] = []
        for value, rare, period in self._secrets:
            if rare in data:
                at = data.find(value)
                while at >= 0:
                    spans.append((at, at + len(value)))
                    at = data.find(value, at + period)
        return sorted(spans)

    def _tail(self, data: bytes) -> int:
        """The start of the longest end of `data` that begins a secret; its length if there is none."""
        size = len(data)
        if data[-1:] not in self._inner or not data:
            return size
        found = size
        for n in range(min(_SHORT_TAIL_BYTES - 1, size), 0, -1):
            if data[size - n :] in self._starts:
                found = size - n
                break
        window = data[-self._longest + 1 :]
        before = size - len(window)
        for value, _, _ in self._secrets:
            at = window.find(value[:_SHORT_TAIL_BYTES], max(len(window) - len(value) + 1, 0))
            while 0 <= at < found - before:
                if value.startswith(window[at:]):
                    found = before + at
                    break
                at = window.find(value[:_SHORT_TAIL_BYTES], at + 1)
        return found


def _period(value: bytes) -> int:
    """The least shift by which a value overlaps itself; its length if it does not."""
    return next(shift for shift in range(1, len(value) + 1) if value.startswith(value[shift:]))
