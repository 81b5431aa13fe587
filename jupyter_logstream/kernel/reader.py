"""Resumable reader of a workload's stream: cursor, reconnect with backoff, gaps. Runs in kernels, in user code.

After every disconnect the reader continues after the last record it received, so no record is lost or repeated. This
file must not know how the server is reached (streaming.py does), nor what callers do with the records.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from typing import Any

from ..model.records import Record
from ..wire.sse import Event
from .errors import NoServer, ServerFailed
from .event_loop import run_async, run_sync
from .streaming import open_events

BACKOFF_S = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Delays before successive reconnects, each with up to 25 % of jitter; the last one repeats."""

RECONNECT_TIMEOUT_S = 600.0
"""A reader without contact for this long gives up with NoServer."""

Frame = tuple[str, dict[str, Any]]
"""Event type (`logs`, `progress`, `status`, `gap`, `done` ...) and its JSON data, as docs/protocol.md defines them."""

FrameStream = Callable[..., AsyncGenerator[Frame, None]]
"""Called as `stream(workload_id, after=..., ...)`; yields frames up to and including `done`."""


def backoff_s(failures: int) -> float:
    """Seconds to wait before the next attempt after `failures` failures in a row (1, 2 ...)."""
    return BACKOFF_S[min(failures, len(BACKOFF_S)) - 1] * random.uniform(0.75, 1.25)  # noqa: S311 - jitter


async def reconnect(
    open_stream: Callable[[], AbstractAsyncContextManager[AsyncIterator[Event]]],
) -> AsyncGenerator[Event, None]:
    """Yield the events of a stream, opened again with backoff whenever it ends; the caller closes it at `done`.

    `open_stream` is called for each attempt and starts at the caller's current position. Raises NoServer or
    ServerFailed after RECONNECT_TIMEOUT_S without contact; other errors are final and pass through at once.
    """
    failures, last_contact = 0, time.monotonic()
    while True:
        try:
            async with open_stream() as events:
                last_contact = time.monotonic()
                async for event in events:
                    failures, last_contact = 0, time.monotonic()
                    yield event
        except (NoServer, ServerFailed):
            if time.monotonic() - last_contact > RECONNECT_TIMEOUT_S:
                raise
        failures += 1
        await asyncio.sleep(backoff_s(failures))


async def read_frames(workload: str, root: str = "v1", **start: Any) -> AsyncGenerator[Frame, None]:
    """Yield the frames of a workload's stream up to and including `done`; runs on the background loop.

    `root`: the API root below `logstream/`. `start`: the stream parameters of `v1/events` (`after`, `tail`, `level`,
    `source` ...).
    """
    name = f"workload/{workload}"
    async with aclosing(reconnect(lambda: open_events([{"stream": name, **start}], root))) as events:
        async for event in events:
            data = json.loads(event.data)
            cursor = data.get("cursors", {}).get(name) if event.type == "ping" else data.get("cursor")
            if cursor is not None:
                start = {**start, "after": cursor}
                start.pop("tail", None)
            if event.type == "gap":
                _warn_of_gap(workload, data)
            yield event.type, data
            if event.type == "done":
                return


def _warn_of_gap(workload: str, gap: dict[str, Any]) -> None:
    text = f"workload {workload}: records {gap['from']} to {gap['to']} are gone ({gap['reason']})"
    warnings.warn(text, RuntimeWarning, stacklevel=2)


@dataclass(frozen=True, slots=True)
class Reader:
    """The records of one workload in order, as they are written: `for record in reader` or `async for`.

    Made by `Workload.follow()`. Iteration starts after the cursor `after` (exclusive), waits for new records and ends
    when the workload has ended. Each iteration reads independently from `after`. It reconnects by itself, also to a
    restarted server; records that retention has deleted meanwhile raise a RuntimeWarning and are skipped.

    Raises NoServer after ten minutes without contact and NotFound when the workload is deleted. Leaving or interrupting
    the loop closes the connection and never affects the workload.
    """

    workload: str
    after: int = 0
    frames: FrameStream = read_frames

    def __iter__(self) -> Iterator[Record]:
        batches = self._batches()
        while batch := run_sync(_next(batches)):  # an error or interrupt in there closes the stream itself
            try:
                yield from batch
            except GeneratorExit:  # the caller left the loop
                run_sync(batches.aclose())
                raise

    async def __aiter__(self) -> AsyncIterator[Record]:
        batches = self._batches()
        while batch := await run_async(_next(batches)):
            try:
                for record in batch:
                    yield record
            except GeneratorExit:  # as above
                await run_async(batches.aclose())
                raise

    async def _batches(self) -> AsyncGenerator[list[Record], None]:
        async with aclosing(self.frames(self.workload, after=self.after)) as frames:
            async for kind, data in frames:
                if kind == "logs" and data["logs"]:
                    yield [Record.from_json(record) for record in data["logs"]]


async def _next(batches: AsyncIterator[list[Record]]) -> list[Record] | None:
    return await anext(batches, None)
