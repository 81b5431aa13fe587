"""Place of workloads on this machine: their folders, their files, and a start at most once. Runner; stdlib.

ROOT holds `jobs/ID` (the workload's folder, as on the server's machine), `work/ID` (the files that were sent with it:
its directory) and `files/SHA256` (what was sent before, so that it is not sent again). The files in `work` stay until
the workload is deleted: its command may have written its results there.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..model.workload import WorkloadSpec, shell_join
from ..store.disk.files import make_private, read_file, replace_file
from ..store.disk.folder import Folder, RunParameters
from ..wire.delivery import Order
from . import detach
from .file_cache import FileCache
from .localize import localized

_COMMAND_TIMEOUT_S = 60.0
_JOB = "job"  # the file with the number of the job that was submitted
_NO_CONTROLLER = re.compile("slurm controller|slurmctld|Socket timed out|Connection refused|Connection timed out")


class Refused(Exception):
    """The workload cannot be started here; the text is for people."""


class Unavailable(Exception):
    """The scheduler does not answer now; the text is for people."""


class Place:
    """The folders of workloads below `root` on this machine. `files`: those that were sent with workloads."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = FileCache(root / "files")

    def folder(self, workload_id: str) -> Folder:
        """The folder of a workload."""
        return Folder(self.root / "jobs" / workload_id)

    def work(self, workload_id: str) -> Path:
        """The directory of a workload's files."""
        return self.root / "work" / workload_id

    def was_started(self, workload_id: str) -> bool:
        """Whether the command may have run, or a job was submitted: then it must not be started again."""
        folder = self.folder(workload_id)
        return detach.was_started(folder) or (folder.path / _JOB).exists()

    def start(self, order: Order) -> dict[str, Any]:
        """Start the workload, unless an earlier order did. Returns the answer. Raises Refused, OSError."""
        with self._lock():
            job = self.folder(order.id).path / _JOB
            if self.was_started(order.id):
                if order.submit and not job.exists():  # its submission was interrupted
                    replace_file(job, _output(order.lookup).encode())
                return self._found(order.id)
            self._create(order)
            if order.submit:
                replace_file(job, self._submit(order).encode())
            else:
                detach.start(self.folder(order.id))
            return self._found(order.id)

    def find(self, workload_id: str) -> dict[str, Any]:
        """Where the workload runs, if it was started."""
        with self._lock():
            return self._found(workload_id) if self.was_started(workload_id) else {"found": False}

    def ids(self) -> list[str]:
        """The workloads that have files here."""
        folders = self.root / "jobs", self.root / "work"
        return sorted({path.name for folder in folders if folder.is_dir() for path in folder.iterdir()})

    def forget(self, workload_id: str) -> None:
        """Delete everything of a workload but what others use, too."""
        for path in self.folder(workload_id).path, self.work(workload_id):
            shutil.rmtree(path, ignore_errors=True)

    def _found(self, workload_id: str) -> dict[str, Any]:
        job = b""
        with suppress(FileNotFoundError):
            job = read_file(self.folder(workload_id).path / _JOB)
        folder = str(self.folder(workload_id).path)
        return {"found": True, "job": job.decode(), "node": socket.gethostname(), "folder": folder}

    def _create(self, order: Order) -> None:
        """Create the workload's folder and its work folder; what an earlier attempt left is replaced."""
        folder, work = self.folder(order.id), self.work(order.id)
        for leftover in folder.path, folder.path.with_name(f".{order.id}"), work:
            shutil.rmtree(leftover, ignore_errors=True)
        if order.files:
            make_private(work)
            for file in order.files:
                self.files.copy(file, work / file.path)
        make_private(folder.path.parent)
        folder.create(localized(WorkloadSpec(**order.spec), order, work), order.created)
        if order.call is not None:
            self.files.copy(order.call, folder.call)
        folder.write_run(RunParameters(**order.run))
        self.files.expire()

    def _submit(self, order: Order) -> str:
        """Submit the job, or find the one that an earlier order submitted before it was interrupted: its number."""
        folder = self.folder(order.id)
        script = folder.path / "script"
        replace_file(script, order.script.replace("@FOLDER@", shell_join([str(folder.path)])).encode())
        submit = [argument.replace("@FOLDER@", str(folder.path)) for argument in order.submit]
        return (_output(order.lookup) or _output([*submit, str(script)])).partition(";")[0]

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One start at a time, so that two orders with the same id start one workload."""
        fd = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)


def _output(command: Sequence[str]) -> str:
    """What a command prints. Raises Refused with its error text, if it fails or takes too long."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_COMMAND_TIMEOUT_S, check=False
        )
    except FileNotFoundError:
        raise Refused(f"{command[0]}: command not found on {socket.gethostname()}") from None
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{command[0]} did not answer within {_COMMAND_TIMEOUT_S:g} s") from None
    if done.returncode:
        problem = Unavailable if _NO_CONTROLLER.search(done.stderr) else Refused
        raise problem(f"{command[0]}: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return done.stdout.strip()
