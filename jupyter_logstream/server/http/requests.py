"""The request log over HTTP: stream, pages, figures, and rows that kernels record. Server."""

from __future__ import annotations

import re
import time
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from ...model.ids import ID
from ...wire.llm_dialects import Tokens
from ..params import endless_start, number, printable
from ..request_log.log import RequestLog
from ..request_log.queries import RowFilter
from ..request_log.row import FINAL, STATUSES, Row, check_fields
from ..subscriptions.requests import RequestsSubscription
from .base import RESOURCE, LogStreamHandler
from .encoders import SingleStreamEncoder
from .errors import Refused
from .frame_response import FrameStreamHandler
from .json_page import fitting

_MAX_KEY_CHARS = 200
_REDACTED = ("path", "error", "model", "response_model", "finish_reason")


class RequestStreamHandler(FrameStreamHandler):
    """`GET v1/requests/stream`."""

    @authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self) -> None:
        given = self.parameters("after", "tail")
        start = endless_start(given, self.request.headers.get("Last-Event-ID", ""))
        with self.services.request_readers.reader():
            subscription = RequestsSubscription(self.services.request_log, start, "requests", heartbeats=True)
            await self.stream([subscription], SingleStreamEncoder())


class _RequestLogHandler(LogStreamHandler):
    """Access to the request log, and the validation of recorded rows."""

    @property
    def requests(self) -> RequestLog:
        return self.services.request_log

    async def recorded(self, body: dict[str, Any], row: Row | None) -> dict[str, Any]:
        """The fields that a kernel sent, validated and redacted, with the cost and duration that follow."""
        fields = check_fields(body)
        redactor = self.services.redactor
        fields.update({name: redactor.mask(fields[name]) for name in _REDACTED if name in fields})
        known = {**(row.to_json() if row is not None else {}), **fields}
        if "cost_usd" not in fields and ("input_tokens" in fields or "output_tokens" in fields):
            counts = ("input_tokens", "output_tokens", "cached_tokens", "cache_creation_tokens")
            tokens = Tokens(*(known.get(name) for name in counts))
            prices, models = self.services.prices, (known.get("response_model"), known.get("model"))
            await prices.ready({}, *models)
            fields["cost_usd"] = prices.cost({}, tokens, *models, provider=known.get("provider"))
        if row is not None and fields.get("status") in FINAL and known.get("duration_ms") is None:
            fields["duration_ms"] = max(round(time.time() * 1000 - row.initial_time, 3), 0)
        return fields


class RequestsHandler(_RequestLogHandler):
    """`GET|POST|DELETE v1/requests`."""

    @authenticated
    @authorized("read", resource=RESOURCE)
    def get(self) -> None:
        given = self.parameters("limit", "before", "provider", "model", "status", "q")
        statuses = frozenset(given["status"].split(",")) if "status" in given else None
        for status in (statuses or STATUSES) - STATUSES:
            expected = ", ".join(sorted(STATUSES))
            raise Refused(400, "invalid_parameter", f"status must be one of {expected}, not {printable(status)}")
        before, limit = given.get("before"), number(given, "limit", 100, 1, 1000)
        if before is not None and not re.fullmatch(ID, before):
            raise Refused(400, "invalid_parameter", "before must be the id of a row: use `next` of the page before")
        chosen = RowFilter(statuses, given.get("provider"), given.get("model"), given.get("q"))
        found = self.requests.page(limit + 1, before, chosen)
        page = fitting(row.to_json() for row in found[:limit])
        self.answer_page("requests", page, found[len(page) - 1].id if len(found) > len(page) else None)

    @authenticated
    @authorized("write", resource=RESOURCE)
    async def post(self) -> None:
        self.parameters()
        body = await self.json_object()
        key = body.pop("key", None)
        if key is not None and (not isinstance(key, str) or not 0 < len(key) <= _MAX_KEY_CHARS):
            raise Refused(422, "invalid_field", f"key must be a string of 1 to {_MAX_KEY_CHARS} characters")
        fields = await self.recorded(body, None)
        row, is_new = self.requests.create(key=key, **fields)
        self.answer(row.to_json(), 201 if is_new else 200)

    @authenticated
    @authorized("write", resource=RESOURCE)
    def delete(self) -> None:
        self.parameters()
        self.requests.clear()
        self.answer_nothing()


class RowHandler(_RequestLogHandler):
    """`GET|PATCH v1/requests/{id}`: one row with its detail; a change of a row that a kernel recorded."""

    @authenticated
    @authorized("read", resource=RESOURCE)
    def get(self, row_id: str) -> None:
        self.parameters()
        row = self.requests.get(row_id)
        self.answer({**row.to_json(), "detail": self.requests.detail(row_id)})

    @authenticated
    @authorized("write", resource=RESOURCE)
    async def patch(self, row_id: str) -> None:
        self.parameters()
        row = self.requests.get(row_id)
        if row.upstream is not None:
            raise Refused(409, "not_recorded", "the call goes through the proxy: only the server changes its row")
        fields = await self.recorded(await self.json_object(), row)
        self.answer(self.requests.update(row_id, **fields).to_json())


class RequestStatsHandler(_RequestLogHandler):
    """`GET v1/requests/stats`."""

    @authenticated
    @authorized("read", resource=RESOURCE)
    def get(self) -> None:
        given = self.parameters("since")
        since = number(given, "since", 0)
        found = self.requests.figures() if since == 0 else self.requests.figures_since(since)
        self.answer(found.to_json())


ROUTES = [
    (r"v1/requests", RequestsHandler),
    (r"v1/requests/stream", RequestStreamHandler),
    (r"v1/requests/stats", RequestStatsHandler),
    (rf"v1/requests/({ID})", RowHandler),
]
