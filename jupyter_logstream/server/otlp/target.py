"""Configuration of the push to OpenTelemetry: address, headers, resource attributes. Server; values only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

PATH = "/v1/logs"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_MIN_SECRET_CHARS = 8


class BadTarget(ValueError):
    """A setting is wrong: the text names the problem and what to do, never a value that can be secret."""


def logs_url(endpoint: str) -> str:
    """The address for logs: the endpoint with `/v1/logs` at its end. Raises BadTarget."""
    try:
        parts = urlsplit(endpoint)
        is_complete = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_complete = False
    if not is_complete or _CONTROL.search(endpoint) or " " in endpoint:
        raise BadTarget('must be an address such as "http://localhost:4318"')
    if parts.username is not None or parts.password is not None:
        raise BadTarget("must not contain a user or password: put them into otlp_headers")
    if parts.query or parts.fragment:
        raise BadTarget("must not contain a query or fragment")
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path if path.endswith(PATH) else path + PATH}"


def check_headers(given: Mapping[Any, Any]) -> dict[str, str]:
    """The headers. Raises BadTarget, which names the header."""
    for name, value in given.items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise BadTarget("has a name that is not the name of a header")
        if not isinstance(value, str) or _CONTROL.search(value) or not value.isascii():
            raise BadTarget(f"[{name!r}] must be a string of ASCII characters without line ends")
    return dict(given)


def check_resource(given: Mapping[Any, Any]) -> dict[str, str]:
    """Resource attributes. Raises BadTarget."""
    for name, value in given.items():
        if not isinstance(name, str) or not name or not isinstance(value, str):
            raise BadTarget('must have strings as names and values: {"service.name": "training"}')
    return dict(given)


def secrets_of(headers: Mapping[str, str]) -> list[str]:
    """The values that no log may show: those of all headers, with and without their scheme (`Bearer`)."""
    values = [text for value in headers.values() for text in (value.strip(), value.partition(" ")[2].strip())]
    return [text for text in values if len(text) >= _MIN_SECRET_CHARS]
