"""The list of workloads as a stream: which of them changed since a cursor. Server side; one per server, no HTTP.

A change is a number; each workload has that of its last one, so a reader who was away learns of each changed workload
once, however often it changed. Counts of running workloads are looked at only while somebody reads, and at most once a
second for each. Bounds: one number per workload, and MOST_GONE deleted ones; a reader who missed more begins anew.
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

MOST_GONE = 1000
PAUSE = 1.0  # seconds between two looks at what a running workload's log has come to
_LAST_LINE = 200  # characters

Wake = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Change:
    """A workload has changed, or (`gone`) was deleted."""

    number: int
    id: str
    gone: bool = False


class WorkloadList:
    """Changes of all workloads, numbered. `epoch` names this life of the list: numbers of another mean nothing."""

    def __init__(self, engine: Engine, store: Store) -> None:
        self.epoch = secrets.token_hex(4)
        self.last = 0
        self._engine, self._store = engine, store
        self._changed: OrderedDict[str, int] = OrderedDict()  # id -> number of its last change, in that order
        self._gone: OrderedDict[str, int] = OrderedDict()
        self._forgotten = 0  # the newest deletion that is not remembered any more
        self._wakes: list[Wake] = []
        self._looking: dict[str, Wake] = {}  # id -> what ends the look at its log
        self._later: dict[str, asyncio.TimerHandle] = {}  # id -> when its log may be looked at again
        engine.watch_all(self._note)

    def __len__(self) -> int:
        return len(self._changed)

    def knows(self, number: int) -> bool:
        """Whether all that came after a number can still be told."""
        return self._forgotten <= number <= self.last

    def since(self, number: int) -> list[Change]:
        """The changes after a number, in order."""
        found = [Change(n, i) for i, n in _newer(self._changed, number)]
        found += [Change(n, i, gone=True) for i, n in _newer(self._gone, number)]
        return sorted(found, key=lambda change: change.number)

    def newest(self, count: int | None) -> list[Change]:
        """The workloads created last, `count` of them or all, as changes in order."""
        ids = sorted(self._changed, reverse=True)[:count]
        return sorted((Change(self._changed[i], i) for i in ids), key=lambda change: change.number)

    def told(self, workload_id: str) -> tuple[Workload, str]:
        """A workload as of now and the last line of its log. UnknownWorkload."""
        workload = self._engine.get(workload_id)
        try:
            end = self._store.read(workload_id, 0, 0).end
            batch = self._store.read(workload_id, max(end - 1, 0), 1)
            return workload, batch.messages[0][:_LAST_LINE] if len(batch) else ""
        except UnknownStream:
            raise UnknownWorkload(workload_id) from None
        except BadIndex:  # one log that cannot be read is no reason to list none
            return workload, ""

    def watch(self, wake: Wake) -> Wake:
        """Call `wake` after each change; returns what ends that. Logs are looked at from the first reader on."""
        self._wakes.append(wake)
        if len(self._wakes) == 1:
            for workload_id in self._changed:
                self._look(workload_id)

        def remove() -> None:
            if wake in self._wakes:
                self._wakes.remove(wake)
            if not self._wakes:
                self._look_away()

        return remove

    # --- what changes -------------------------------------------------------------------------------------------------

    def _note(self, workload_id: str) -> None:
        """The engine tells of a workload that is new, moved on, or was deleted."""
        self._changed.pop(workload_id, None)
        self.last += 1
        try:
            final = self._engine.status_of(workload_id).status.final
        except UnknownWorkload:
            self._gone[workload_id] = self.last
            if len(self._gone) > MOST_GONE:
                _, self._forgotten = self._gone.popitem(last=False)
            final = True
        else:
            self._changed[workload_id] = self.last
        if final:
            self._leave(workload_id)
        elif self._wakes:
            self._look(workload_id)
        for wake in list(self._wakes):
            wake()

    def _look(self, workload_id: str) -> None:
        if workload_id in self._looking or self._engine.status_of(workload_id).status.final:
            return
        try:
            self._looking[workload_id] = self._store.watch(workload_id, lambda: self._grown(workload_id))
        except UnknownStream:  # it is being deleted
            return

    def _grown(self, workload_id: str) -> None:
        if workload_id in self._looking and workload_id not in self._later:
            self._later[workload_id] = asyncio.get_running_loop().call_later(PAUSE, self._look_again, workload_id)

    def _look_again(self, workload_id: str) -> None:
        self._later.pop(workload_id, None)
        if workload_id in self._looking:
            self._note(workload_id)

    def _leave(self, workload_id: str) -> None:
        if end := self._looking.pop(workload_id, None):
            end()
        if timer := self._later.pop(workload_id, None):
            timer.cancel()

    def _look_away(self) -> None:
        for workload_id in list(self._looking):
            self._leave(workload_id)


def _newer(numbers: OrderedDict[str, int], number: int) -> list[tuple[str, int]]:
    """The entries above a number, newest first: costs as much as there are."""
    found: list[tuple[str, int]] = []
    for workload_id, changed in reversed(numbers.items()):
        if changed <= number:
            break
        found.append((workload_id, changed))
    return found
