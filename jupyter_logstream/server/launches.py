"""Launches of workloads: attempts with backoff, and cancels meanwhile. Server; one per server, no HTTP."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator

from ..backends.protocol import Backend, CannotLaunch, Handle, NotReached
from ..model.workload import WorkloadSpec

_MAX_CONCURRENT_LAUNCHES = 8  # more would slow each other down
_FIRST_RETRY_S, _MAX_RETRY_S = 0.2, 30.0


class Launches:
    """The workloads from their first attempt to be launched until they are, or have failed, or were cancelled.

    Bound: at most _MAX_CONCURRENT_LAUNCHES attempts of a backend at once; others wait for one of them.
    """

    def __init__(self) -> None:
        self._over: dict[str, asyncio.Event] = {}
        self._cancelled: set[str] = set()
        self._uncertain: set[str] = set()  # an attempt was made and its outcome is unknown: they may run
        self._retries: dict[str, asyncio.Event] = {}  # waiting for the next attempt; set to make it now
        self._slots: dict[str, asyncio.Semaphore] = {}  # by backend: one that does not answer blocks no other

    def __len__(self) -> int:
        return len(self._over)

    def __contains__(self, workload_id: object) -> bool:
        return workload_id in self._over

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._over))

    async def wait(self, workload_ids: Iterable[str], timeout: float) -> None:
        """Wait until the launches of these workloads are over, at most `timeout` seconds."""
        over = [asyncio.ensure_future(self._over[workload_id].wait()) for workload_id in workload_ids]
        if over:
            _, waiting = await asyncio.wait(over, timeout=timeout)
            for wait in waiting:
                wait.cancel()

    def is_cancelled(self, workload_id: str) -> bool:
        """Whether a cancel waits for the launch to be over."""
        return workload_id in self._cancelled

    def add(self, workload_id: str, *, uncertain: bool = False) -> None:
        """Begin with a workload; `uncertain`: an earlier server may have launched it. `remove` is called at the end."""
        self._over[workload_id] = asyncio.Event()
        if uncertain:
            self._uncertain.add(workload_id)

    def remove(self, workload_id: str) -> None:
        """The launch is over, whatever came of it."""
        self._over.pop(workload_id).set()
        self._cancelled.discard(workload_id)
        self._uncertain.discard(workload_id)

    async def attempt(
        self,
        workload_id: str,
        spec: WorkloadSpec,
        backend: Backend,
        begin: Callable[[], None],
        fail: Callable[[OSError | RuntimeError], None],
    ) -> Handle | None:
        """Launch a workload, again with backoff as long as its machine cannot be reached. Raises CannotLaunch.

        None: it was cancelled before anything was started. `begin` is called before each attempt, `fail` with the
        fault after one that can be repeated: `Backend.launch` is idempotent.
        """
        pause_s = _FIRST_RETRY_S
        while True:
            async with self._slots.setdefault(backend.name, asyncio.Semaphore(_MAX_CONCURRENT_LAUNCHES)):
                if workload_id in self._cancelled and workload_id not in self._uncertain:
                    return None
                begin()
                try:
                    return await backend.launch(workload_id, spec)
                except CannotLaunch:
                    raise
                except (OSError, RuntimeError) as error:  # CannotReach; no descriptor, no thread ...
                    if not isinstance(error, NotReached):
                        self._uncertain.add(workload_id)
                    fail(error)
            await self._pause(workload_id, pause_s)
            pause_s = min(2 * pause_s, _MAX_RETRY_S)

    async def cancel(self, workload_id: str, timeout_s: float) -> bool:
        """Cancel a launch and wait until it is over; False: it is not over after `timeout_s` seconds.

        Nothing is launched any more, unless it is uncertain whether it was: then only the next attempt finds it.
        """
        self._cancelled.add(workload_id)
        if retry := self._retries.get(workload_id):
            retry.set()
        try:
            await asyncio.wait_for(self._over[workload_id].wait(), timeout_s)
        except asyncio.TimeoutError:
            return False
        return True

    async def _pause(self, workload_id: str, pause_s: float) -> None:
        retry = self._retries[workload_id] = asyncio.Event()
        try:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(retry.wait(), pause_s)
        finally:
            del self._retries[workload_id]
