"""Waiting for what must happen, without sleeping for what should have happened."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 30.0


def until(found: Callable[[], T], patience: float = PATIENCE) -> T:
    """What `found` returns once it is true."""
    deadline = time.monotonic() + patience
    while not (value := found()):
        assert time.monotonic() < deadline, f"waited {patience} s in vain; last: {value!r}"
        time.sleep(0.01)
    return value


async def eventually(found: Callable[[], T | Awaitable[T]], patience: float = PATIENCE) -> T:
    """The same in the event loop."""
    deadline = time.monotonic() + patience
    while True:
        value = found()
        if isinstance(value, Awaitable):
            value = await value
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {patience} s in vain; last: {value!r}"
        await asyncio.sleep(0.01)
