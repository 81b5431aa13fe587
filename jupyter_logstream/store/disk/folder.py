"""Folder of a workload: its file names, and atomic writes of spec and status. Any process; stdlib.

All persistent state of a workload is in its folder.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ...model.protocol import STATES
from ...model.steps import Step
from ...model.workload import SUMMARY, Status, WorkloadSpec
from ...text.redactor import SECRET_NAMES
from .files import (
    OTHER_KIND,
    is_own,
    open_lock,
    open_own,
    read_file,
    read_json,
    replace_file,
    try_lock,
    write_json,
)

_MAX_ERROR_CHARS = 300
_MAX_REASON_CHARS = 1000

MAX_PAYLOAD_BYTES = 100_000_000
"""Default maximum of a pickled call, and of a result."""


@dataclass(frozen=True)
class RunParameters:
    """What a runner needs besides the spec.

    `log_bytes`: disk space of the log before its oldest segment is removed. `grace_s`: seconds between TERM and KILL
    after a timeout. `secret_names`: globs of environment variables whose values are masked in the output. `linger_s`:
    seconds for which the output of descendants that outlive the workload is still written to its log. `masks`: further
    values and /patterns/ to mask.
    `max_payload_bytes`: maximum size of a function's result. `wrapper`: arguments before those of the command, of a
    program that runs it in a container. `cleanup`: arguments of a program that ends the container and removes it.
    """

    log_bytes: int = 1 << 30
    grace_s: float = 10.0
    secret_names: Sequence[str] = SECRET_NAMES
    linger_s: float = 3600.0
    masks: Sequence[str] = ()
    max_payload_bytes: int = MAX_PAYLOAD_BYTES
    wrapper: Sequence[str] = ()
    cleanup: Sequence[str] = ()


class Folder:
    """`path/ID`: spec.json, run.json (written once), status.json (replaced), lock and control socket of the runner."""

    __slots__ = ("path",)

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    @property
    def id(self) -> str:
        """The workload's id."""
        return self.path.name

    @property
    def control(self) -> Path:
        """The runner's socket."""
        return self.path / "control"

    @property
    def call(self) -> Path:
        """The pickled call of a function."""
        return self.path / "call"

    @property
    def result(self) -> Path:
        """The result of a function, once its process has written it."""
        return self.path / "result"

    @property
    def runner_log(self) -> Path:
        """Standard error of the runner: empty unless the runner failed."""
        return self.path / "runner.log"

    @property
    def positions(self) -> Path:
        """The positions in the files that are followed, while they are: a killed runner can be continued."""
        return self.path / "positions"

    @property
    def host(self) -> Path:
        """On another machine than the server: the machine's name and boot id. The server mirrors this folder."""
        return self.path / "host.json"

    @property
    def end_reason(self) -> Path:
        """Why a container ended, where its exit code is not enough. Written by the container's supervisor."""
        return self.path / "end_reason"

    def read_end_reason(self) -> str | None:
        """The reason, truncated; None if there is none."""
        try:
            return read_file(self.end_reason).decode(errors="replace")[:_MAX_REASON_CHARS] or None
        except (OSError, ValueError):
            return None

    def last_error(self) -> str:
        """The last line of the runner's standard error, truncated; "" if there is none."""
        try:
            lines = read_file(self.runner_log).decode(errors="replace").strip().splitlines()
        except (OSError, ValueError):  # no file, or not a regular one
            return ""
        return lines[-1][:_MAX_ERROR_CHARS] if lines else ""

    def create(
        self, spec: WorkloadSpec, created: float, status: Status | None = None, payload: Path | None = None
    ) -> None:
        """Create the folder with its spec (and status) atomically. `created`: Unix ms. OSError.

        `payload`: the file with the call of a function; the folder gets a link to it.
        """
        draft = self.path.with_name(f".{self.id}")
        draft.mkdir(mode=0o700)
        try:
            write_json(draft / "spec.json", {**spec.to_json(), "created": created})
            if status is not None:
                Folder(draft).write_status(status)
            if payload is not None:
                os.link(payload, draft / "call", follow_symlinks=False)
            draft.rename(self.path)
        except OSError:
            for path in draft.iterdir():
                path.unlink()
            draft.rmdir()
            raise

    def write_run(self, run: RunParameters) -> None:
        """Store the parameters of the runner (run.json). Without fsync: each launch writes them anew. OSError."""
        replace_file(self.path / "run.json", json.dumps(asdict(run)).encode(), sync=False)

    def has_run(self) -> bool:
        """Whether the parameters of a runner were stored, so a launch may have begun."""
        return is_own(self.path / "run.json")

    def read_run(self) -> RunParameters:
        """The parameters of the runner; the defaults if none were written."""
        try:
            value = read_json(self.path / "run.json")
        except FileNotFoundError:
            return RunParameters()
        known = {name: value[name] for name in RunParameters.__dataclass_fields__ if name in value}
        return replace(RunParameters(), **known)

    def read_spec(self) -> tuple[WorkloadSpec, float]:
        """The spec and its creation time (Unix ms)."""
        value = read_json(self.path / "spec.json")
        created = value.pop("created")
        known = WorkloadSpec.__dataclass_fields__
        return WorkloadSpec(**{k: v for k, v in value.items() if k in known}), created

    def write_status(self, status: Status, **summary: Any) -> None:
        """Replace the status. `summary`: totals of the log (names of SUMMARY), with a final status. OSError."""
        if "steps" in summary:
            summary["steps"] = [step.to_json() for step in summary["steps"]]
        write_json(self.path / "status.json", {**asdict(status), **summary})

    def read_status(self) -> tuple[Status, dict[str, Any]]:
        """The status and the summary of the log; `queued` if no status was written yet. ValueError."""
        try:
            value = read_json(self.path / "status.json")
        except FileNotFoundError:
            return Status(), {}
        if str(value.get("state")) not in STATES:
            raise ValueError(f"status.json has an unknown state: {value.get('state')!r}")
        known = Status.__dataclass_fields__
        status = Status(**{name: content for name, content in value.items() if name in known})
        summary = {name: value[name] for name in SUMMARY if name in value}
        if "steps" in summary:
            summary["steps"] = tuple(map(Step.from_json, summary["steps"]))
        return status, summary

    def is_locked(self) -> bool:
        """Whether a runner is alive: the lock ends with its process (unlike a pid, which a zombie keeps)."""
        try:
            fd = open_lock(self.path / "lock", create=False)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENOTDIR, *OTHER_KIND}:
                return False
            raise
        try:
            return not try_lock(fd)
        finally:
            os.close(fd)

    def lock(self) -> int | None:
        """Acquire the lock until the returned descriptor is closed; None if another process has it."""
        fd = open_own(self.path / "lock", os.O_RDWR)
        if try_lock(fd):
            return fd
        os.close(fd)
        return None


def boot_id() -> str:
    """Identifier of the current boot; "" if the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
