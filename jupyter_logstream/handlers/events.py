"""Streams in frames: one workload's (`v1/logs/stream`), or any number of them over one connection (`v1/events`)."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado.iostream import StreamClosedError
from tornado.web import authenticated

from ..engine import UnknownWorkload
from ..sse import encode_json
from ..store import NotWriter, UnknownStream
from ..store.layout import BadIndex
from ..store.query import Filter, SlowPattern
from ..workload import ID
from .event_stream import EventStreamHandler, has_all
from .frames import Frame, Start, Subscription, dump
from .logs import FILTERS, chosen_filter
from .request import RESOURCE, Refused, number, printable

MOST_STREAMS = 500
_SINGLE_PACE, _SHARED_PACE = 0.15, 0.02  # seconds between logs frames of a reader that has caught up
_NAME = re.compile(rf"workload/({ID})")
_SEQ = re.compile(r"[0-9]{1,18}")
_OPTIONS = {"stream", "after", "tail", *FILTERS}


@dataclass(frozen=True, slots=True)
class Asked:
    """One stream of a request for several."""

    workload_id: str
    start: Start
    given: dict[str, str]


class SingleStreamHandler(EventStreamHandler):
    """`GET v1/logs/stream?scope=job&job_id=ID`."""

    @authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self) -> None:
        given = self.parameters("scope", "job_id", "limit", "after", "tail", *FILTERS)
        if given.get("scope", "job") != "job":
            raise Refused(400, "invalid_parameter", "scope must be job")
        workload_id = given.get("job_id", "")
        if not re.fullmatch(ID, workload_id):
            raise Refused(400, "invalid_parameter", "job_id must be the id of a workload")
        limit = number(given, "limit", 100, 1, 5000)
        workload = self.engine.get(workload_id)
        last_id = self.request.headers.get("Last-Event-ID", "")
        if has_all(workload, last_id):
            self.answer_nothing()
            return
        start = _start_of(given, last_id, limit)
        chosen = chosen_filter(given)
        subscription = await asyncio.to_thread(
            Subscription, self.engine, self.store, workload_id, start, chosen, _SINGLE_PACE
        )
        await self.tell([subscription], named=False)

    async def tell(self, subscriptions: list[Subscription], *, named: bool) -> None:
        """Tell the subscriptions' frames until all are done, or the reader leaves, or a workload is deleted.

        `named`: each frame says its stream and cursor; else a frame that moves the cursor has it as its id.
        """
        changed = {one.id for one in subscriptions}
        for one in subscriptions:
            wake = partial(self._changed, changed, one.id)
            self.watch(self.store.watch(one.id, wake), self.engine.watch(one.id, wake))
        live = list(subscriptions)
        try:
            await self.open(len(live))
            while live and not self.left:
                due = await self._round(live, changed, named)
                self.open_streams.set(self, len(live))
                if live and await self.rest(due):
                    await self.say(_ping(subscriptions, time.time_ns() // 1000 / 1000, named))
        except (StreamClosedError, UnknownWorkload, UnknownStream, SlowPattern, BadIndex, NotWriter):
            return  # without `done`: whoever comes back learns what became of it

    def _changed(self, changed: set[str], workload_id: str) -> None:
        changed.add(workload_id)
        self.wake()

    async def _round(self, live: list[Subscription], changed: set[str], named: bool) -> float | None:
        """One turn for each subscription with news; the time of the next one that is due without."""
        due: float | None = None
        for one in list(live):
            now = asyncio.get_running_loop().time()
            if one.id in changed or (one.due is not None and one.due <= now):
                changed.discard(one.id)  # before the look: what comes after it wakes us again
                frames = await asyncio.to_thread(one.frames, now) if one.searches else one.frames(now)
                blocks = [encode_frame(frame, one.id, named) for frame in frames]
                if blocks:
                    await self.say(b"".join(blocks))
                if one.done:
                    live.remove(one)
            if one.due is not None and not one.done:
                due = one.due if due is None else min(due, one.due)
        return due


class EventsHandler(SingleStreamHandler):
    """`GET|POST v1/events`: any number of streams over one connection."""

    @authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self) -> None:
        self.parameters(many="stream")
        names = [name.decode("utf-8", "replace") for name in self.request.query_arguments.get("stream", [])]
        asked = []
        for name in names:
            stream, at, cursor = name.partition("@")
            asked.append(_asked({"stream": stream, "after": cursor} if at else {"stream": stream}))
        await self._serve(asked)

    @authenticated
    @authorized("read", resource=RESOURCE)
    async def post(self) -> None:
        self.parameters()
        body = self.json_object()
        streams = body.get("streams")
        if set(body) != {"streams"} or not isinstance(streams, list):
            raise Refused(400, "invalid_body", 'the body must be {"streams": [...]}')
        await self._serve([_asked(_object(stream)) for stream in streams])

    async def _serve(self, asked: list[Asked]) -> None:
        if not 0 < len(asked) <= MOST_STREAMS:
            raise Refused(400, "invalid_parameter", f"stream must be given 1 to {MOST_STREAMS} times")
        ids = [one.workload_id for one in asked]
        for workload_id in ids:
            if ids.count(workload_id) > 1:
                raise Refused(400, "invalid_parameter", f"stream workload/{workload_id} is given twice")
            try:
                self.engine.status_of(workload_id)
            except UnknownWorkload:
                raise Refused(404, "unknown_workload", f"there is no stream workload/{workload_id}") from None
        chosen = [chosen_filter(one.given) for one in asked]
        subscriptions = [await self._subscription(one, which) for one, which in zip(asked, chosen, strict=True)]
        await self.tell(subscriptions, named=True)

    async def _subscription(self, one: Asked, chosen: Filter) -> Subscription:
        begin = partial(Subscription, self.engine, self.store, one.workload_id, one.start, chosen, _SHARED_PACE)
        return begin() if chosen.empty else await asyncio.to_thread(begin)  # a filter may have to read all of the log


def encode_frame(frame: Frame, workload_id: str, named: bool) -> bytes:
    """A frame as it goes out: with its stream and cursor in the data, or with the cursor as its id."""
    if not named:
        return encode_json(frame.event, frame.data, frame.cursor)
    cursor = b"" if frame.cursor is None else b',"cursor":%d' % frame.cursor
    return encode_json(frame.event, b'{"stream":"workload/%s"%s,%s' % (workload_id.encode(), cursor, frame.data[1:]))


def _ping(subscriptions: list[Subscription], timestamp: float, named: bool) -> bytes:
    if not named:
        return encode_json("ping", dump({"timestamp": timestamp}), subscriptions[0].cursor)
    cursors = {f"workload/{one.id}": one.cursor for one in subscriptions}
    return encode_json("ping", dump({"timestamp": timestamp, "cursors": cursors}))


def _start_of(given: Mapping[str, str], last_id: str, limit: int) -> Start:
    """By precedence: Last-Event-ID, after, tail or limit."""
    if last_id:
        return Start(after=int(last_id)) if _SEQ.fullmatch(last_id) else Start(stale=True)
    if "after" in given:
        return Start(after=number(given, "after", 0))
    return Start(tail=number(given, "tail", limit, 0, 5000))


def _object(value: Any) -> dict[str, str]:
    """A stream's options with numbers and lists of levels as parameters have them."""
    if not isinstance(value, dict):
        raise Refused(400, "invalid_body", "a stream must be an object")
    found: dict[str, str] = {}
    for name, option in value.items():
        if name not in _OPTIONS:
            raise Refused(400, "unknown_parameter", f"{printable(name)} is not an option of a stream")
        if option is None:
            continue
        if name in {"after", "tail"} and (not isinstance(option, int | str) or isinstance(option, bool)):
            raise Refused(400, "invalid_parameter", f"{name} must be a whole number")
        is_list = name == "levels" and isinstance(option, list)
        if name not in {"after", "tail"} and not isinstance(option, str) and not is_list:
            raise Refused(400, "invalid_parameter", f"{name} must be a string")
        found[name] = ",".join(map(str, option)) if is_list else str(option)
    return found


def _asked(given: dict[str, str]) -> Asked:
    name = _NAME.fullmatch(given.get("stream", ""))
    if not name:
        raise Refused(400, "invalid_parameter", f"{printable(given.get('stream', ''))} is not the name of a stream")
    if "after" in given:
        start = Start(after=number(given, "after", 0))
    else:
        start = Start(tail=number(given, "tail", 0)) if "tail" in given else Start()
    return Asked(name[1], start, given)


ROUTES = [(r"v1/logs/stream", SingleStreamHandler), (r"v1/events", EventsHandler)]
