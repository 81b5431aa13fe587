"""Removal of a workload's container, also while its engine does not answer. Cleanup of a runner; stdlib."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ..model.protocol import WORKLOAD_VARIABLE
from ..store.disk.files import remove_own
from ..store.disk.folder import Folder
from ..wire.container_client import MARKER, is_removed, removal

_ANSWER_TIMEOUT_S = 8.0  # twice this is less than a runner waits for its cleanup


def remove(folder: Folder, program: str) -> int:
    """Kill and remove the container, if there is one. Returns 0 if none is left.

    Its processes are killed also if the engine does not answer, or has forgotten them; then the server removes it.
    """
    marker = folder.path / MARKER
    if not marker.exists():
        return 0
    gone = any(_succeeds(command) for command in removal(program, folder.id))
    for pid in _processes(folder.id):
        with contextlib.suppress(OSError):  # of another user
            os.kill(pid, signal.SIGKILL)
    if gone:
        remove_own(marker)
    return 0 if gone else 1


def _succeeds(command: list[str]) -> bool:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            errors="replace", timeout=_ANSWER_TIMEOUT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return is_removed(command, done.returncode, done.stderr)


def _processes(workload_id: str) -> Iterator[int]:
    """The processes with the workload's id in their environment, whatever container they are in."""
    variable = f"{WORKLOAD_VARIABLE}={workload_id}\0".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if variable in (process / "environ").read_bytes():
                yield int(process.name)
