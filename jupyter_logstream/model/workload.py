"""Workload values: specification, status, summary of the log. Any process; stdlib, no I/O.

Every transition of a status is checked against `protocol.TRANSITIONS`. `lost` means that the outcome is unknown: it is
neither success nor failure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from .protocol import FINAL, TRANSITIONS, State
from .slots import SLOTS
from .steps import Step


@dataclass(frozen=True, **SLOTS)
class WorkloadSpec:
    """What to run, where and how. `timeout` is in seconds; None is no limit.

    `call`: the call of a function as code, if it is one. `env` holds the variables that the caller set; after
    `Backend.resolve` it may be the child's whole environment. `files`: globs, relative to the folder `files_from` on
    the server's machine, of the files that the workload needs in its directory. `follow`: the files whose lines are its
    log, instead of the output of a command (model/follow.py); a backend adds the `roots` that they must lie below.
    """

    command: str | list[str]
    name: str
    cwd: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    backend: str = "local"
    options: Mapping[str, Any] = field(default_factory=dict)
    timeout: float | None = None
    tty: bool = True
    stdin: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None
    call: str | None = None
    files: Sequence[str] = ()
    files_from: str = ""
    follow: Mapping[str, Any] | None = None

    @property
    def argv(self) -> list[str]:
        """The arguments to execute: the shell with a string command, a list unchanged."""
        return ["/bin/sh", "-c", self.command] if isinstance(self.command, str) else list(self.command)

    @property
    def command_line(self) -> str:
        """The command as typed in a shell."""
        return self.command if isinstance(self.command, str) else shell_join(self.command)

    def to_json(self) -> dict[str, Any]:
        """All fields, the environment included: for the store only, never served."""
        return asdict(self)


@dataclass(frozen=True, **SLOTS)
class Status:
    """The state of a workload's run. Times are Unix milliseconds; `exit_code` is None after a signal or if unknown.

    `reason`: why it is in this state, as its backend reports it; `node`: the machine that runs it; both "" if unknown.
    `result`: of a function that has ended: `kind` (value, exception or text), `type`, `repr` (short), `bytes`.
    """

    state: State = "queued"
    started: float | None = None
    ended: float | None = None
    exit_code: int | None = None
    signal: int | None = None
    error: str | None = None
    pid: int | None = None
    boot: str | None = None  # the machine's boot id during the run: after a reboot the pid is meaningless
    reason: str = ""
    node: str = ""
    result: Mapping[str, Any] | None = None

    @property
    def final(self) -> bool:
        """Whether the state is final: it never changes again."""
        return self.state in FINAL

    def move(self, state: State, **known: Any) -> Status:
        """The status after a transition. Raises ValueError if TRANSITIONS does not allow it."""
        if state not in TRANSITIONS.get(self.state, ()):
            raise ValueError(f"a workload cannot go from {self.state} to {state}")
        return replace(self, state=state, **known)


@dataclass(frozen=True)
class LostLink:
    """A connection to a workload's machine that is down. `since`: Unix milliseconds.

    `cancel_pending`: a cancel was accepted and will be sent when the connection is back.
    """

    since: float
    cancel_pending: bool = False

    def to_json(self) -> dict[str, Any]:
        """As in the protocol."""
        return {"state": "down", "since": self.since, "cancel_pending": self.cancel_pending}


SUMMARY = ("lines", "bytes", "levels", "masked", "steps")
"""The fields of a Workload that summarize its log."""


@dataclass(frozen=True, **SLOTS)
class Workload:
    """A workload as served: specification, status and the summary of its log. `created` is Unix milliseconds.

    `link`: the connection to its machine, if it is down; not stored.
    """

    id: str
    spec: WorkloadSpec
    created: float
    status: Status
    lines: int = 0
    bytes: int = 0
    levels: Mapping[str, int] = field(default_factory=dict)
    masked: int = 0
    steps: tuple[Step, ...] = ()
    link: LostLink | None = None

    def steps_to_json(self) -> list[dict[str, Any]]:
        """The steps as in the protocol: a step that was open when the workload ended, ended with it."""
        steps = self.steps
        if self.status.final:
            steps = tuple(step.closed(self.status.state, self.status.ended) for step in steps)
        return [step.to_json() for step in steps]

    def to_json(self) -> dict[str, Any]:
        """The workload as in the protocol, without its environment."""
        return {
            "id": self.id,
            "name": self.spec.name,
            "backend": self.spec.backend,
            "state": self.status.state,
            "command": self.spec.command_line,
            "call": self.spec.call,
            "cwd": self.spec.cwd,
            "created": self.created,
            "started": self.status.started,
            "ended": self.status.ended,
            "exit_code": self.status.exit_code,
            "signal": self.status.signal,
            "error": self.status.error,
            "reason": self.status.reason or None,
            "node": self.status.node or None,
            "link": None if self.link is None else self.link.to_json(),
            "result": None if self.status.result is None else dict(self.status.result),
            "lines": self.lines,
            "bytes": self.bytes,
            "levels": dict(self.levels),
            "masked": self.masked,
            "steps": self.steps_to_json(),
            "tags": dict(self.spec.tags),
        }


def shell_join(argv: list[str]) -> str:
    """Quote arguments for a shell. As shlex.join, whose import would slow the runner's start."""
    safe = re.compile(r"[\w@%+=:,./-]+", re.ASCII)
    return " ".join(a if safe.fullmatch(a) else "'" + a.replace("'", "'\"'\"'") + "'" for a in argv)
