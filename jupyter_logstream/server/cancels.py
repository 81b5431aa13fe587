"""Cancels of launched workloads: sent, or stored until the workload's machine can be reached. Server; no HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..backends.protocol import Backend, CannotReach, Handle, HasLeftovers
from ..model.workload import LostLink, Workload
from .background import BackgroundTasks
from .catalogue import Catalogue
from .registry import Registry


class Cancels:
    """The cancels that were requested. One for another machine is stored before it is sent, and until it has arrived.

    `backend_of`: raises CannotReach if the backend is not configured. `handles`: of launched workloads, by id.
    `grace_s`: seconds between TERM and KILL of a cancel that names none.
    """

    def __init__(
        self,
        registry: Registry,
        catalogue: Catalogue,
        tasks: BackgroundTasks,
        backend_of: Callable[[Workload], Backend],
        handles: Mapping[str, Handle],
        grace_s: float,
    ) -> None:
        self._registry, self._catalogue, self._tasks = registry, catalogue, tasks
        self._backend_of, self._handles, self._default_grace_s = backend_of, handles, grace_s
        self._stored: set[str] = set()  # accepted, to be sent when the workload can be reached
        self._sending: set[str] = set()
        self._grace_s: dict[str, int] = {}  # of cancels that named one

    def __contains__(self, workload_id: object) -> bool:
        """Whether the workload's cancel was accepted and has not arrived yet."""
        return workload_id in self._stored

    def restore(self, workload_id: str) -> None:
        """Continue with a cancel that an earlier server stored."""
        self._stored.add(workload_id)

    def set_grace(self, workload_id: str, grace_s: int) -> None:
        """Use this time, in seconds, for the workload's cancel; a later server uses the configured one."""
        self._grace_s[workload_id] = grace_s

    def store(self, workload_id: str) -> None:
        """Accept a cancel that cannot be sent now. OSError."""
        if workload_id not in self._stored:
            self._registry.keep_cancel(workload_id)
            self._stored.add(workload_id)
            found = self._catalogue.status_of(workload_id)
            if found.link:
                self._catalogue.update(workload_id, found.status, {}, LostLink(found.link.since, cancel_pending=True))

    async def send(self, workload_id: str) -> None:
        """Send a cancel, at once if possible. Raises CannotReach if it was not accepted, OSError."""
        try:
            await self._send(workload_id)
        except CannotReach:
            if workload_id not in self._stored:
                raise
            self.send_stored(workload_id)

    def send_stored(self, workload_id: str) -> None:
        """Send a cancel that was accepted before, until it arrives or the connection is lost again."""
        if workload_id in self._stored and workload_id not in self._sending:
            self._sending.add(workload_id)
            task = self._tasks.spawn(self._tasks.insist(workload_id, "cancelling", lambda: self._send(workload_id)))
            task.add_done_callback(lambda _: self._sending.discard(workload_id))

    def discard(self, workload_id: str) -> None:
        """Forget the cancel of a workload that has ended or is not served here any more."""
        self._stored.discard(workload_id)
        self._grace_s.pop(workload_id, None)

    async def _send(self, workload_id: str) -> None:
        """Pass a cancel to the backend.

        Raises CannotReach; not while the connection is known to be lost: the next sighting that it is back sends it.
        """
        found = self._catalogue.status_of(workload_id)
        if found.status.final:
            return
        backend = self._backend_of(found)
        if isinstance(backend, HasLeftovers):  # it reaches another machine, over a connection that can break now
            self.store(workload_id)
        try:
            grace_s = self._grace_s.get(workload_id, self._default_grace_s)
            await backend.cancel(workload_id, self._handles.get(workload_id, {}), grace_s)
        except CannotReach:
            if self._catalogue.status_of(workload_id).link is None:
                raise
        else:
            if self._catalogue.status_of(workload_id).link is None:  # else it is only accepted
                self._stored.discard(workload_id)
