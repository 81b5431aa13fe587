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

State = Literal["queued", "running", "succeeded", "failed", "cancelled", "timed_out", "lost"]

TRANSITIONS: Mapping[str, frozenset[str]] = {
    "queued": frozenset({"running", "failed", "cancelled", "lost"}),
    "running": frozenset({"succeeded", "failed", "cancelled", "timed_out", "lost"}),
}
FINAL: frozenset[str] = frozenset({"succeeded", "failed", "cancelled", "timed_out", "lost"})
STATES: frozenset[str] = FINAL | TRANSITIONS.keys()

ID = r"[A-Za-z0-9_-]{1,64}"
_ID_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: sorts as it counts
_LONGEST_NAME = 200
_LONGEST_TIMEOUT = 10 * 365 * 86400
_LONGEST_ARGUMENTS = 2 * 1024 * 1024 - 64 * 1024  # bytes; Linux refuses more (E2BIG), one string more than 128 KiB
_LONGEST_STRING = 128 * 1024 - 1
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


WORKLOAD_VARIABLE = "JUPYTER_LOGSTREAM_WORKLOAD"
"""In a workload's environment: its id. Whatever it starts can be found by it."""

ROWS, COLUMNS = 40, 120
"""The size of a workload's terminal."""

# With a terminal every program writes line by line, in colour, and none waits for a key.
_TERMINAL = {
    "TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(ROWS),
    "PAGER": "cat", "GIT_PAGER": "cat", "MANPAGER": "cat", "SYSTEMD_PAGER": "", "AWS_PAGER": "",
}  # fmt: skip
# Without one Python would write in blocks of 8 KiB.
_PIPES = {"PYTHONUNBUFFERED": "1"}


class SpecError(ValueError):
    """A field of a spec is wrong; `field` names it, the text says what is wrong with its value."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


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
            "masked": 0,
            "steps": [],
            "tags": dict(self.spec.tags),
        }


def environment(ambient: Mapping[str, str], given: Mapping[str, str], *, tty: bool) -> dict[str, str]:
    """The environment of a child: the ambient one, what its terminal or pipes need, and above all what was given."""
    return {**ambient, **(_TERMINAL if tty else _PIPES), **given}


def shell_join(argv: list[str]) -> str:
    """The list as a shell would read it (shlex.join, without importing shlex at start)."""
    safe = re.compile(r"[\w@%+=:,./-]+", re.ASCII)
    return " ".join(a if safe.fullmatch(a) else "'" + a.replace("'", "'\"'\"'") + "'" for a in argv)


# --- checking what a caller asks for ----------------------------------------------------------------------------------

_KNOWN = frozenset(["command", "name", "cwd", "env", "backend", "options", "timeout", "tty", "stdin", "tags", "key"])


def check_spec(asked: Mapping[str, Any]) -> WorkloadSpec:
    """Make a spec of a caller's JSON object; SpecError names the first field that is wrong, unknown or missing."""
    for name in asked:
        if name not in _KNOWN:
            raise SpecError(_shown(name), "is not a field of a workload")
    if "command" not in asked:
        raise SpecError("command", "is missing")
    given = {name: value for name, value in asked.items() if value is not None}
    command = _check_command(given.get("command"))
    spec = WorkloadSpec(
        command=command,
        name=_check_text("name", given.get("name", _name_of(command)), _LONGEST_NAME),
        cwd=_check_path(given.get("cwd", "")),
        env=_check_env(given.get("env", {})),
        backend=_check_text("backend", given.get("backend", "local"), 64),
        options=_check_kind("options", given.get("options", {}), dict, "an object"),
        timeout=_check_timeout(given.get("timeout")),
        tty=_check_kind("tty", given.get("tty", True), bool, "true or false"),
        stdin=_check_kind("stdin", given.get("stdin", False), bool, "true or false"),
        tags=_check_tags(given.get("tags", {})),
        key=_check_text("key", given["key"], _LONGEST_NAME) if "key" in given else None,
    )
    _check_size(spec)
    return spec


def _shown(text: str) -> str:
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text[:80])


def _check_kind(name: str, value: Any, kind: type, article: str) -> Any:
    if not isinstance(value, kind):
        raise SpecError(name, f"must be {article}, not {_kind_of(value)}")
    return value


def _kind_of(value: Any) -> str:
    kinds = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "an object",
    }
    return "null" if value is None else kinds.get(type(value), "that")


def _check_command(value: Any) -> str | list[str]:
    if isinstance(value, str):
        if not value.strip():
            raise SpecError("command", "is empty")
        return _check_argument("command", value)
    if not isinstance(value, list):
        raise SpecError("command", f"must be a string or a list of strings, not {_kind_of(value)}")
    if not value or value[0] == "":
        raise SpecError("command", "is empty")
    return [_check_argument(f"command[{i}]", item) for i, item in enumerate(value)]


def _check_argument(name: str, value: Any) -> str:
    _check_kind(name, value, str, "a string")
    if "\0" in value:
        raise SpecError(name, "must not hold a NUL")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise SpecError(name, "holds half of a surrogate pair") from None
    if size > _LONGEST_STRING:
        raise SpecError(name, f"is longer than {_LONGEST_STRING} bytes, the most that the system takes")
    return str(value)


def _check_text(name: str, value: Any, longest: int) -> str:
    _check_argument(name, value)
    if not value or len(value) > longest:
        raise SpecError(name, f"must have 1 to {longest} characters")
    if found := _UNPRINTABLE.search(value):
        raise SpecError(name, f"must not hold the control character U+{ord(found[0]):04X}")
    return str(value)


def _check_path(value: Any) -> str:
    return _check_argument("cwd", value)


def _check_env(value: Any) -> dict[str, str]:
    _check_kind("env", value, dict, "an object of strings")
    for name, content in value.items():
        if not name or "=" in name or "\0" in name:
            raise SpecError("env", f"{_shown(name)!r} is not a name of a variable")
        _check_argument(f"env.{_shown(name)}", content)
    return dict(value)


def _check_tags(value: Any) -> dict[str, str]:
    _check_kind("tags", value, dict, "an object of strings")
    if len(value) > 64:
        raise SpecError("tags", "are more than 64")
    return {_check_text("tags", k, 64): _check_argument(f"tags.{_shown(k)}", v) for k, v in value.items()}


def _check_timeout(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SpecError("timeout", f"must be a number of seconds, not {_kind_of(value)}")
    if not 0 < value <= _LONGEST_TIMEOUT:  # false for NaN too
        raise SpecError("timeout", f"must be more than 0 and at most {_LONGEST_TIMEOUT} seconds")
    return float(value)


def _check_size(spec: WorkloadSpec) -> None:
    size = sum(len(a.encode()) + 9 for a in spec.argv)
    size += sum(len(k.encode()) + len(v.encode()) + 10 for k, v in spec.env.items())
    if size > _LONGEST_ARGUMENTS:
        raise SpecError("command", "is, with its environment, longer than the system takes")


def _name_of(command: str | list[str]) -> str:
    text = command if isinstance(command, str) else shell_join(command)
    return _UNPRINTABLE.sub(" ", text).strip()[:60].strip() or "workload"
