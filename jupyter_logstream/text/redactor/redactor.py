"""The redactor: replaces secrets in a stream of bytes or in a text. Any process; stdlib, no I/O.

Whole chunks are searched in C and nearly always pass unchanged. The result does not depend on how a stream is cut: the
end of a chunk that can be the beginning of a secret is held back, and some decided bytes are remembered, since they
can give the next ones their meaning (`Authorization: `). This file must not know where bytes come from or go to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from .finder import Finder, Found
from .visible import colours

MASK = b"***"

_CONTEXT_BYTES = 256  # decided bytes of an unfinished line that patterns look back at
_MAX_CONTEXT_BYTES = 4096  # of a secret that may go on in the next chunk, and what is before it
_MAX_RELEASED_BYTES = 3  # an end this short is shown when no more output comes


class Redactor:
    """Replaces secrets by `***`, independent of chunk borders. `masked`: replacements so far.

    `values`: known secrets, found in every spelling; `patterns`: expressions for further ones, whose first group (or
    all) is the secret, within a line. Overlapping secrets are one replacement. Colour codes in a secret stay. Bound:
    holds back as many bytes as the longest spelling of a value has, 4,352 bytes of a key of known shape, 1,024 of a
    word that a configured pattern may match.
    """

    __slots__ = ("_begun_bytes", "_context", "_covered", "_finder", "_held", "_is_open", "_rest", "masked")

    def __init__(
        self,
        values: Iterable[bytes] = (),
        patterns: Sequence[re.Pattern[bytes]] = (),
        *,
        finder: Finder | None = None,
    ) -> None:
        self._finder = finder or Finder(values, patterns)
        self._reset()
        self.masked = 0

    def _reset(self) -> None:
        self._context = b""  # decided bytes
        self._held = b""  # undecided bytes; the first _covered of them belong to a secret that is replaced already
        self._covered = 0
        self._begun_bytes = 0  # of the beginning that is held back, with what of it was released
        self._is_open = False  # the last decided byte belongs to a secret
        self._rest: re.Pattern[bytes] | None = None  # what continues that secret

    def fork(self) -> Redactor:
        """Another redactor for the same secrets, for another stream."""
        return Redactor(finder=self._finder)

    def feed(self, chunk: bytes) -> bytes:
        """The redacted bytes that are decided after the next chunk; the rest is held back."""
        known = self._context + self._held
        return self._decide(known + chunk if known else chunk, is_last=False)

    def finish(self) -> bytes:
        """The bytes held back, at the end of the output: they are no secret."""
        return self.redact(b"")

    @property
    def holds_few(self) -> bool:
        """Whether so few bytes are held back that `release` returns them."""
        return bool(self._held) and not self._covered and self._begun_bytes <= _MAX_RELEASED_BYTES

    @property
    def is_settled(self) -> bool:
        """Whether the next bytes are redacted as those of a new stream."""
        return not (self._context or self._held or self._covered or self._is_open)

    def release(self) -> bytes:
        """The bytes held back if they are few, since no more output comes: the last letter of a prompt is shown.

        If a secret follows after all, the rest of it is masked. Longer beginnings of secrets stay held back.
        """
        if not self.holds_few:
            return b""
        released, self._held, self._is_open = self._held, b"", False
        self._context = (self._context + released)[-_CONTEXT_BYTES:]
        return released

    def mask(self, text: str) -> str:
        """A whole text with its secrets replaced; independent of the bytes fed."""
        handler = "surrogateescape"  # an environment's bytes that are not UTF-8
        try:
            data = text.encode("utf-8", handler)
        except UnicodeEncodeError:
            handler = "surrogatepass"
            data = text.encode("utf-8", handler)
        if not self._finder.spans(data):
            return text
        other = self.fork()
        redacted = other.redact(data)
        self.masked += other.masked
        return redacted.decode("utf-8", handler)

    def is_clean(self, texts: Iterable[str]) -> bool:
        """Whether none of the texts contains a secret; one search for all of them. False can be a false alarm."""
        return not self._finder.spans("\n".join(texts).encode("utf-8", "surrogatepass"))

    def redact(self, data: bytes) -> bytes:
        """The last bytes of a stream, redacted."""
        known = self._context + self._held
        redacted = self._decide(known + data, is_last=True)
        self._reset()
        return redacted

    # --- one decision -------------------------------------------------------------------------------------------------

    def _decide(self, data: bytes, *, is_last: bool) -> bytes:
        """The redacted bytes behind the context, up to the end of the data or what is held back of it."""
        at = len(self._context)
        spans = self._finder.spans(data)
        begun = len(data) if is_last else self._finder.limit(data, spans)
        self._begun_bytes, limit = len(data) - begun, max(begun, at)
        if spans or self._is_open or self._covered:
            redacted = self._replaced(data, spans, at, limit)
        elif at or limit < len(data):
            redacted = data[at:limit]
        else:
            redacted = data
        self._held = data[limit:]
        self._context = _context_of(data, limit, spans)
        return redacted

    def _replaced(self, data: bytes, spans: list[Found], at: int, limit: int) -> bytes:
        """The bytes from `at` to `limit` with the spans replaced; sets what the next decision continues."""
        pieces: list[bytes] = []
        end, is_open = at + self._covered, self._is_open or self._covered > 0  # emitted or replaced up to `end`
        rest = None
        if self._rest is not None and (found := self._rest.match(data, end)) and found.end() > end:
            end, rest = found.end(), self._rest
        for start, stop, following in spans:
            if stop <= end:
                continue
            if start >= limit and start >= end:  # held back as a whole: it can be part of a longer one
                break
            if start < end and is_open:  # overlaps the previous one: the same replacement
                pieces.append(colours(data[end:stop]))
            else:
                pieces += (data[end:start], MASK, colours(data[max(start, end) : stop]))
                self.masked += 1
            end, is_open, rest = stop, True, following
        if end < limit:
            pieces.append(data[end:limit])
        self._covered = max(end - limit, 0)
        self._is_open = is_open and end >= limit and (end > at or self._is_open)
        self._rest = rest if self._is_open and end == len(data) else None
        return b"".join(pieces)


def _context_of(data: bytes, limit: int, spans: Sequence[Found]) -> bytes:
    """What the bytes behind `limit` can depend on: the unfinished line, or what is before a secret that may go on."""
    if not spans and limit == len(data) and data[-1:] == b"\n":
        return b""
    secrets = (start for start, stop, rest in spans if stop >= limit - (_CONTEXT_BYTES if rest else 0))
    secret = min(secrets, default=limit)
    if secret < limit or limit < len(data):
        return data[max(secret - _CONTEXT_BYTES, limit - _MAX_CONTEXT_BYTES, 0) : limit]
    window = data[max(limit - _CONTEXT_BYTES, 0) : limit]
    return window[window.rfind(b"\n") + 1 :]
