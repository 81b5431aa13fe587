"""`python -m jupyter_logstream.runner FOLDER KEEP GRACE [NAME ...]`: run the workload in a folder, detached. stdlib.

KEEP: bytes that the log may take on disk. GRACE: seconds between TERM and KILL after a timeout. NAME: which variables
of the workload's environment hold secrets, as globs.

The process that was started returns 0 as soon as the runner is ready for requests, and another code where it cannot be.
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
    """Leave the server: the parent ends, so that whoever ends the tree below the server does not find us in it."""
    if os.fork():
        os._exit(0)
    os.chdir("/")
    for number in signal.SIGINT, signal.SIGHUP, signal.SIGTERM:
        signal.signal(number, lambda *_: None)  # a handler, since the child would inherit "ignored"


def main(path: str, keep: str, grace: str, *secret_names: str) -> int:
    """Run the workload in `path`. The process that was started returns when the runner is ready for requests."""
    folder = Folder(Path(path).absolute())
    spec, _ = folder.read_spec()
    lock = folder.hold()
    if lock is None:
        return 3  # somebody runs it already
    listener = socket.socket(socket.AF_UNIX)
    folder.control.unlink(missing_ok=True)
    with socket_path(folder.control) as short:
        listener.bind(short)
    os.chmod(folder.control, 0o600)
    listener.listen(64)
    _detach()
    adopt_orphans()
    Runner(folder, spec, keep=int(keep), grace=float(grace), secret_names=secret_names).run(listener)
    os.close(lock)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
