"""The engine: submit, list, cancel, recover and delete workloads. Server; one per server, no HTTP.

It connects the backends (which run workloads), the registry (which stores them) and the store (which holds their logs).
After a restart `recover` loads everything from the registry.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from ..backends.dial_in import Admission, DialIn, HasDialIn
from ..backends.pipe import Pipe
from ..backends.protocol import Backend, CannotLaunch, CannotReach, CannotSend, check_supported
from ..model.ids import IdSource
from ..model.protocol import EXTERNAL, State, now_ms
from ..model.spec import SpecError, printable
from ..model.workload import Status, Workload, WorkloadSpec
from ..store.errors import StreamEnded
from ..store.protocol import LogStore
from .catalogue import Catalogue, UnknownWorkload, Wake
from .disclosure import Disclosure
from .doctor import Examination, examine
from .lifecycle import LifeCycle
from .registry import BadEntry, Registry
from .retention import Limits, Sweep

__all__ = [
    "Admission",
    "CannotReach",
    "CannotSend",
    "Engine",
    "Limits",
    "NoRoom",
    "QueueFull",
    "StillRunning",
    "UnknownBackend",
    "UnknownWorkload",
]


class StillRunning(ValueError):
    """The operation needs a workload that has ended."""


class QueueFull(RuntimeError):
    """The maximum number of workloads is waiting."""


class UnknownBackend(KeyError):
    """No backend of this name is configured; the text names those that are."""

    def __str__(self) -> str:
        return str(self.args[0])


class NoRoom(RuntimeError):
    """The system lacks files, processes or disk space for this operation; nothing was changed."""


class Engine:
    """Starts, lists, cancels and deletes workloads. `backends`: by the name that a spec selects them with.

    `disclosure` masks what is shown of a workload.
    Bound: `limits.max_queued` workloads wait, then `submit` raises QueueFull.
    """

    def __init__(
        self,
        store: LogStore,
        registry: Registry,
        backends: Mapping[str, Backend],
        limits: Limits,
        log: logging.Logger,
        disclosure: Disclosure | None = None,
    ) -> None:
        self._store, self._registry, self._backends = store, registry, backends
        self._limits, self._log = limits, log
        self._ids = IdSource()
        self._catalogue = Catalogue(store, disclosure or Disclosure())
        self._lifecycle = LifeCycle(store, registry, backends, self._catalogue, limits, log)

    @property
    def backends(self) -> list[str]:
        """The names of the backends, sorted."""
        return sorted([*self._backends, EXTERNAL])

    @property
    def supports(self) -> dict[str, list[str]]:
        """What a specification can use, by the name of the backend: see `Backend.supports`."""
        return {EXTERNAL: [], **{name: sorted(backend.supports) for name, backend in self._backends.items()}}

    @property
    def running(self) -> int:
        """The number of workloads that run or are being launched."""
        return self._lifecycle.active

    def __len__(self) -> int:
        return len(self._catalogue)

    # --- queries ------------------------------------------------------------------------------------------------------

    @property
    def stored_bytes(self) -> int:
        """Estimated disk usage of all logs in bytes."""
        return self._catalogue.stored_bytes

    def get(self, workload_id: str) -> Workload:
        """The workload with the current totals of its log. Raises UnknownWorkload."""
        return self._catalogue.get(workload_id)

    def status_of(self, workload_id: str) -> Workload:
        """The workload without counting new lines of its log: cheap. Raises UnknownWorkload."""
        return self._catalogue.status_of(workload_id)

    def open_result(self, workload_id: str) -> BinaryIO:
        """Open the result of a function that has ended. Raises UnknownWorkload, FileNotFoundError, OSError."""
        self.status_of(workload_id)
        return self._registry.open_result(workload_id)

    def page(self, states: frozenset[str], limit: int, before: str | None) -> tuple[list[Workload], str | None]:
        """Workloads in these states, newest first, starting behind the id `before`, and the next page's `before`."""
        return self._catalogue.page(states, limit, before)

    def state_counts(self, before: str | None = None) -> Mapping[str, int]:
        """How many workloads are in each state, of those that are older than the id `before`."""
        return self._catalogue.state_counts(before)

    def watch(self, workload_id: str, wake: Wake) -> Wake:
        """Call `wake` after each change of a workload's status. Returns the unsubscriber."""
        return self._catalogue.watch(workload_id, wake)

    def watch_all(self, changed: Callable[[str], None]) -> None:
        """Call `changed` with the id of each workload that is new, changed its status, or was deleted."""
        self._catalogue.watch_all(changed)

    # --- commands -----------------------------------------------------------------------------------------------------

    async def submit(self, spec: WorkloadSpec, payload: Path | None = None) -> tuple[Workload, bool]:
        """Start or queue a workload. Returns it and True, or False with the workload that has the same `key` already.

        `payload`: the file with the call of a function. Raises SpecError (backend, cwd ...), QueueFull, NoRoom.
        """
        if earlier := self._catalogue.with_key(spec.key):
            return earlier, False
        if self._lifecycle.closed:
            raise NoRoom("the server is stopping: try again")
        if spec.backend == EXTERNAL:  # counts neither as running nor as activity
            return self.get(self._create(spec)), True
        spec = self._resolve(spec)
        if self._lifecycle.waiting >= self._limits.max_queued:
            raise QueueFull(f"{self._lifecycle.waiting} workloads are waiting")
        workload_id = self._create(spec, payload)
        if not self._lifecycle.has_capacity:
            self._lifecycle.enqueue(workload_id)
            return self.get(workload_id), True
        try:
            await self._lifecycle.launch(workload_id, spec)
        except CannotLaunch as error:
            self._remove(workload_id)
            raise NoRoom(str(error.strerror)) from error
        return self.get(workload_id), True

    def plan(self, spec: WorkloadSpec) -> str:
        """The command, script or manifest that `submit` would start, with masked secrets; nothing is created.

        Raises SpecError.
        """
        if spec.backend == EXTERNAL:
            raise SpecError("dry_run", "does not apply to an external workload, which this server does not start")
        return self._catalogue.masked(self._backend_of(spec).plan(self._resolve(spec)), spec.env)

    def admission(self, workload_id: str, token: str) -> Admission:
        """Whether a runner with this token can connect to the workload now."""
        dial_in = self._dial_in(workload_id)
        answer: Admission = "no" if dial_in is None else dial_in.admits(workload_id, token)
        return "ended" if answer == "later" and self.status_of(workload_id).status.final else answer

    async def connected(self, workload_id: str, pipe: Pipe) -> None:
        """A runner that was admitted has connected."""
        dial_in = self._dial_in(workload_id)
        if dial_in is None:  # deleted meanwhile
            await pipe.close()
        else:
            await dial_in.connected(workload_id, pipe)

    async def check(self, backend: str) -> Examination:
        """Test a backend. Raises UnknownBackend."""
        if backend not in self._backends:
            raise UnknownBackend(f"there is no backend {printable(backend)!r}; configured: {', '.join(self._backends)}")
        return await examine(self._backends[backend], [workload.id for workload in self._catalogue])

    async def again(self, workload_id: str) -> Workload:
        """Start another workload with the same spec and environment. Raises SpecError, QueueFull, NoRoom."""
        if workload_id not in self._catalogue:
            raise SpecError("again", "is the id of no workload")
        try:
            spec = self._registry.load(workload_id).spec
        except BadEntry as error:
            raise SpecError("again", f"is the id of a workload whose specification cannot be read: {error}") from error
        if spec.backend == EXTERNAL:
            raise SpecError("again", "is the id of an external workload, which this server cannot start")
        return (await self.submit(replace(spec, key=None), self._registry.payload(workload_id)))[0]

    async def end(self, workload_id: str, state: State) -> None:
        """Record the final state of an external workload, as its publisher reports it. Raises UnknownWorkload, NoRoom.

        If the state cannot be stored, the log is continued: the end counts once the workload is final.
        """
        status = self.status_of(workload_id).status.move(state, ended=now_ms())
        try:
            with contextlib.suppress(StreamEnded):
                self._store.finish(workload_id)  # at once, so that no batch is appended meanwhile
            await self._lifecycle.end(workload_id, status)
        except OSError as error:
            with contextlib.suppress(OSError):
                self._store.reopen(workload_id)
            raise NoRoom(f"the end could not be stored: {os.strerror(error.errno or 0)}") from error

    async def cancel(self, workload_id: str, grace_s: int | None = None) -> tuple[Workload, bool]:
        """Terminate a workload's process tree. False: it had ended already.

        `grace_s`: seconds between TERM and KILL; None: as configured. Raises UnknownWorkload, CannotReach, NoRoom.
        """
        found = self.status_of(workload_id)
        if found.status.final:
            return found, False
        if found.spec.backend == EXTERNAL:
            await self.end(workload_id, "cancelled")
        else:
            with self._resources("the workload could not be cancelled"):
                await self._lifecycle.cancel(workload_id, grace_s)
        return self.get(workload_id), True

    async def send(self, workload_id: str, data: bytes, *, eof: bool = False) -> None:
        """Write bytes to standard input, then close it if `eof`.

        Raises UnknownWorkload, CannotSend, CannotReach, NoRoom.
        """
        found = self.status_of(workload_id)
        if found.spec.backend == EXTERNAL:
            raise CannotSend("no_stdin")
        handle = self._lifecycle.handle(workload_id)
        with self._resources("the input could not be sent"):
            await self._lifecycle.backend_of(found).send(workload_id, handle, data, eof=eof)

    async def forget(self, workload_id: str) -> None:
        """Delete a final workload and its log. Raises UnknownWorkload, StillRunning, NoRoom, CannotReach (it stays)."""
        found = self.status_of(workload_id)
        if not found.status.final:
            raise StillRunning(f"workload {workload_id} is {found.status.state}")
        if backend := self._backends.get(found.spec.backend):
            await backend.forget(workload_id, self._lifecycle.handle(workload_id))
        with self._resources("the workload could not be deleted"):
            self._remove(workload_id)

    async def recover(self) -> None:
        """Load the workloads of earlier servers: watch those that were launched, queue those that were not.

        A server that was killed during a launch has stored an empty handle. Its workload is launched again at once,
        whatever runs: that is safe, since `Backend.launch` is idempotent, and a cancel then reaches it.
        """
        self.load(self._registry.ids())
        self._lifecycle.spawn(Sweep(self._limits, lambda: list(self._catalogue), self._store.size, self._expire).run())

    def load(self, workload_ids: Iterable[str]) -> None:
        """Serve these workloads of the registry from now on. One that cannot be read is left alone."""
        for workload_id in workload_ids:
            try:
                entry = self._registry.load(workload_id)
            except BadEntry as error:
                self._log.warning("the workload %s cannot be read and is left alone: %s", workload_id, error)
                continue
            self._ids.continue_after(workload_id)
            self._catalogue.add(Workload(workload_id, entry.spec, entry.created, entry.status, **entry.summary))
            if entry.spec.backend == EXTERNAL and not entry.status.final:
                with contextlib.suppress(OSError):
                    self._store.reopen(workload_id)  # the server was killed before it stored and confirmed the end
            if entry.status.final or entry.spec.backend == EXTERNAL:
                self._lifecycle.remember(workload_id, entry.handle)
                continue
            if entry.cancel_kept:
                self._lifecycle.keep_cancel(workload_id)
            if entry.spec.backend not in self._backends:
                self._log.warning("the backend %r of workload %s is not configured", entry.spec.backend, workload_id)
            elif entry.handle is None:
                self._lifecycle.enqueue(workload_id)
            elif not entry.handle:
                self._lifecycle.launch_again(workload_id)
            else:
                self._lifecycle.resume(workload_id, entry.handle)
        self._lifecycle.launch_next()

    def unload(self, workload_ids: Iterable[str]) -> None:
        """Serve these workloads no longer; they continue, and another server can load them."""
        for workload_id in workload_ids:
            self._lifecycle.release(workload_id)
            self._catalogue.remove(workload_id)

    def run_along(self, work: Coroutine[None, None, None]) -> None:
        """Run work until it ends or `close` cancels it; its failure is logged."""
        self._lifecycle.spawn(work)

    async def close(self) -> None:
        """Stop watching; workloads keep running."""
        await self._lifecycle.close()

    @staticmethod
    @contextlib.contextmanager
    def _resources(problem: str) -> Iterator[None]:
        """Raise NoRoom for an OSError: no descriptor, no disk space."""
        try:
            yield
        except OSError as error:
            raise NoRoom(f"{problem}: {os.strerror(error.errno or 0)}") from error

    # --- creation and deletion ----------------------------------------------------------------------------------------

    def _resolve(self, spec: WorkloadSpec) -> WorkloadSpec:
        backend = self._backend_of(spec)
        check_supported(spec, backend)
        return backend.resolve(spec)

    def _backend_of(self, spec: WorkloadSpec) -> Backend:
        if spec.backend not in self._backends:
            raise SpecError("backend", f"must be one of {', '.join(self.backends)}")
        return self._backends[spec.backend]

    def _dial_in(self, workload_id: str) -> DialIn | None:
        """Where the runner of a workload connects; None if there is no such workload, or its runner does not."""
        if workload_id not in self._catalogue:
            return None
        backend = self._backends.get(self._catalogue.status_of(workload_id).spec.backend)
        return backend.dial_in if isinstance(backend, HasDialIn) else None

    def _create(self, spec: WorkloadSpec, payload: Path | None = None) -> str:
        workload_id, created = self._ids.new(), now_ms()
        status = Status().move("running", started=created) if spec.backend == EXTERNAL else None
        with self._resources("the workload could not be stored"):
            self._registry.create(
                workload_id, spec, created, status, **({} if payload is None else {"payload": payload})
            )
        self._catalogue.add(Workload(workload_id, spec, created, status or Status()))
        return workload_id

    def _remove(self, workload_id: str) -> None:
        """Delete a workload. Its log goes first: a crash in between leaves an entry without lines, never a lost log."""
        self._store.drop(workload_id)
        self._registry.remove(workload_id)
        self._lifecycle.discard(workload_id)
        self._catalogue.remove(workload_id)

    async def _expire(self, workload_id: str) -> None:
        """Delete a workload for the retention sweep; one that cannot be deleted now stays until the next sweep."""
        with contextlib.suppress(NoRoom, CannotReach, UnknownWorkload):
            await self.forget(workload_id)
