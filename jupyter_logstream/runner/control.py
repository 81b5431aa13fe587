"""Client of a runner's socket, for the other processes of its machine. Beside a runner; stdlib."""

from __future__ import annotations

import socket
from contextlib import suppress

from ..store.disk.folder import Folder
from ..wire.runner_socket import request, socket_path

MAX_ANSWER_BYTES = 4096
_CANCEL_TIMEOUT_S = 5.0


def connect(folder: Folder, timeout_s: float) -> socket.socket | None:
    """A connection to the runner of a workload; None if it has ended. `timeout_s`: of each operation."""
    runner = socket.socket(socket.AF_UNIX)
    runner.settimeout(timeout_s)
    try:
        with socket_path(folder.control) as path:
            runner.connect(path)
    except OSError:
        runner.close()
        return None
    return runner


def cancel(folder: Folder) -> None:
    """Let the runner end the workload, since its engine ends the job: it KILLs what is left after its own time."""
    if (runner := connect(folder, _CANCEL_TIMEOUT_S)) is not None:
        with suppress(OSError), runner:
            runner.sendall(request("cancel", grace=folder.read_run().grace_s))
            runner.recv(MAX_ANSWER_BYTES)
