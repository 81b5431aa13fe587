"""The catalogue: all workloads of this server in memory, by id and by key, with change listeners. Server; no HTTP."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..model.system_text import displayable
from ..model.workload import LostLink, Status, Workload
from ..store.errors import BadIndex, NotWriter, UnknownStream
from ..store.protocol import Store
from .disclosure import Disclosure, public_spec, public_status

_INDEX_ENTRY_BYTES = 32  # of a line, in the estimate of disk usage

Wake = Callable[[], None]


class UnknownWorkload(KeyError):
    """The workload does not exist, or it was deleted."""


class Catalogue:
    """The last known value of every workload. Bound: one value per workload in the registry.

    The values are those that may be shown: without environment, their secrets masked. Listeners run in the event loop
    and must not block.
    """

    def __init__(self, store: Store, disclosure: Disclosure) -> None:
        self._store, self._disclosure = store, disclosure
        self._workloads: dict[str, Workload] = {}
        self._secrets: dict[str, tuple[bytes, ...]] = {}  # kept after the end: a final status can be reported twice
        self._ids_by_key: dict[str, str] = {}
        self._wakes: dict[str, list[Wake]] = {}
        self._changed: list[Callable[[str], None]] = []

    def __len__(self) -> int:
        return len(self._workloads)

    def __iter__(self) -> Iterator[Workload]:
        return iter(list(self._workloads.values()))

    def __contains__(self, workload_id: object) -> bool:
        return workload_id in self._workloads

    def get(self, workload_id: str) -> Workload:
        """The workload with the current totals of its log. Raises UnknownWorkload."""
        found = self.status_of(workload_id)
        if found.status.final:
            return found
        try:
            tally = self._store.read(workload_id, 0, 0).tally()
        except (UnknownStream, BadIndex, NotWriter, OSError):
            return found  # the log is unreadable right now; return the last known summary
        return replace(found, **tally.summary())

    def status_of(self, workload_id: str) -> Workload:
        """The workload without counting new lines of its log: cheap. Raises UnknownWorkload."""
        try:
            return self._workloads[workload_id]
        except KeyError:
            raise UnknownWorkload(workload_id) from None

    def with_key(self, key: str | None) -> Workload | None:
        """The workload that was submitted with this key."""
        return self.get(self._ids_by_key[key]) if key is not None and key in self._ids_by_key else None

    def page(self, states: frozenset[str], limit: int, before: str | None) -> tuple[list[Workload], str | None]:
        """Workloads in these states, newest first, starting behind the id `before`, and the next page's `before`."""
        ids = sorted(self._workloads, reverse=True)
        chosen = [i for i in ids if (before is None or i < before) and self._workloads[i].status.state in states]
        return [self.get(i) for i in chosen[:limit]], chosen[limit - 1] if len(chosen) > limit else None

    def state_counts(self, before: str | None = None) -> Mapping[str, int]:
        """How many workloads are in each state, of those that are older than the id `before`."""
        return Counter(w.status.state for i, w in self._workloads.items() if before is None or i < before)

    @property
    def stored_bytes(self) -> int:
        """Estimated disk usage of all logs in bytes."""
        return sum(w.bytes + w.lines * _INDEX_ENTRY_BYTES for w in map(self.get, list(self._workloads)))

    # --- changes ------------------------------------------------------------------------------------------------------

    def add(self, workload: Workload) -> None:
        """Add a workload with its whole environment, whose secrets are masked, and notify its listeners."""
        secrets = self._secrets[workload.id] = self._disclosure.secrets(workload.spec.env)
        redactor = self._disclosure.redactor(secrets)
        status = public_status(workload.status, redactor)
        self._workloads[workload.id] = replace(workload, spec=public_spec(workload.spec, redactor), status=status)
        if workload.spec.key is not None:
            self._ids_by_key[workload.spec.key] = workload.id
        self._notify(workload.id)

    def masked(self, text: str, env: Mapping[str, str]) -> str:
        """A text about a workload with this environment as it may be shown."""
        return displayable(self._disclosure.redactor(self._disclosure.secrets(env)).mask(text))

    def update(
        self, workload_id: str, status: Status, summary: Mapping[str, Any], link: LostLink | None = None
    ) -> None:
        """Replace a workload's status, the given totals of its log and its link; notify. Raises UnknownWorkload."""
        known = self.status_of(workload_id)
        shown = public_status(status, self._disclosure.redactor(self._secrets[workload_id]))
        self._workloads[workload_id] = replace(known, status=shown, link=link, **summary)
        self._notify(workload_id)

    def remove(self, workload_id: str) -> None:
        """Remove a workload and notify its listeners; an unknown id is ignored."""
        found = self._workloads.pop(workload_id, None)
        self._secrets.pop(workload_id, None)
        if found is not None and found.spec.key is not None:
            self._ids_by_key.pop(found.spec.key, None)
        self._notify(workload_id)

    def watch(self, workload_id: str, wake: Wake) -> Wake:
        """Call `wake` after each change of a workload. Returns the unsubscriber, which can be called twice."""
        wakes = self._wakes.setdefault(workload_id, [])
        wakes.append(wake)

        def remove() -> None:
            with contextlib.suppress(ValueError):
                wakes.remove(wake)
            if not wakes:
                self._wakes.pop(workload_id, None)

        return remove

    def watch_all(self, changed: Callable[[str], None]) -> None:
        """Call `changed` with the id of each workload that is new, changed or was deleted; never removed."""
        self._changed.append(changed)

    def _notify(self, workload_id: str) -> None:
        for wake in list(self._wakes.get(workload_id, ())):
            wake()
        for changed in self._changed:
            changed(workload_id)
