"""Streams of frames over HTTP: one (`v1/logs/stream`), or many over one connection (`v1/events`). Server."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from ...model.ids import ID
from ...store.queries.budget import Budget, SearchCancelled
from ..engine import UnknownWorkload
from ..params import FILTERS, StreamQuery, number, parse_filter, parse_stream_name, parse_streams, single_start
from ..subscriptions.log import LogSubscription, NextDue
from ..subscriptions.protocol import Frame, Subscription
from ..subscriptions.requests import RequestsSubscription
from ..subscriptions.workload import WorkloadSubscription
from ..subscriptions.workloads import WorkloadsSubscription
from .base import RESOURCE
from .body import BadJson, BadNumber, parse_json
from .encoders import SharedStreamEncoder, SingleStreamEncoder
from .errors import Refused
from .frame_response import FrameStreamHandler
from .sse_response import has_everything

SERVICE_RESOURCE = "logstream:service"
_SINGLE_INTERVAL_S, _SHARED_INTERVAL_S = 0.15, 0.02  # minimum between logs frames of a caught-up reader


class SingleStreamHandler(FrameStreamHandler):
    """`GET v1/logs/stream`: of a workload, or (`scope=service`) of the Jupyter server itself."""

    @authenticated
    async def get(self) -> None:
        given = self.parameters("scope", "job_id", "limit", "after", "tail", *FILTERS)
        scope = given.get("scope", "job")
        if scope not in {"job", "service"}:
            raise Refused(400, "invalid_parameter", "scope must be job or service")
        await (self._service(given) if scope == "service" else self._job(given))

    @authorized("read", resource=RESOURCE)
    async def _job(self, given: dict[str, str]) -> None:
        workload_id = given.get("job_id", "")
        if not re.fullmatch(ID, workload_id):
            raise Refused(400, "invalid_parameter", "job_id must be the id of a workload")
        limit = number(given, "limit", 100, 1, 5000)
        number(given, "tail", 0, 0, 5000)
        workload = self.engine.get(workload_id)
        last_id = self.request.headers.get("Last-Event-ID", "")
        if has_everything(workload, last_id):
            self.answer_nothing()
            return
        start = single_start(given, last_id, limit, endless=False)
        await self._stream_one(StreamQuery(f"workload/{workload_id}", "", workload_id, start, parse_filter(given)))

    @authorized("read", resource=SERVICE_RESOURCE)
    async def _service(self, given: dict[str, str]) -> None:
        if "job_id" in given:
            raise Refused(400, "invalid_parameter", "job_id cannot be combined with scope=service")
        limit = number(given, "limit", 100, 1, 500)
        number(given, "tail", 0, 0, 500)
        start = single_start(given, self.request.headers.get("Last-Event-ID", ""), limit, endless=True)
        await self._stream_one(StreamQuery("service", "service", "", start, parse_filter(given)))

    async def _stream_one(self, query: StreamQuery) -> None:
        await self.stream([await self.subscribe(query, _SINGLE_INTERVAL_S)], SingleStreamEncoder())

    async def subscribe(self, query: StreamQuery, interval_s: float) -> Subscription[Frame]:
        """Make a subscription with at least `interval_s` between its `logs` frames.

        Raises UnknownWorkload, BadPattern, SlowPattern, TooManySearches, SearchCancelled.
        """
        make = partial(self._subscribe, query, partial(self.open_streams.throttle.next_due, min_interval_s=interval_s))
        # With a filter it can read the whole log: off the event loop.
        return make(None) if query.filter.empty else await self.run_search(make)

    def _subscribe(self, query: StreamQuery, next_due: NextDue, budget: Budget | None) -> Subscription[Frame]:
        start, name = query.start, query.name
        if query.stream == "workloads":
            return WorkloadsSubscription(self.services.workload_feed, start, name)
        if query.stream == "requests":
            return RequestsSubscription(self.services.request_log, start, name)
        if query.stream == "service":
            log = self.services.service_log
            return LogSubscription(
                log.store, log.stream, start, query.filter, next_due, name=name, epoch=log.epoch, budget=budget
            )
        return WorkloadSubscription(
            self.engine, self.store, query.workload_id, start, query.filter, next_due, name, budget
        )


class EventsHandler(SingleStreamHandler):
    """`GET|POST v1/events`: any number of streams over one connection."""

    @authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self) -> None:
        self.parameters(many="stream")
        given = self.request.query_arguments.get("stream", [])
        await self._stream_many(parse_streams([_stream_value(value) for value in given]))

    @authenticated
    @authorized("read", resource=RESOURCE)
    async def post(self) -> None:
        self.parameters()
        body = await self.json_object()
        streams: Any = body.get("streams")
        if set(body) != {"streams"} or not isinstance(streams, list):
            raise Refused(400, "invalid_body", 'the body must be {"streams": [...]}')
        await self._stream_many(parse_streams(streams))

    async def _stream_many(self, queries: list[StreamQuery]) -> None:
        if any(query.stream == "service" for query in queries):
            await self._check_service_access()
        self._check(queries)
        subscriptions: list[Subscription[Frame]] = []
        for query in queries:
            if self.disconnected:
                raise SearchCancelled
            subscriptions.append(await self.subscribe(query, _SHARED_INTERVAL_S))
        await self.stream(subscriptions, SharedStreamEncoder())

    @authorized("read", resource=SERVICE_RESOURCE, message="You are not allowed to read the stream service.")
    def _check_service_access(self) -> None:
        """The decorator does the check."""

    def _check(self, queries: list[StreamQuery]) -> None:
        names = [query.name for query in queries]
        for query in queries:
            if names.count(query.name) > 1:
                raise Refused(400, "invalid_parameter", f"stream {query.name} is given twice")
            try:
                if query.workload_id:
                    self.engine.status_of(query.workload_id)
            except UnknownWorkload:
                raise Refused(404, "unknown_workload", f"there is no stream workload/{query.workload_id}") from None


def _stream_value(value: bytes) -> Any:
    """One `stream=` of a GET: a name with an optional cursor, or the JSON object that a POST carries."""
    if not value.startswith(b"{"):
        return parse_stream_name(value.decode("utf-8", "replace"))
    try:
        return parse_json(value)
    except (BadJson, BadNumber) as error:
        raise Refused(400, "invalid_parameter", f"stream {error}") from None


ROUTES = [(r"v1/logs/stream", SingleStreamHandler), (r"v1/events", EventsHandler)]
