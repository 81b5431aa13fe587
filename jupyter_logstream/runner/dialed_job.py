"""A workload in the job of an engine that dials out: its folder, its runner, its exit code. Runner; stdlib.

The runner has a parent in a session of its own, which ends the workload's processes when either the runner or the
process that the engine started is killed: an engine frees what the job used when it loses it.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ..model.workload import WorkloadSpec
from ..store.disk.files import make_private, open_own
from ..store.disk.folder import Folder, RunParameters
from ..wire.delivery import DialPlan
from . import control
from .detach import run_here, was_started
from .localize import localized
from .process_tree import end_with_parent
from .sender import status_of

_POLL_S = 0.005
_MAX_AGE_S = 30 * 86400
_SIGNALLED = 128  # a shell's exit code for a command that a signal ended is this more than the signal


class Job:
    """The workload of this job: starts its runner in `folder`, and waits until its child has started or failed to.

    `not_inherited`: descriptors of this process that the runner closes.
    """

    def __init__(self, folder: Folder, not_inherited: Sequence[int] = ()) -> None:
        self.folder = folder
        self.exit_code = 1
        self._last_progress = time.monotonic()
        self._pid = _start(folder, not_inherited)
        self._ended = False
        while not self.has_ended() and status_of(folder.path) is None:  # else a cancel could come too early
            time.sleep(_POLL_S)

    def has_ended(self) -> bool:
        """Whether the runner has ended, and with it everything that writes to the log."""
        if not self._ended and os.waitpid(self._pid, os.WNOHANG)[0]:
            self._ended = True
            self.remember_exit()
            self.made_progress()
        return self._ended

    @property
    def idle_s(self) -> float:
        """Seconds since the workload ended, or the server acknowledged something."""
        return time.monotonic() - self._last_progress

    def made_progress(self) -> None:
        """The server acknowledged something."""
        self._last_progress = time.monotonic()

    def remember_exit(self) -> None:
        """Read the exit code, as long as the folder is there."""
        if status := status_of(self.folder.path):
            code, number = status.get("exit_code"), status.get("signal")
            default = 0 if status.get("state") == "succeeded" else 1
            self.exit_code = _SIGNALLED + number if number else default if code is None else code

    def cancel(self) -> None:
        """End the workload with its grace time."""
        control.cancel(self.folder)

    @property
    def is_removed(self) -> bool:
        """Whether the server has everything and deleted the folder."""
        return not self.folder.path.exists()

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder.path, ignore_errors=True)


def prepare(box: Path, plan: DialPlan) -> Folder | None:
    """Create the folder of a workload from its package; None if it was started before. OSError.

    Deletes from the package what is secret: the environment, the token, the call.
    """
    order = plan.order
    jobs = Path(plan.root).expanduser() / "jobs"
    make_private(jobs)
    _expire(jobs)
    folder = Folder(jobs / order.id)
    if was_started(folder):
        return None
    for leftover in folder.path, folder.path.with_name(f".{order.id}"):
        shutil.rmtree(leftover, ignore_errors=True)
    spec = localized(WorkloadSpec(**order.spec), replace(order, submit=()), box.parent)
    folder.create(spec, order.created)
    if order.call is not None:
        shutil.copyfile(box / "call", folder.call)
        folder.call.chmod(0o600)
    folder.write_run(RunParameters(**order.run))
    for secret in "order.json", "call":
        with suppress(FileNotFoundError):
            (box / secret).unlink()
    return folder


def _start(folder: Folder, not_inherited: Sequence[int]) -> int:
    """Fork the parent of the runner; returns its pid."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setsid()
        for fd in not_inherited:
            os.close(fd)
        end_with_parent(signal.SIGTERM)
        log, null = open_own(folder.runner_log, os.O_WRONLY | os.O_APPEND), os.open(os.devnull, os.O_RDONLY)
        for source, target in (null, 0), (log, 1), (log, 2):
            os.dup2(source, target)
        run_here(folder, on_stop=lambda: control.cancel(folder))
        code = 0
    finally:
        if error := sys.exc_info()[1]:  # the caller's frames must not handle it: this is another process
            sys.excepthook(type(error), error, error.__traceback__)
        sys.stderr.flush()
        os._exit(code)


def _expire(jobs: Path) -> None:
    """Delete what jobs left whose server did not come back for it."""
    oldest = time.time() - _MAX_AGE_S
    for path in jobs.iterdir():
        with suppress(OSError):
            if path.stat().st_mtime < oldest and not Folder(path).is_locked():
                shutil.rmtree(path, ignore_errors=True)
