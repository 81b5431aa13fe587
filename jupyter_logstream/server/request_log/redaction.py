"""Hiding secrets in what the request log keeps: headers, query, texts and bodies. Server side; no I/O.

Three ways, all always: by name (a header `x-api-key`), by value (a key that this call was seen to carry, wherever it
comes up again, such as in an upstream's error message), and by form (`sk-...`, `Bearer ...`). It is a help, not a wall:
what is no secret by name, value or form is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote_plus

MASK = "***"
_SHORTEST = 8  # characters; shorter values would blot out ordinary words
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
    """Whether what has this name (of a header, a parameter, a JSON field) is to be hidden."""
    return bool(_NAME.search(name)) and not _NO_SECRET.match(name)


class Masks:
    """Hides the secrets of one call. `values`: those known to begin with."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values: list[str] = []
        self.add(*values)

    def add(self, *values: str) -> None:
        """Hide these from now on, too; what is too short to be told from a word is left out."""
        for value in values:
            for form in {value, quote(value, safe="")}:
                if len(form) >= _SHORTEST and form not in self._values:
                    self._values.append(form)
        self._values.sort(key=len, reverse=True)  # a secret may begin with another

    def see(self, headers: Iterable[tuple[str, str]], query: str) -> None:
        """Learn the secrets that a request carries in headers and query."""
        for name, value in headers:
            if is_secret_name(name):
                self.add(value, value.partition(" ")[2].strip())
        for part in query.split("&"):
            name, _, value = part.partition("=")
            if is_secret_name(unquote_plus(name)):
                self.add(value, unquote_plus(value))

    def text(self, text: str) -> str:
        """A text without the secrets."""
        for value in self._values:
            text = text.replace(value, MASK)
        return _FORM.sub(MASK, text)

    def headers(self, headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Headers with their secrets hidden: whole values where the name says so."""
        return [(name, MASK if is_secret_name(name) else self.text(value)) for name, value in headers]

    def query(self, query: str) -> str:
        """A query with the values of secret parameters hidden."""
        parts = []
        for part in query.split("&"):
            name, is_given, value = part.partition("=")
            hidden = is_given and is_secret_name(unquote_plus(name))
            parts.append(f"{name}={MASK if hidden else self.text(value)}" if is_given else self.text(part))
        return "&".join(parts)

    def body(self, text: str) -> str:
        """A body with secrets hidden, also in JSON fields with a secret's name."""
        return self.text(_JSON_FIELD.sub(_field_masked, text))


def _field_masked(found: re.Match[str]) -> str:
    name = found[1].partition(":")[0].strip().strip('"')
    return f"{found[1]}{MASK}{found[3]}" if found[2] and is_secret_name(name) else found[0]
