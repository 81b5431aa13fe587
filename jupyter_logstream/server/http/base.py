"""Base handler: strict request parsing, searches, JSON responses. Server."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

from tornado.web import HTTPError

from ...store.protocol import LogStore
from ...store.queries.budget import Budget
from ...text.strict_json import dumps
from ..engine import Engine
from ..params import printable
from .authentication import AuthenticatedHandler
from .body import BadJson, BadNumber, TooDeep, parse_json
from .errors import Refused, to_http

MAX_BODY_BYTES = 10 * 1024 * 1024
_MAX_INLINE_BYTES = 64 * 1024  # larger bodies are parsed in a thread
RETRY_AFTER_S = 5
RESOURCE = "logstream"
_JUPYTERS_PARAMETERS = {"token", "_xsrf", "no_track_activity"}
_NDJSON = {"application/x-ndjson", "application/ndjson", "application/jsonl"}
Answer = TypeVar("Answer")
_FIELDS_OF_ITEM = re.compile(r"\[\d+\]\.fields\b")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class LogStreamHandler(AuthenticatedHandler):
    """Base of all handlers: strict parsing of requests, JSON responses, searches off the event loop."""

    _budget: Budget | None = None  # of the search that runs

    @property
    def engine(self) -> Engine:
        """Workloads and their states."""
        return self.services.engine

    @property
    def store(self) -> LogStore:
        """The workloads' logs."""
        return self.services.store

    async def prepare(self, **_: Any) -> None:
        """Authenticate, and refuse bodies over the limit."""
        await super().prepare()
        if self.current_user and len(self.request.body) > MAX_BODY_BYTES:  # also where a body has no meaning
            raise Refused(413, "too_large", f"the body is larger than {MAX_BODY_BYTES} bytes")
        self._track_activity = self.request.method != "GET"  # an open log does not keep the server from being culled

    # --- request ------------------------------------------------------------------------------------------------------

    def parameters(self, *known: str, many: str = "") -> dict[str, str]:
        """The query's parameters; an empty one is absent. Raises Refused if one is unknown, repeated or malformed.

        `many`: a parameter that can be repeated; the caller reads it.
        """
        if _BAD_ESCAPE.search(self.request.query):
            raise Refused(400, "invalid_parameter", "the query contains a % that starts no escape sequence")
        found: dict[str, str] = {}
        for name, values in self.request.query_arguments.items():
            if name in _JUPYTERS_PARAMETERS or name == many:
                continue
            if name not in known:
                raise Refused(400, "unknown_parameter", f"{printable(name)} is not a parameter of this request")
            if len(values) > 1:
                raise Refused(400, "invalid_parameter", f"{name} is given twice")
            try:
                text = values[0].decode()
            except UnicodeDecodeError:
                raise Refused(400, "invalid_parameter", f"{name} is not UTF-8") from None
            if text:
                found[name] = text
        return found

    async def json_object(self, *, any_bytes: bool = False) -> dict[str, Any]:
        """The body as a JSON object. `any_bytes`: see parse_json."""
        value = await self.json_value(any_bytes=any_bytes)
        if not isinstance(value, dict):
            raise Refused(400, "invalid_json", "the body must be a JSON object")
        return value

    async def json_value(self, *, any_bytes: bool = False) -> Any:
        """The body as JSON."""
        self._check_body({"application/json"})
        return await _off_the_loop(self.request.body, partial(_parse_value, any_bytes=any_bytes))

    async def json_items(self) -> list[Any]:
        """The body as a list: a JSON array, or NDJSON (one value a line)."""
        kind = self._check_body({"application/json", *_NDJSON})
        value = await _off_the_loop(self.request.body, _parse_lines if kind in _NDJSON else _parse_array)
        if not isinstance(value, list):
            raise Refused(400, "invalid_json", "the body must be a JSON array (or be sent as application/x-ndjson)")
        return value

    def raw_body(self) -> bytes:
        """The body's bytes."""
        self._check_body(None)
        return bytes(self.request.body)

    def _check_body(self, types: set[str] | None) -> str:
        headers = self.request.headers
        if headers.get("Content-Encoding", "identity") != "identity":
            raise Refused(415, "unsupported_encoding", "the body must not be compressed")
        kind = headers.get("Content-Type", "application/json").partition(";")[0].strip().lower()
        if types is not None and kind not in types:
            raise Refused(415, "unsupported_type", f"the body must be {' or '.join(sorted(types))}")
        return kind

    # --- search ------------------------------------------------------------------------------------------------------

    async def run_search(self, query: Callable[[Budget], Answer]) -> Answer:
        """Run a query that can read a whole log, off the event loop; it ends when the client disconnects.

        Raises TooManySearches, SearchCancelled, and what `query` raises.
        """
        self._budget = budget = Budget()
        return await self.services.search_pool.search(lambda: query(budget), budget)

    def on_connection_close(self) -> None:
        """Cancel the search that runs: the client has gone."""
        if self._budget is not None:
            self._budget.cancel()
        super().on_connection_close()

    # --- response -----------------------------------------------------------------------------------------------------

    def answer(self, value: Mapping[str, Any], status: int = 200) -> None:
        """Finish with a JSON object."""
        self.set_status(status)
        self.set_header("Cache-Control", "no-store")
        self.finish(dumps(value))

    def answer_page(self, name: str, values: Sequence[str], following: str | None) -> None:
        """Finish with `{name: [values], "next"}`; the values are JSON."""
        self.set_header("Cache-Control", "no-store")
        self.finish(f'{{"{name}":[{",".join(values)}],"next":{dumps(following)}}}')

    def answer_nothing(self) -> None:
        """Finish with 204 No Content."""
        self.set_status(204)
        self.finish()

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Finish with `{"message", "reason"}`."""
        self.finish(self.error_body(status_code, kwargs.get("exc_info", (None, None, None))[1]))

    def error_body(self, status_code: int, error: BaseException | None) -> str:
        """An error's `{"message", "reason"}`; sets the headers that belong to it."""
        message, reason = HTTPStatus(status_code).phrase, HTTPStatus(status_code).name.lower()
        if isinstance(error, Refused):
            message, reason = error.text, error.code
            for name, value in error.headers.items():
                self.set_header(name, value)
        elif isinstance(error, HTTPError) and error.log_message and status_code < 500:
            message = error.log_message % error.args if error.args else error.log_message
        self.set_header("Cache-Control", "no-store")  # some errors could be cached otherwise, with a login cookie
        if status_code == 429:
            self.set_header("Retry-After", str(RETRY_AFTER_S))
        return json.dumps({"message": message, "reason": reason}, ensure_ascii=False)

    def _handle_request_exception(self, e: BaseException) -> None:
        """Respond to errors of the table; Tornado logs all others and responds 500."""
        known = to_http(e)
        if known is None or self._headers_written:
            super()._handle_request_exception(e)
        else:
            self.send_error(known.status_code, exc_info=(Refused, known, None))


def _parse_value(data: bytes, *, any_bytes: bool) -> Any:
    try:
        return parse_json(data, any_bytes=any_bytes)
    except BadJson as error:
        raise Refused(400, "invalid_json", f"the body {error}") from None
    except BadNumber as error:
        raise Refused(422, "invalid_field", str(error)) from None


def _parse_array(data: bytes) -> Any:
    return _parse_items(data, "the body", "")


def _parse_lines(data: bytes) -> list[Any]:
    lines = [line for line in data.split(b"\n") if line.strip()]
    return [_parse_items(line, f"line {i + 1} of the body", f"[{i}].") for i, line in enumerate(lines)]


def _parse_items(data: bytes, what: str, prefix: str) -> Any:
    """Parse items of a batch; one whose `fields` are nested too deeply is as wrong as any other wrong field."""
    try:
        return parse_json(data)
    except TooDeep as error:
        if found := _FIELDS_OF_ITEM.match(prefix + error.member):
            raise Refused(422, "invalid_field", f"{found[0]}: {error}") from None
        raise Refused(400, "invalid_json", f"{what} {error}") from None
    except BadJson as error:
        raise Refused(400, "invalid_json", f"{what} {error}") from None
    except BadNumber as error:
        raise Refused(422, "invalid_field", f"{prefix}{error}") from None


async def _off_the_loop(data: bytes, parse: Callable[[bytes], Any]) -> Any:
    """Parse a large body in a thread, so that other requests are served meanwhile."""
    return await asyncio.to_thread(parse, data) if len(data) > _MAX_INLINE_BYTES else parse(data)
