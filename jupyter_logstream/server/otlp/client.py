"""HTTP client of the push to OpenTelemetry: one request, and what its answer means for the batch. Server.

By the protocol (OTLP/HTTP) 429, 502, 503, 504 and a missing answer are retried, and a batch that was refused for its
content is not. Two answers are treated with more care than it requires, so that no record is lost: an answer about
the configuration (login, path) is retried until it is corrected, and other failures of the server a few times.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any, Protocol

from tornado.httpclient import HTTPClientError, HTTPRequest, HTTPResponse
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from ..._version import __version__

CONNECT_TIMEOUT_S = 10.0
REQUEST_TIMEOUT_S = 30.0
MAX_RETRY_AFTER_S = 3600.0
MAX_ANSWER_BYTES = 1 << 20
_GZIP_LEVEL = 6
_MAX_PROBLEM_CHARS = 200
_UNAVAILABLE = frozenset({429, 502, 503, 504})
_CONFIGURATION = frozenset({301, 302, 303, 307, 308, 401, 403, 404, 405, 407})
_TOO_LARGE = 413


class Verdict(Enum):
    """What an answer means. FAILED: try again a few times; UNAVAILABLE, MISCONFIGURED: until it succeeds."""

    ACCEPTED = 1
    UNAVAILABLE = 2
    MISCONFIGURED = 3
    FAILED = 4
    TOO_LARGE = 5
    REFUSED = 6


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to a batch. `problem`: in words; `rejected`: records of an accepted batch that were dropped there."""

    verdict: Verdict
    problem: str = ""
    retry_after_s: float | None = None
    rejected: int = 0


class Sender(Protocol):
    """Sends a batch."""

    async def send(self, body: bytes) -> Outcome:
        """Send a body, and return what became of it."""
        ...

    def close(self) -> None:
        """Close connections."""
        ...


class OtlpClient:
    """Posts to `url` with `headers`, which are secret: redirects, which would carry them away, are not followed."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._url = url
        self._headers = {
            **headers,
            "Content-Type": "application/json",
            "Content-Encoding": "gzip",
            "User-Agent": f"jupyter-logstream/{__version__}",
        }
        self._client = SimpleAsyncHTTPClient(force_instance=True, max_clients=1, max_body_size=MAX_ANSWER_BYTES)

    async def send(self, body: bytes) -> Outcome:
        """See Sender."""
        request = HTTPRequest(
            self._url,
            "POST",
            headers=self._headers,
            body=await asyncio.to_thread(gzip.compress, body, _GZIP_LEVEL, mtime=0),
            connect_timeout=CONNECT_TIMEOUT_S,
            request_timeout=REQUEST_TIMEOUT_S,
            follow_redirects=False,
        )
        try:
            response = await self._client.fetch(request, raise_error=False)
        except (OSError, HTTPClientError) as error:
            return Outcome(Verdict.UNAVAILABLE, _short(str(error) or type(error).__name__))
        return outcome(response)

    def close(self) -> None:
        """See Sender."""
        self._client.close()


def outcome(response: HTTPResponse) -> Outcome:
    """What an answer means."""
    answer = _json(response.body)
    if 200 <= response.code < 300:
        partial = answer.get("partialSuccess")
        partial = partial if isinstance(partial, dict) else {}
        return Outcome(
            Verdict.ACCEPTED, _short(partial.get("errorMessage")), rejected=_count(partial.get("rejectedLogRecords"))
        )
    verdict = Verdict.REFUSED if response.code < 500 else Verdict.FAILED
    if response.code in _UNAVAILABLE:
        verdict = Verdict.UNAVAILABLE
    elif response.code in _CONFIGURATION:
        verdict = Verdict.MISCONFIGURED
    elif response.code == _TOO_LARGE:
        verdict = Verdict.TOO_LARGE
    problem = _short(answer.get("message") or response.reason)
    retry_after = _seconds(response.headers.get("Retry-After", ""))
    return Outcome(verdict, f"{response.code} {problem}".strip(), retry_after)


def _json(body: bytes) -> dict[str, Any]:
    """The object in an answer; {} if it is something else, such as protobuf."""
    try:
        found = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _count(value: Any) -> int:
    """A 64-bit integer, which JSON has as a string."""
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else 0


def _seconds(text: str) -> float | None:
    """A Retry-After header: seconds, or a date."""
    text = text.strip()
    if text.isascii() and text.isdecimal():
        return min(float(text[:12]), MAX_RETRY_AFTER_S)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return min(max(date.timestamp() - time.time(), 0.0), MAX_RETRY_AFTER_S)


def _short(text: Any) -> str:
    """A foreign text for the server's log."""
    shown = "".join(c if c.isprintable() else " " for c in str(text or "")[: 2 * _MAX_PROBLEM_CHARS])
    return " ".join(shown.split())[:_MAX_PROBLEM_CHARS]
