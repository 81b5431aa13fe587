"""Response that streams the items of subscriptions, of one stream or of many. Server.

One coroutine serves one response; it polls a subscription when its stream has changed or when it is due. This file does
not know which streams there are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, TypeVar

from tornado.iostream import StreamClosedError

from ...store.errors import BadIndex, NotWriter, UnknownStream
from ...store.queries.budget import SlowPattern
from ..engine import UnknownWorkload
from ..subscriptions.protocol import Subscription
from .encoders import Encoder
from .sse_response import EventStreamHandler

Item = TypeVar("Item")


class FrameStreamHandler(EventStreamHandler):
    """A handler that responds with the frames of subscriptions."""

    async def stream(self, subscriptions: Sequence[Subscription[Item]], encoder: Encoder[Item]) -> None:
        """Stream until all subscriptions are done, the client disconnects, or a workload is deleted.

        An endless stream keeps the response open. A response that ends without `done` makes the client reconnect, which
        then receives the reason as an error.
        """
        changed = set(subscriptions)
        for one in subscriptions:
            self.watch(*one.watch(partial(self._on_change, changed, one)))
        live = list(subscriptions)
        try:
            await self.open(len(live))
            while live and not self.disconnected:
                due = await self._round(live, changed, encoder)
                self.open_streams.set(self, len(live))
                if live and await self.wait_for_change(due):
                    await self.write_block(encoder.keep_alive({one.name: one.cursor for one in subscriptions}))
        except (StreamClosedError, UnknownWorkload, UnknownStream, SlowPattern, BadIndex, NotWriter):
            return

    def _on_change(self, changed: set[Any], one: Subscription[Any]) -> None:
        changed.add(one)
        self.wake()

    async def _round(self, live: list[Subscription[Item]], changed: set[Any], encoder: Encoder[Item]) -> float | None:
        """Poll each subscription that has changed or is due; return when the next one is due."""
        due: float | None = None
        for one in list(live):
            now = asyncio.get_running_loop().time()
            if one in changed or (one.due is not None and one.due <= now):
                changed.discard(one)  # before the poll: a later change sets it again
                poll = partial(_poll, one, now, encoder)
                await self.write_block(await self.services.search_pool.filter(poll) if one.searches else poll())
                if one.done:
                    live.remove(one)
            if one.due is not None and not one.done:
                due = one.due if due is None else min(due, one.due)
        return due


def _poll(one: Subscription[Item], now: float, encoder: Encoder[Item]) -> bytes:
    """What a subscription sends now, encoded; nothing else of it is held while a slow client reads."""
    return b"".join([encoder.encode(one.name, item) for item in one.frames(now)])
