"""Background tasks of the engine: failures are logged, faults that pass are retried with backoff. Server; no HTTP."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine

from ..backends.protocol import CannotReach
from ..store.errors import BadIndex, NotWriter
from .catalogue import UnknownWorkload

TEMPORARY = (OSError, BadIndex, NotWriter, CannotReach, RuntimeError)
"""Faults that can pass: no descriptor, disk space, thread ..."""

_FIRST_RETRY_S, _MAX_RETRY_S = 0.2, 5.0
_CANCEL_INTERVAL_S = 0.1


class BackgroundTasks:
    """Tasks that run until they end or `close` cancels them. The deletion of a workload ends its task silently."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run work in a task; its failure is logged."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def insist(self, workload_id: str, what: str, step: Callable[[], Awaitable[None]]) -> None:
        """Repeat a step with backoff until it succeeds; only TEMPORARY faults are retried. `what`: for the log."""
        pause_s = _FIRST_RETRY_S
        while True:
            try:
                await step()
            except TEMPORARY as error:
                self._log.warning("%s workload %s failed, next attempt in %g s: %s", what, workload_id, pause_s, error)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _MAX_RETRY_S)
            else:
                return

    async def close(self) -> None:
        """Cancel all tasks and wait for their end."""
        while self._tasks:  # repeatedly: wait_for() may swallow a cancellation (Python before 3.12, gh-86296)
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=_CANCEL_INTERVAL_S)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and not isinstance(task.exception(), UnknownWorkload | None):
            self._log.error("watching a workload failed", exc_info=task.exception())
