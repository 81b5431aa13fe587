"""What a workload is: its spec, its states and the legal moves between them. Any process; stdlib, no I/O.

Rules: every transition is in the table; a final state never changes; `lost` means that we no longer know, and is
neither success nor failure. A spec is checked here, once, before anything is made of it. This file must not know HTTP,
files or processes.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from ..text.step_markers import Step

State = Literal["queued", "running", "succeeded", "failed", "cancelled", "timed_out", "lost"]

TRANSITIONS: Mapping[str, frozenset[str]] = {
    "queued": frozenset({"running", "failed", "cancelled", "lost"}),
    "running": frozenset({"succeeded", "failed", "cancelled", "timed_out", "lost"}),
}
FINAL: frozenset[str] = frozenset({"succeeded", "failed", "cancelled", "timed_out", "lost"})
STATES: frozenset[str] = FINAL | TRANSITIONS.keys()

ID = r"[A-Za-z0-9_-]{1,64}"
_ID_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: sorts as it counts


WORKLOAD_VARIABLE = "JUPYTER_LOGSTREAM_WORKLOAD"
"""In a workload's environment: its id. Whatever it starts can be found by it."""

EXTERNAL = "external"
"""The backend of workloads that run elsewhere: who runs one writes its log and says when it has ended."""

ROWS, COLUMNS = 40, 120
"""The size of a workload's terminal."""

# With a terminal every program writes line by line, in colour, and none waits for a key.
_TERMINAL = {
    "TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(ROWS),
    "PAGER": "cat", "GIT_PAGER": "cat", "MANPAGER": "cat", "SYSTEMD_PAGER": "", "AWS_PAGER": "",
}  # fmt: skip
# Without one Python would write in blocks of 8 KiB.
_PIPES = {"PYTHONUNBUFFERED": "1"}


class IdSource:
    """Ids that sort by creation time, cannot be guessed and are never used again (48 bits of ms, 80 random ones)."""

    def __init__(self) -> None:
        self._last = 0

    def new(self) -> str:
        """A new id; two of one millisecond still sort in order, since the time part always moves on."""
        self._last = max(int(time.time() * 1000), self._last + 1)
        number = self._last << 80 | int.from_bytes(os.urandom(10), "big")
        return "".join(_ID_DIGITS[number >> shift & 31] for shift in range(125, -1, -5))


@dataclass(frozen=True, slots=True)
class WorkloadSpec:
    """What to run, where and how. `env` is the whole environment of the child; `timeout` is in seconds."""

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

    @property
    def argv(self) -> list[str]:
        """What is executed: a string by the shell, a list as it is."""
        return ["/bin/sh", "-c", self.command] if isinstance(self.command, str) else list(self.command)

    @property
    def command_line(self) -> str:
        """The command as one would type it."""
        return self.command if isinstance(self.command, str) else shell_join(self.command)

    def to_json(self) -> dict[str, Any]:
        """All of it, the environment too: for the store only, never served."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of a workload's run. Times are Unix ms; `exit_code`: None after a signal, or if nobody knows."""

    state: State = "queued"
    started: float | None = None
    ended: float | None = None
    exit_code: int | None = None
    signal: int | None = None
    error: str | None = None
    pid: int | None = None
    boot: str | None = None  # the machine's boot id while it ran: a pid means nothing after another boot

    @property
    def final(self) -> bool:
        """Whether it has ended for good."""
        return self.state in FINAL

    def move(self, state: State, **known: Any) -> Status:
        """The status after a transition; ValueError if the table does not allow it."""
        if state not in TRANSITIONS.get(self.state, ()):
            raise ValueError(f"a workload cannot go from {self.state} to {state}")
        return replace(self, state=state, **known)


SUMMARY = ("lines", "bytes", "levels", "masked", "steps")
"""What a workload tells of its log."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload as it is told to others: spec, status, and what its log came to so far. Times are Unix ms."""

    id: str
    spec: WorkloadSpec
    created: float
    status: Status
    lines: int = 0
    bytes: int = 0
    levels: Mapping[str, int] = field(default_factory=dict)
    masked: int = 0
    steps: tuple[Step, ...] = ()

    def steps_to_json(self) -> list[dict[str, Any]]:
        """The steps as the protocol writes them: one that was open at the end has ended as the workload has."""
        final = self.status.final
        told = [step.closed(self.status.state, self.status.ended) for step in self.steps] if final else self.steps
        return [step.to_json() for step in told]

    def to_json(self) -> dict[str, Any]:
        """As the protocol writes it; the environment is never told."""
        return {
            "id": self.id,
            "name": self.spec.name,
            "backend": self.spec.backend,
            "state": self.status.state,
            "command": self.spec.command_line,
            "cwd": self.spec.cwd,
            "created": self.created,
            "started": self.status.started,
            "ended": self.status.ended,
            "exit_code": self.status.exit_code,
            "signal": self.status.signal,
            "error": self.status.error,
            "lines": self.lines,
            "bytes": self.bytes,
            "levels": dict(self.levels),
            "masked": self.masked,
            "steps": self.steps_to_json(),
            "tags": dict(self.spec.tags),
        }


def environment(ambient: Mapping[str, str], given: Mapping[str, str], *, tty: bool) -> dict[str, str]:
    """The environment of a child: the ambient one, what its terminal or pipes need, and above all what was given."""
    return {**ambient, **(_TERMINAL if tty else _PIPES), **given}


def shell_join(argv: list[str]) -> str:
    """The list as a shell would read it (shlex.join, without importing shlex at start)."""
    safe = re.compile(r"[\w@%+=:,./-]+", re.ASCII)
    return " ".join(a if safe.fullmatch(a) else "'" + a.replace("'", "'\"'\"'") + "'" for a in argv)
