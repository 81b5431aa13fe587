"""A response that tells the frames of subscriptions, one stream's or many. Server side.

One coroutine serves one response; each subscription is asked when its stream has changed or when it said it would be
due. This file must not know what streams there are.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any

from tornado.iostream import StreamClosedError

from ...store.errors import BadIndex, NotWriter, UnknownStream
from ...store.queries.filters import SlowPattern
from ...wire.sse import encode_json
from ..engine import UnknownWorkload
from ..subscriptions.protocol import Frame, Subscription, dump
from .sse_response import EventStreamHandler


class FrameStreamHandler(EventStreamHandler):
    """A handler that answers with frames."""

    async def tell(self, subscriptions: list[Subscription], *, named: bool) -> None:
        """Tell the subscriptions' frames until all workloads among them are done, or the reader leaves.

        Also until a workload is deleted. An endless stream keeps the response open. `named`: each frame says its
        stream and cursor; else a frame that moves the cursor has it as its id.
        """
        changed = set(subscriptions)
        for one in subscriptions:
            self.watch(*one.watch(partial(self._changed, changed, one)))
        live = list(subscriptions)
        try:
            await self.open(len(live))
            while live and not self.left:
                due = await self._round(live, changed, named)
                self.open_streams.set(self, len(live))
                if live and await self.rest(due):
                    await self.say(_ping(subscriptions, named))
        except (StreamClosedError, UnknownWorkload, UnknownStream, SlowPattern, BadIndex, NotWriter):
            return  # without `done`: whoever comes back learns what became of it

    def _changed(self, changed: set[Subscription], one: Subscription) -> None:
        changed.add(one)
        self.wake()

    async def _round(self, live: list[Subscription], changed: set[Subscription], named: bool) -> float | None:
        """One turn for each subscription with news; the time of the next one that is due without."""
        due: float | None = None
        for one in list(live):
            now = asyncio.get_running_loop().time()
            if one in changed or (one.due is not None and one.due <= now):
                changed.discard(one)  # before the look: what comes after it wakes us again
                told = partial(_told, one, now, named)
                await self.say(await asyncio.to_thread(told) if one.searches else told())
                if one.done:
                    live.remove(one)
            if one.due is not None and not one.done:
                due = one.due if due is None else min(due, one.due)
        return due


def _told(one: Subscription, now: float, named: bool) -> bytes:
    """What a subscription has to tell, as it goes out. Nothing else is kept of it while its reader takes its time."""
    return b"".join([_encode(frame, one.name, named) for frame in one.frames(now)])


def _encode(frame: Frame, stream: str, named: bool) -> bytes:
    """A frame as it goes out: with its stream and cursor in the data, or with the cursor as its id."""
    if not named:
        return encode_json(frame.event, frame.data, frame.cursor)
    cursor = b"" if frame.cursor is None else b',"cursor":' + dump(frame.cursor)
    rest = b"}" if frame.data == b"{}" else b"," + frame.data[1:]
    return encode_json(frame.event, b'{"stream":%s%s%s' % (dump(stream), cursor, rest))


def _ping(subscriptions: list[Subscription], named: bool) -> bytes:
    told: dict[str, Any] = {"timestamp": time.time_ns() // 1000 / 1000}
    if not named:
        return encode_json("ping", dump(told), subscriptions[0].cursor)
    told["cursors"] = {one.name: one.cursor for one in subscriptions}
    return encode_json("ping", dump(told))
