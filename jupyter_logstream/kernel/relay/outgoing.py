"""Throttled, numbered sending of messages to the pages of one widget. Runs in kernels, on the background loop.

In any second at most MESSAGES_PER_S messages and BYTES_PER_S bytes of frames; answers to requests are only paced.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from .messages import Message, size_of

MESSAGES_PER_S = 20
BYTES_PER_S = 200_000
"""The shared limits of all feeds of one view."""

MIN_FREE_BYTES = 20_000
"""A message of frames waits until so much of the limit is free."""

ANSWER_BYTES_PER_S = 8_000_000
"""Pace of answers: a download does not flood the front end, and frames are sent between its parts."""


class Outgoing:
    """The messages to the pages of one widget, in order."""

    def __init__(self, push: Callable[[Message], None]) -> None:
        self._push = push
        self._number = 0
        self._turn = asyncio.Lock()
        self._next_at = 0.0
        self._sent: deque[tuple[float, int]] = deque()  # times and bytes of the last second
        self._answer_turn = asyncio.Lock()

    def send(self, message: Message) -> None:
        """Send now, unthrottled: rare messages only."""
        self._number += 1
        self._push({"n": self._number, **message})

    async def send_frames(self, collect: Callable[[int], Message | None]) -> None:
        """Wait for this feed's turn, then send what `collect(bytes)` returns by then, of at most so many bytes."""
        async with self._turn:
            free = await self._wait_for_capacity()
            message = collect(free)
            if message is None:
                return
            size = size_of(message)
            self.send(message)
            now = asyncio.get_running_loop().time()
            self._sent.append((now, size))
            # A burst is sent at twice the rate: most are over before the limit of the second is reached.
            self._next_at = now + max(1 / MESSAGES_PER_S, size / (2 * BYTES_PER_S))

    async def _wait_for_capacity(self) -> int:
        """Wait until a message is allowed; returns its maximum size in bytes."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(max(0.0, self._next_at - loop.time()))
            while self._sent and self._sent[0][0] < loop.time() - 1:
                self._sent.popleft()
            free = BYTES_PER_S - sum(size for _, size in self._sent)
            if free >= MIN_FREE_BYTES and len(self._sent) < MESSAGES_PER_S:
                return free
            self._next_at = self._sent[0][0] + 1.001

    async def send_answer(self, message: Message, size: int) -> None:
        """Send a part of an answer of `size` bytes, paced."""
        async with self._answer_turn:
            self.send(message)
            await asyncio.sleep(size / ANSWER_BYTES_PER_S)
