"""Redaction of secrets in the request log: headers, query, texts and bodies. Server; no I/O.

Three rules apply together: by name (a header `x-api-key`), by value (a key that this call carried, wherever it occurs
again, such as in an upstream's error message), and by form (`sk-...`, `Bearer ...`). Redaction is a help, not a
guarantee: a secret that none of these recognizes is retained.

Bounded: every pattern takes linear time; of a header value, query or path of more than MAX_TEXT_CHARS only the
beginning is redacted and retained, and at most _MAX_VALUES values are known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import unquote_plus

from ...text.redactor import MIN_SECRET_BYTES, Redactor
from ...text.redactor.spellings import spellings

MASK = "***"
MAX_TEXT_CHARS = 8192
_MARGIN_CHARS = 4096  # the end of a text that was cut is dropped, since it may be the beginning of a secret
_MAX_VALUES = 1000
_MAX_NAME_CHARS = 200  # of a form field; longer names are no names
_NAME = re.compile(
    r"auth|token|secret|passw|api[-_]?key|[-_]key\b|^key$|cookie|credential|signature|session|jwt", re.IGNORECASE
)
_NO_SECRET = re.compile(
    r"^(max[-_]|.*tokens?[-_](limit|remaining|reset)|.*ratelimit|session[-_]?id$|keep)", re.IGNORECASE
)
_JSON_FIELD = re.compile(
    r'"(?P<name>(?:[^"\\]|\\.){1,64})"\s{0,64}:\s{0,64}'
    r'(?P<value>"(?:[^"\\]|\\.)*\\?(?:"|\Z)|-?\d[\d.eE+\-]*|\[[^\]]*(?:\]|\Z))',
    re.DOTALL,
)
# A field of JSON inside of a JSON string, such as the arguments of a tool call.
_ESCAPED_FIELD = re.compile(
    r'\\"(?P<name>[^"\\]{1,64})\\"\s{0,64}:\s{0,64}(?P<value>\\"[^"\\]*(?:\\"|\\?\Z)|-?\d[\d.eE+\-]*)'
)
_COUNT_NAME = re.compile(r"tokens|token[-_]?(id|count)", re.IGNORECASE)  # numbers and lists that are no secrets


def is_secret_name(name: str) -> bool:
    """Whether the value of a header, parameter or JSON field with this name is a secret."""
    return bool(_NAME.search(name)) and not _NO_SECRET.match(name)


class CallRedactor:
    """Replaces the secrets of one call by `***`. `values`: those of this call; `known`: redacts the server's."""

    def __init__(self, values: Iterable[str] = (), known: Redactor | None = None) -> None:
        self._known = known or Redactor()
        self._values: list[str] = []
        self.add(*values)

    def add(self, *values: str) -> None:
        """Redact these values from now on, in every spelling; values of fewer than 8 bytes are ignored."""
        for value in values:
            data = value.encode("utf-8", "surrogatepass")
            if len(data) < MIN_SECRET_BYTES or value in self._values or len(self._values) >= _MAX_VALUES:
                continue
            self._values += [form.decode("utf-8", "surrogatepass") for form in spellings(data)]
        self._values.sort(key=len, reverse=True)  # a secret may begin with another

    def learn(self, headers: Iterable[tuple[str, str]], query: str) -> None:
        """Redact the secrets that a request carries in its headers and query."""
        for name, value in headers:
            if is_secret_name(name):
                self.add(value, value.partition(" ")[2].strip())
        for part in query[:MAX_TEXT_CHARS].split("&"):
            name, _, value = part.partition("=")
            if is_secret_name(unquote_plus(name)):
                self.add(value, unquote_plus(value))

    def text(self, text: str) -> str:
        """A text without secrets."""
        for value in self._values:
            text = text.replace(value, MASK)
        return self._known.mask(text)

    def short_text(self, text: str) -> str:
        """A text without secrets; of more than MAX_TEXT_CHARS only the first half of that is returned."""
        if len(text) <= MAX_TEXT_CHARS:
            return self.text(text)
        return self.text(text[:MAX_TEXT_CHARS])[: MAX_TEXT_CHARS - _MARGIN_CHARS]

    def headers(self, headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Headers without secrets; a header with a secret name loses its whole value."""
        return [(name, MASK if is_secret_name(name) else self.short_text(value)) for name, value in headers]

    def query(self, query: str) -> str:
        """A query without the values of secret parameters; a long one is cut as in `short_text`."""
        if len(query) <= MAX_TEXT_CHARS:
            return self._form(query)
        return self._form(query[:MAX_TEXT_CHARS])[: MAX_TEXT_CHARS - _MARGIN_CHARS]

    def body(self, text: str, content_type: str = "") -> str:
        """A body without secrets, also without the values of JSON fields and form fields with a secret name."""
        if content_type.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
            return self._form(text)
        return self.text(_ESCAPED_FIELD.sub(_redacted_field, _JSON_FIELD.sub(_redacted_field, text)))

    def _form(self, text: str) -> str:
        parts = []
        for part in text.split("&"):
            name, has_value, value = part.partition("=")
            is_secret = has_value and is_secret_name(unquote_plus(name[:_MAX_NAME_CHARS]))
            parts.append(f"{name}={MASK if is_secret else value}" if has_value else part)
        return self.text("&".join(parts))


def _redacted_field(found: re.Match[str]) -> str:
    """The field with its value replaced if its name is secret; the value may be cut off."""
    name, value = found["name"], found["value"]
    if "\\" in name:
        try:
            name = str(json.loads(f'"{name}"', strict=False))
        except ValueError:
            return found[0]
    mark = '\\"' if value.startswith("\\") else '"' if value.startswith('"') else ""
    if not is_secret_name(name) or value == 2 * mark or (not mark and _COUNT_NAME.search(name)):
        return found[0]
    end = mark if value.endswith(mark) else ""
    return found[0].removesuffix(value) + (f"{mark}{MASK}{end}" if mark else f'"{MASK}"')
