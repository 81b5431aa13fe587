"""Reads a workload's stream to its end, through cuts and restarts of the server. Runs in kernels, in user code.

The one idea: a cursor. Whatever happens, reading goes on after the last record that was taken, so nothing is lost or
doubled. This file must not know how the server is reached (connection.py does), nor what the records are used for.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..model.records import Record
from .connection import NoServer, ServerFailed, across, block, open_events

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator

DELAYS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each further attempt to reconnect, give or take a quarter; the last one repeats."""

PATIENCE = 600.0
"""Seconds without contact after which a reader gives up with NoServer."""


@dataclass(frozen=True, slots=True)
class Reader:
    """The records of one workload after a cursor: `for` it or `async for` it. Ends when the workload has ended.

    Each iteration reads on its own, from `after`. Raises NoServer after ten minutes without contact, NotFound when the
    workload is deleted. Leaving or interrupting the loop lets go of the stream and never touches the workload.
    """

    workload: str
    after: int = 0
    root: str = "v1"

    def __iter__(self) -> Iterator[Record]:
        batches = self._batches()
        while batch := block(_next(batches)):  # what fails or is interrupted in there closes the stream itself
            try:
                yield from batch
            except GeneratorExit:  # the caller left the loop
                block(batches.aclose())
                raise

    async def __aiter__(self) -> AsyncIterator[Record]:
        batches = self._batches()
        while batch := await across(_next(batches)):
            try:
                for record in batch:
                    yield record
            except GeneratorExit:  # as above
                await across(batches.aclose())
                raise

    async def _batches(self) -> AsyncGenerator[list[Record], None]:
        async for kind, data in frames(self.workload, self.root, after=self.after):
            if kind == "logs" and data["logs"]:
                yield [Record.from_json(record) for record in data["logs"]]


async def frames(workload: str, root: str = "v1", **start: Any) -> AsyncGenerator[tuple[str, dict[str, Any]], None]:
    """The frames of a workload's stream as (event, data) up to and with `done`, on the loop of connection.py.

    `root`: whose workload it is (see `connection.call`). `start`: where to begin and what to leave out, as `v1/events`
    names it (`after`, `tail`, `level`, `source` ...).
    """
    name, failures, contact = f"workload/{workload}", 0, time.monotonic()
    while True:
        try:
            async with open_events([{"stream": name, **start}], root) as events:
                async for event in events:
                    failures, contact = 0, time.monotonic()
                    data = json.loads(event.data)
                    cursor = data.get("cursors", {}).get(name) if event.type == "ping" else data.get("cursor")
                    if cursor is not None:
                        start = {**start, "after": cursor}
                        start.pop("tail", None)
                    if event.type == "gap":
                        _tell_loss(workload, data)
                    yield event.type, data
                    if event.type == "done":
                        return
        except (NoServer, ServerFailed):
            if time.monotonic() - contact > PATIENCE:
                raise
        await asyncio.sleep(DELAYS[min(failures, len(DELAYS) - 1)] * random.uniform(0.75, 1.25))  # noqa: S311 - jitter
        failures += 1


def _tell_loss(workload: str, gap: dict[str, Any]) -> None:
    text = f"workload {workload}: records {gap['from']} to {gap['to']} are gone ({gap['reason']})"
    warnings.warn(text, RuntimeWarning, stacklevel=2)


async def _next(batches: AsyncIterator[list[Record]]) -> list[Record] | None:
    return await anext(batches, None)
