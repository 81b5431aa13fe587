"""A workload's folder: the names in it, and how spec and status are written so that a crash leaves the old or the new.

Any process on the machine; stdlib. Whoever has the folder has the workload: nothing about it is kept only in memory.
This file must not know what is in the log (that is `store/`) nor who runs the child.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ...model.protocol import STATES
from ...model.steps import Step
from ...model.workload import SUMMARY, Status, WorkloadSpec
from ...text.masking import SECRET_NAMES


@dataclass(frozen=True)
class RunParameters:
    """What a runner needs besides the spec.

    `log_bytes`: disk space of the log before its oldest segment is removed. `grace_s`: seconds between TERM and KILL
    after a timeout. `secret_names`: globs of environment variables whose values are masked in the output.
    """

    log_bytes: int = 1 << 30
    grace_s: float = 10.0
    secret_names: Sequence[str] = SECRET_NAMES


class Folder:
    """`path/ID`: spec.json (written once), status.json (replaced), lock (held by the runner), control (its socket)."""

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
    def runner_log(self) -> Path:
        """What the runner itself says: empty unless it has a fault."""
        return self.path / "runner.log"

    def create(self, spec: WorkloadSpec, created: float, status: Status | None = None) -> None:
        """Make the folder with its spec (and status): whole or not at all. `created`: Unix ms."""
        draft = self.path.with_name(f".{self.id}")
        draft.mkdir(mode=0o700)
        try:
            write_json(draft / "spec.json", {**spec.to_json(), "created": created})
            if status is not None:
                Folder(draft).write_status(status)
            draft.rename(self.path)
        except OSError:
            for path in draft.iterdir():
                path.unlink()
            draft.rmdir()
            raise

    def write_run(self, run: RunParameters) -> None:
        """Store the parameters of the runner (run.json). OSError."""
        write_json(self.path / "run.json", asdict(run))

    def read_run(self) -> RunParameters:
        """The parameters of the runner; the defaults if none were written."""
        try:
            value = read_json(self.path / "run.json")
        except FileNotFoundError:
            return RunParameters()
        known = {name: value[name] for name in RunParameters.__dataclass_fields__ if name in value}
        return replace(RunParameters(), **known)

    def read_spec(self) -> tuple[WorkloadSpec, float]:
        """The spec and when it was created (Unix ms)."""
        value = read_json(self.path / "spec.json")
        created = value.pop("created")
        known = WorkloadSpec.__dataclass_fields__
        return WorkloadSpec(**{k: v for k, v in value.items() if k in known}), created

    def write_status(self, status: Status, **summary: Any) -> None:
        """Replace the status. `summary`: what the log came to (names of SUMMARY), with a final one."""
        if "steps" in summary:
            summary["steps"] = [step.to_json() for step in summary["steps"]]
        write_json(self.path / "status.json", {**asdict(status), **summary})

    def read_status(self) -> tuple[Status, dict[str, Any]]:
        """The status and the log's summary; `queued` where nothing was written yet."""
        try:
            value = read_json(self.path / "status.json")
        except FileNotFoundError:
            return Status(), {}
        if str(value.get("state")) not in STATES:
            raise ValueError(f"status.json tells of no state: {value.get('state')!r}")
        known = Status.__dataclass_fields__
        status = Status(**{name: content for name, content in value.items() if name in known})
        summary = {name: value[name] for name in SUMMARY if name in value}
        if "steps" in summary:
            summary["steps"] = tuple(map(Step.from_json, summary["steps"]))
        return status, summary

    def is_locked(self) -> bool:
        """Whether a runner lives: the lock goes with its process, however that ends (a pid could be a zombie's)."""
        try:
            fd = open_lock(self.path / "lock", create=False)
        except FileNotFoundError:
            return False
        try:
            return not try_lock(fd)
        finally:
            os.close(fd)

    def lock(self) -> int | None:
        """Take the lock for this process's life; None if somebody else has it."""
        fd = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if try_lock(fd):
            return fd
        os.close(fd)
        return None


def open_lock(path: Path, *, create: bool = True) -> int:
    """Open a file that is locked; on a disk that has become read-only it can be locked all the same."""
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o600)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def try_lock(fd: int) -> bool:
    """Take the exclusive lock of an open file without waiting."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Replace a small file by an object."""
    replace_file(path, json.dumps(value).encode())


def replace_file(path: Path, data: bytes) -> None:
    """Replace a small file: readers and crashes see the old or the new one. Mode 0600."""
    new = path.with_name(path.name + ".new")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        while data:
            data = data[os.write(fd, data) :]
        os.fsync(fd)
    finally:
        os.close(fd)
    os.replace(new, path)


OPEN = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""How files of the store are opened: a link or a pipe in their place is neither followed nor waited for."""


def read_file(path: Path) -> bytes:
    """A small file of ours. FileNotFoundError; ValueError for what is no file."""
    try:
        fd = os.open(path, os.O_RDONLY | OPEN)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENXIO}:
            raise ValueError(f"{path.name} is no file") from None
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise ValueError(f"{path.name} is no file")
    with open(fd, "rb") as file:
        return file.read()


def read_json(path: Path) -> dict[str, Any]:
    """A small file that `write_json` wrote. FileNotFoundError, ValueError."""
    value = json.loads(read_file(path))
    if not isinstance(value, dict):
        raise ValueError(f"{path.name} holds no object")  # noqa: TRY004 - its content is wrong, not its type
    return value


def boot_id() -> str:
    """Names this boot of the machine; "" where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
