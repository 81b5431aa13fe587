"""The backend protocol: start, watch, cancel and forget workloads on some machine. Server; no I/O here.

A backend knows its own system (processes, a scheduler, a cluster), but no store, no HTTP and no other workloads. The
engine identifies a workload by its id and by the handle that `launch` returned.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from ..model.protocol import State
from ..model.spec import SpecError, printable
from ..model.workload import WorkloadSpec

__all__ = [
    "IN_KERNEL_DIRECTORY",
    "RUNS_HERE",
    "Backend",
    "CannotLaunch",
    "CannotReach",
    "CannotSend",
    "Check",
    "Handle",
    "HasLateOutput",
    "HasLeftovers",
    "NotReached",
    "Sighting",
    "check_supported",
]

Handle = Mapping[str, Any]
"""Where a launched workload is: a JSON object, opaque to the engine (a boot id; a host and folder; a job number)."""


RUNS_HERE = "kernel_environment"
"""The feature of backends whose workloads run on the server's machine, so that they get the kernel's environment."""


IN_KERNEL_DIRECTORY = "kernel_directory"
"""The feature of backends whose workloads run in the kernel's directory, but without its environment."""


class CannotLaunch(OSError):
    """The workload could not be started; nothing is left of the attempt. `strerror` says why.

    `errno`: what this machine lacks now, so the request is refused and can be repeated; None: the machine or scheduler
    refused the workload, which is `failed` with the text.
    """


class CannotReach(RuntimeError):
    """The workload's runner or scheduler does not answer; the request may have arrived. The text says which and why.

    From `launch`: the workload stays `queued`, and the engine launches it again with backoff.
    """


class NotReached(CannotReach):
    """The request was not sent: from `launch`, nothing was started, so a cancel ends the workload at once."""


class CannotSend(ValueError):
    """The workload takes no input; `reason` is `no_stdin`, `stdin_closed`, `ended` or `no_connection`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Sighting:
    """A backend's observation of a workload. The runner's own record takes precedence over it.

    `reason`: why it is in this state, for people ("Resources", "the runner was killed"); `node`: the machine that runs
    it; both "" if unknown. `exit_code`: for final states, None if unknown. `link`: "down" while the connection to the
    machine is lost; then the other fields are the last known ones. `link_since`: when it was lost, Unix milliseconds.
    """

    state: State
    reason: str = ""
    node: str = ""
    exit_code: int | None = None
    link: Literal["up", "down"] = "up"
    link_since: float = 0.0


@dataclass(frozen=True, slots=True)
class Check:
    """One result of a backend's self-test, for people.

    `what`: what was tried ("Python 3.9 or newer"); `found`: what was there ("Python 3.11.2"); `advice`: what to do if
    it is not `ok`. No text contains a secret.
    """

    what: str
    ok: bool
    found: str = ""
    advice: str = ""


class Backend(Protocol):
    """Runs workloads on some machine.

    `supports` names the features that a spec may use: "stdin", "tty", "timeout", "call" (functions), "files", "follow"
    (of files) and "options:NAME" for each option; and "kernel_environment" if workloads get the kernel's directory and
    environment, because they run on the server's machine; "kernel_directory" if they get its directory only.
    """

    @property
    def name(self) -> str:
        """The name by which a spec selects this backend."""
        ...

    @property
    def supports(self) -> frozenset[str]:
        """Features, see the class."""
        ...

    def resolve(self, spec: WorkloadSpec) -> WorkloadSpec:
        """The spec as this backend will run it: directory, environment and options checked. Raises SpecError."""
        ...

    def plan(self, spec: WorkloadSpec) -> str:
        """The command, script or manifest that `launch` would submit, for a dry run. Contains no environment values."""
        ...

    async def launch(self, workload_id: str, spec: WorkloadSpec) -> Handle:
        """Start the workload. Idempotent by id: a second call finds the first start and returns its handle.

        The registry has stored the (resolved) spec before. Raises CannotLaunch: nothing was started; CannotReach: it is
        unknown whether it was started; NotReached: it was not.
        """
        ...

    def watch(self, workload_id: str, handle: Handle) -> AsyncIterator[Sighting]:
        """Report the workload's state now and after every change; the iterator ends with a final state.

        Works for workloads that an earlier server launched. The end of a log stream is not a final state; a workload
        that the backend cannot find any more is `lost`, with the reason.
        """
        ...

    async def cancel(self, workload_id: str, handle: Handle, grace_s: float) -> None:
        """Terminate the whole process tree: TERM now, KILL after `grace_s` seconds. Does nothing if it has ended.

        Raises CannotReach.
        """
        ...

    async def send(self, workload_id: str, handle: Handle, data: bytes, *, eof: bool = False) -> None:
        """Write bytes to standard input, then close it if `eof`. Returns when all were accepted. Raises CannotSend."""
        ...

    async def forget(self, workload_id: str, handle: Handle) -> None:
        """Delete everything that the backend stores about a final workload. Raises CannotReach."""
        ...

    async def check(self) -> list[Check]:
        """Test whether workloads can run here, in the order of what depends on what. A failed test is a result.

        The caller bounds the time; a check that depends on a failed one is left out.
        """
        ...


@runtime_checkable
class HasLateOutput(Protocol):
    """A backend whose workloads' descendants can write to the log after the final state."""

    async def log_complete(self, workload_id: str) -> None:
        """Return when nothing writes to the log of an ended workload any more."""
        ...


@runtime_checkable
class HasLeftovers(Protocol):
    """A backend that stores files on another machine, which a lost connection can leave there."""

    async def leftovers(self, known: Collection[str]) -> list[str]:
        """Where files of workloads other than `known` (ids) are, for people to delete. Raises CannotReach."""
        ...


def check_supported(spec: WorkloadSpec, backend: Backend) -> None:
    """Raise SpecError for an option or feature of the spec that the backend does not support; it names the field."""
    options = sorted(name.partition(":")[2] for name in backend.supports if name.startswith("options:"))
    for option in spec.options:
        if option not in options:
            known = f"it supports {', '.join(options)}" if options else "it has no options"
            raise SpecError(
                f"options.{printable(option)}", f"is not supported by the backend {backend.name!r}: {known}"
            )
    features = {
        "stdin": spec.stdin,
        "timeout": spec.timeout is not None,
        "call": spec.call is not None,
        "files": len(spec.files) > 0,
        "follow": spec.follow is not None,
    }
    for feature, used in features.items():
        if used and feature not in backend.supports:
            raise SpecError(feature, f"is not supported by the backend {backend.name!r}")
