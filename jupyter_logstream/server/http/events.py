"""Streams in frames: one (`v1/logs/stream`), or any number of them over one connection (`v1/events`)."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from ...model.ids import ID
from ..engine import UnknownWorkload
from ..params import FILTERS, StreamQuery, number, parse_filter, parse_stream, parse_stream_name, single_start
from ..subscriptions.log import LogSubscription, NextTurn, WorkloadSubscription
from ..subscriptions.protocol import Subscription
from ..subscriptions.requests import RequestsSubscription
from ..subscriptions.workloads import WorkloadsSubscription
from .base import RESOURCE, Refused
from .frame_response import FrameStreamHandler
from .sse_response import has_all

MOST_STREAMS = 500
SERVICE_RESOURCE = "logstream:service"
_SINGLE_PACE, _SHARED_PACE = 0.15, 0.02  # seconds between logs frames of a reader that has caught up


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
        if has_all(workload, last_id):
            self.answer_nothing()
            return
        start = single_start(given, last_id, limit, endless=False)
        asked = StreamQuery(f"workload/{workload_id}", "", workload_id, start, parse_filter(given))
        await self.tell([await self.subscribe(asked, _SINGLE_PACE)], named=False)

    @authorized("read", resource=SERVICE_RESOURCE)
    async def _service(self, given: dict[str, str]) -> None:
        if "job_id" in given:
            raise Refused(400, "invalid_parameter", "job_id is not for scope=service")
        limit = number(given, "limit", 100, 1, 500)
        number(given, "tail", 0, 0, 500)
        start = single_start(given, self.request.headers.get("Last-Event-ID", ""), limit, endless=True)
        asked = StreamQuery("service", "service", "", start, parse_filter(given))
        await self.tell([await self.subscribe(asked, _SINGLE_PACE)], named=False)

    async def subscribe(self, asked: StreamQuery, apart: float) -> Subscription:
        """The subscription that is asked for; its `logs` frames come `apart` seconds from each other.

        Raises UnknownWorkload, BadPattern, SlowPattern.
        """
        begin = partial(self._subscribe, asked, partial(self.open_streams.pace.told, least=apart))
        # With a filter it may have to read all of the log.
        return begin() if asked.filter.empty else await asyncio.to_thread(begin)

    def _subscribe(self, asked: StreamQuery, next_turn: NextTurn) -> Subscription:
        if asked.stream == "workloads":
            return WorkloadsSubscription(self.workload_list, asked.start, asked.name)
        if asked.stream == "requests":
            return RequestsSubscription(self.settings["logstream"].request_log, asked.start, asked.name)
        if asked.stream == "service":
            log = self.service_log
            return LogSubscription(
                log.store, log.stream, asked.start, asked.filter, next_turn, name=asked.name, epoch=log.epoch
            )
        return WorkloadSubscription(
            self.engine, self.store, asked.workload_id, asked.start, asked.filter, next_turn, asked.name
        )


class EventsHandler(SingleStreamHandler):
    """`GET|POST v1/events`: any number of streams over one connection."""

    @authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self) -> None:
        self.parameters(many="stream")
        names = [name.decode("utf-8", "replace") for name in self.request.query_arguments.get("stream", [])]
        await self._serve([parse_stream_name(name) for name in names])

    @authenticated
    @authorized("read", resource=RESOURCE)
    async def post(self) -> None:
        self.parameters()
        body = self.json_object()
        streams: Any = body.get("streams")
        if set(body) != {"streams"} or not isinstance(streams, list):
            raise Refused(400, "invalid_body", 'the body must be {"streams": [...]}')
        await self._serve([parse_stream(stream) for stream in streams])

    async def _serve(self, asked: list[StreamQuery]) -> None:
        if not 0 < len(asked) <= MOST_STREAMS:
            raise Refused(400, "invalid_parameter", f"stream must be given 1 to {MOST_STREAMS} times")
        if any(one.stream == "service" for one in asked):
            await self._may_read_service()
        self._check(asked)
        await self.tell([await self.subscribe(one, _SHARED_PACE) for one in asked], named=True)

    @authorized("read", resource=SERVICE_RESOURCE, message="You are not allowed to read the stream service.")
    def _may_read_service(self) -> None:
        """Nothing but the question."""

    def _check(self, asked: list[StreamQuery]) -> None:
        names = [one.name for one in asked]
        for one in asked:
            if names.count(one.name) > 1:
                raise Refused(400, "invalid_parameter", f"stream {one.name} is given twice")
            try:
                if one.workload_id:
                    self.engine.status_of(one.workload_id)
            except UnknownWorkload:
                raise Refused(404, "unknown_workload", f"there is no stream workload/{one.workload_id}") from None


ROUTES = [(r"v1/logs/stream", SingleStreamHandler), (r"v1/events", EventsHandler)]
