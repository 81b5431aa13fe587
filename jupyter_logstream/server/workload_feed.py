"""Change feed of all workloads: which of them changed since a cursor. Server; one per server, no HTTP.

Changes are numbered and each workload has the number of its last one. A reader that was away receives each changed
workload once, however often it changed. Logs of running workloads are watched only while there are readers, and each
reports at most one change per GROWTH_INTERVAL_S. Bounds: one number per workload and MAX_DELETIONS deleted ones; a
reader that missed more than those starts again.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from ..model.workload import Workload
from ..store.errors import BadIndex, UnknownStream
from ..store.protocol import Store
from .engine import Engine, UnknownWorkload

MAX_DELETIONS = 1000
GROWTH_INTERVAL_S = 1.0
_MAX_LAST_LINE_CHARS = 200

Wake = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Change:
    """The last change of a workload; `gone`: it was deleted."""

    number: int
    id: str
    gone: bool = False


class WorkloadFeed:
    """The changes of all workloads, numbered. `epoch` identifies this numbering: another server start has another."""

    def __init__(self, engine: Engine, store: Store) -> None:
        self.epoch = secrets.token_hex(4)
        self.last = 0
        self._engine, self._store = engine, store
        self._changed: OrderedDict[str, int] = OrderedDict()  # id -> number of its last change, in that order
        self._gone: OrderedDict[str, int] = OrderedDict()
        self._forgotten = 0  # number of the newest deletion that was dropped from _gone
        self._wakes: list[Wake] = []
        self._unwatch: dict[str, Wake] = {}  # id -> unsubscriber from its log
        self._growth_timers: dict[str, asyncio.TimerHandle] = {}  # id -> reports the growth of its log
        engine.watch_all(self._on_change)

    def __len__(self) -> int:
        return len(self._changed)

    def knows(self, number: int) -> bool:
        """Whether all changes after a number are still available."""
        return self._forgotten <= number <= self.last

    def since(self, number: int) -> list[Change]:
        """The changes after a number, in order."""
        found = [Change(n, i) for i, n in _newer(self._changed, number)]
        found += [Change(n, i, gone=True) for i, n in _newer(self._gone, number)]
        return sorted(found, key=lambda change: change.number)

    def newest(self, count: int | None) -> list[Change]:
        """The last `count` created workloads (None: all), as changes in order."""
        ids = sorted(self._changed, reverse=True)[:count]
        return sorted((Change(self._changed[i], i) for i in ids), key=lambda change: change.number)

    def snapshot(self, workload_id: str) -> tuple[Workload, str]:
        """A workload now and the last line of its log, truncated to 200 characters. Raises UnknownWorkload."""
        workload = self._engine.get(workload_id)
        try:
            end = self._store.read(workload_id, 0, 0).end
            batch = self._store.read(workload_id, max(end - 1, 0), 1)
            return workload, batch.messages[0][:_MAX_LAST_LINE_CHARS] if len(batch) else ""
        except UnknownStream:
            raise UnknownWorkload(workload_id) from None
        except BadIndex:  # one unreadable log must not hide the list
            return workload, ""

    def watch(self, wake: Wake) -> Wake:
        """Call `wake` after each change. Returns the unsubscriber."""
        self._wakes.append(wake)
        if len(self._wakes) == 1:
            for workload_id in self._changed:
                self._watch_log(workload_id)

        def remove() -> None:
            if wake in self._wakes:
                self._wakes.remove(wake)
            if not self._wakes:
                self._unwatch_all()

        return remove

    # --- changes ------------------------------------------------------------------------------------------------------

    def _on_change(self, workload_id: str) -> None:
        """Number the change of a workload that is new, changed, or was deleted, and wake the readers."""
        self._changed.pop(workload_id, None)
        self.last += 1
        try:
            final = self._engine.status_of(workload_id).status.final
        except UnknownWorkload:
            self._gone[workload_id] = self.last
            if len(self._gone) > MAX_DELETIONS:
                _, self._forgotten = self._gone.popitem(last=False)
            final = True
        else:
            self._changed[workload_id] = self.last
        if final:
            self._unwatch_log(workload_id)
        elif self._wakes:
            self._watch_log(workload_id)
        for wake in list(self._wakes):
            wake()

    def _watch_log(self, workload_id: str) -> None:
        if workload_id in self._unwatch or self._engine.status_of(workload_id).status.final:
            return
        try:
            self._unwatch[workload_id] = self._store.watch(workload_id, lambda: self._on_growth(workload_id))
        except UnknownStream:  # it is being deleted
            return

    def _on_growth(self, workload_id: str) -> None:
        if workload_id in self._unwatch and workload_id not in self._growth_timers:
            loop = asyncio.get_running_loop()
            self._growth_timers[workload_id] = loop.call_later(GROWTH_INTERVAL_S, self._report_growth, workload_id)

    def _report_growth(self, workload_id: str) -> None:
        self._growth_timers.pop(workload_id, None)
        if workload_id in self._unwatch:
            self._on_change(workload_id)

    def _unwatch_log(self, workload_id: str) -> None:
        if unwatch := self._unwatch.pop(workload_id, None):
            unwatch()
        if timer := self._growth_timers.pop(workload_id, None):
            timer.cancel()

    def _unwatch_all(self) -> None:
        for workload_id in list(self._unwatch):
            self._unwatch_log(workload_id)


def _newer(numbers: OrderedDict[str, int], number: int) -> list[tuple[str, int]]:
    """The entries with a greater number, newest first. Linear in their count, not in the size of the dict."""
    found: list[tuple[str, int]] = []
    for workload_id, changed in reversed(numbers.items()):
        if changed <= number:
            break
        found.append((workload_id, changed))
    return found
