"""Entry point: `python -m jupyter_logstream.runner FOLDER` runs the workload in a folder, detached. Runner; stdlib.

The folder holds all parameters: `spec.json` (the workload) and `run.json` (`RunParameters`). The started process
exits with 0 as soon as the runner accepts requests, with 3 if another runner has the folder.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

from ..store.disk.folder import Folder
from ..wire.runner_socket import socket_path
from .process_tree import adopt_orphans
from .runner import Runner


def _detach() -> None:
    """Leave the process tree of the server, so that killing that tree does not kill the runner."""
    if os.fork():
        os._exit(0)
    os.chdir("/")
    for number in signal.SIGINT, signal.SIGHUP, signal.SIGTERM:
        signal.signal(number, lambda *_: None)  # a handler, since the child would inherit "ignored"


def main(path: str) -> int:
    """Run the workload in `path`. The parent process exits in `_detach`, when the runner accepts requests."""
    folder = Folder(Path(path).absolute())
    spec, _ = folder.read_spec()
    lock = folder.lock()
    if lock is None:
        return 3
    listener = socket.socket(socket.AF_UNIX)
    folder.control.unlink(missing_ok=True)
    with socket_path(folder.control) as short:
        listener.bind(short)
    os.chmod(folder.control, 0o600)
    listener.listen(64)
    _detach()
    adopt_orphans()
    Runner(folder, spec, folder.read_run()).run(listener)
    os.close(lock)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
