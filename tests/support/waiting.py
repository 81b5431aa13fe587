"""Polling for a condition with a time limit that only a fault reaches. Test support."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 30.0


def until(found: Callable[[], T], patience: float = PATIENCE) -> T:
    """Call `found` until it returns a true value; return that value."""
    deadline = time.monotonic() + patience
    while not (value := found()):
        assert time.monotonic() < deadline, f"no true value within {patience} s; last: {value!r}"
        time.sleep(0.01)
    return value


async def eventually(found: Callable[[], T | Awaitable[T]], patience: float = PATIENCE) -> T:
    """`until` for the event loop; `found` may be a coroutine function."""
    deadline = time.monotonic() + patience
    while True:
        value = found()
        if isinstance(value, Awaitable):
            value = await value
        if value:
            return value
        assert time.monotonic() < deadline, f"no true value within {patience} s; last: {value!r}"
        await asyncio.sleep(0.01)
