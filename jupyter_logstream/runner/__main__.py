"""Entry point: `python -m jupyter_logstream.runner FOLDER` runs the workload in a folder, detached. Runner; stdlib.

The folder holds all parameters: `spec.json` (the workload) and `run.json` (`RunParameters`). The started process
exits with 0 as soon as the runner accepts requests, with 3 if another runner has the folder. The server starts runners
by its fork server instead, which calls `main` in a process that is detached already.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

from ..model.workload import WorkloadSpec
from ..store.disk.files import remove_own
from ..store.disk.folder import Folder
from ..wire.runner_socket import socket_path
from .process_tree import adopt_orphans
from .runner import Runner

ALREADY_RUNNING = 3


def _detach() -> None:
    """Leave the process tree of the server, so that killing that tree does not kill the runner."""
    if os.fork():
        os._exit(0)


def main(path: str, answer: int | None = None, *, of_engine: bool = False) -> int:
    """Run the workload in `path`; returns the exit code.

    `answer`: a descriptor that gets the exit code as one line, 0 when the runner accepts requests. None: the parent
    process exits with the code instead, and the runner is detached from it. `of_engine`: it runs in an engine's job, so
    a TERM cancels the workload; else the runner ignores it.
    """
    folder = Folder(Path(path).absolute())
    spec, _ = folder.read_spec()
    lock = folder.lock()
    if lock is None:
        _report(answer, ALREADY_RUNNING)
        return ALREADY_RUNNING
    listener = socket.socket(socket.AF_UNIX)
    remove_own(folder.control)
    with socket_path(folder.control) as short:
        listener.bind(short)
    os.chmod(folder.control, 0o600)
    listener.listen(64)
    _report(answer, 0)
    if answer is None:
        _detach()
    os.chdir("/")
    for number in signal.SIGINT, signal.SIGHUP, signal.SIGTERM:
        signal.signal(number, lambda *_: None)  # a handler, since the child would inherit "ignored"
    adopt_orphans()
    _run(folder, spec, listener, of_engine=of_engine)
    os.close(lock)
    return 0


def _run(folder: Folder, spec: WorkloadSpec, listener: socket.socket, *, of_engine: bool) -> None:
    if spec.follow is None:
        runner = Runner(folder, spec, folder.read_run())
        if of_engine:
            signal.signal(signal.SIGTERM, lambda *_: runner.stop_soon())
        runner.run(listener)
        return
    from .follower import Follower  # noqa: PLC0415 - most workloads are commands

    Follower(folder, spec, folder.read_run()).run(listener)


def _report(answer: int | None, code: int) -> None:
    """Send the exit code. Raises BrokenPipeError if the server has given up this launch: nothing may run then."""
    if answer is not None:
        os.write(answer, b"%d\n" % code)
        os.close(answer)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
