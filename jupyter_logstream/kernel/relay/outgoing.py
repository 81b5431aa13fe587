"""Throttled, numbered sending of messages to the pages of one widget. Runs in kernels, on the background loop.

At most MESSAGES_PER_S messages and BYTES_PER_S bytes of frames a second; answers to requests are only paced.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .messages import Message, size_of

MESSAGES_PER_S = 20
BYTES_PER_S = 200_000
"""The shared limits of all feeds of one view."""

ANSWER_BYTES_PER_S = 8_000_000
"""Pace of answers: a download does not flood the front end, and frames are sent between its parts."""


class Outgoing:
    """The messages to the pages of one widget, in order."""

    def __init__(self, push: Callable[[Message], None]) -> None:
        self._push = push
        self._number = 0
        self._turn = asyncio.Lock()
        self._next_at = 0.0
        self._answer_turn = asyncio.Lock()

    def send(self, message: Message) -> None:
        """Send now, unthrottled: rare messages only."""
        self._number += 1
        self._push({"n": self._number, **message})

    async def send_frames(self, collect: Callable[[], Message | None]) -> None:
        """Wait for this feed's turn, then send what `collect` returns by then; None sends nothing."""
        async with self._turn:
            loop = asyncio.get_running_loop()
            await asyncio.sleep(max(0.0, self._next_at - loop.time()))
            message = collect()
            if message is None:
                return
            self.send(message)
            self._next_at = loop.time() + max(1 / MESSAGES_PER_S, size_of(message) / BYTES_PER_S)

    async def send_answer(self, message: Message, size: int) -> None:
        """Send a part of an answer of `size` bytes, paced."""
        async with self._answer_turn:
            self.send(message)
            await asyncio.sleep(size / ANSWER_BYTES_PER_S)
