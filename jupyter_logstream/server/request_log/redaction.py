"""Redaction of secrets in the request log: headers, query, texts and bodies. Server; no I/O.

Three rules apply together: by name (a header `x-api-key`), by value (a key that this call carried, wherever it occurs
again, such as in an upstream's error message), and by form (`sk-...`, `Bearer ...`). Redaction is a help, not a
guarantee: a secret that none of these recognizes is retained.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote_plus

MASK = "***"
_MIN_SECRET_CHARS = 8  # replacing shorter values would remove ordinary words
_NAME = re.compile(
    r"auth|token|secret|passw|api[-_]?key|[-_]key\b|^key$|cookie|credential|signature|session|jwt", re.IGNORECASE
)
_NO_SECRET = re.compile(
    r"^(max[-_]|.*tokens?[-_](limit|remaining|reset)|.*ratelimit|session[-_]?id$|keep)", re.IGNORECASE
)
_FORM = re.compile(
    r"\b(?:sk|pk|rk|xai|gsk|hf|ghp|gho|ghs|github_pat|glpat|xox[abp])[-_][A-Za-z0-9_\-]{12,}"
    r"|\bAIza[A-Za-z0-9_\-]{30,}|\bAKIA[A-Z0-9]{16}\b|\beyJ[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]*"
    r"|(?<=\bBearer )[A-Za-z0-9._~+/\-]{8,}=*",
)
_JSON_FIELD = re.compile(r'("(?:[^"\\]|\\.){1,64}"\s*:\s*")((?:[^"\\]|\\.)*)(")')


def is_secret_name(name: str) -> bool:
    """Whether the value of a header, parameter or JSON field with this name is a secret."""
    return bool(_NAME.search(name)) and not _NO_SECRET.match(name)


class Redactor:
    """Replaces the secrets of one call by `***`. `values`: secrets that are known from the start."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values: list[str] = []
        self.add(*values)

    def add(self, *values: str) -> None:
        """Redact these values from now on; values of fewer than 8 characters are ignored."""
        for value in values:
            for form in {value, quote(value, safe="")}:
                if len(form) >= _MIN_SECRET_CHARS and form not in self._values:
                    self._values.append(form)
        self._values.sort(key=len, reverse=True)  # a secret may begin with another

    def learn(self, headers: Iterable[tuple[str, str]], query: str) -> None:
        """Redact the secrets that a request carries in its headers and query."""
        for name, value in headers:
            if is_secret_name(name):
                self.add(value, value.partition(" ")[2].strip())
        for part in query.split("&"):
            name, _, value = part.partition("=")
            if is_secret_name(unquote_plus(name)):
                self.add(value, unquote_plus(value))

    def text(self, text: str) -> str:
        """A text without secrets."""
        for value in self._values:
            text = text.replace(value, MASK)
        return _FORM.sub(MASK, text)

    def headers(self, headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Headers without secrets; a header with a secret name loses its whole value."""
        return [(name, MASK if is_secret_name(name) else self.text(value)) for name, value in headers]

    def query(self, query: str) -> str:
        """A query without the values of secret parameters."""
        parts = []
        for part in query.split("&"):
            name, has_value, value = part.partition("=")
            is_secret = has_value and is_secret_name(unquote_plus(name))
            parts.append(f"{name}={MASK if is_secret else self.text(value)}" if has_value else self.text(part))
        return "&".join(parts)

    def body(self, text: str) -> str:
        """A body without secrets, also without the values of JSON fields with a secret name."""
        return self.text(_JSON_FIELD.sub(_redacted_field, text))


def _redacted_field(found: re.Match[str]) -> str:
    name = found[1].partition(":")[0].strip().strip('"')
    return f"{found[1]}{MASK}{found[3]}" if found[2] and is_secret_name(name) else found[0]
