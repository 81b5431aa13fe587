"""Command line: the private server (start, stop, status) and the doctor of backends. A process of its own."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from . import doctor
from .connection import call
from .discovery import PRIVATE_VARIABLE, find_shared
from .errors import LogStreamError
from .private_server import log_file, private_pid, start, stop

if TYPE_CHECKING:
    from collections.abc import Sequence

NOT_RUNNING = 3
"""Exit code of `status` when no private server runs, as in init scripts."""

_DESCRIPTION = """\
The private log server of this user. run() starts it where there is no Jupyter server with jupyter-logstream; it ends
by itself when it has no workloads and no clients, and gives its store to a Jupyter server that starts.
Workloads outlive it.

exit codes: 0 done or running, 1 failed, 2 wrong arguments, 3 not running (status)
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m jupyter_logstream")
    commands = parser.add_subparsers(dest="command", required=True)
    server = commands.add_parser(
        "server",
        help="the private log server of this user",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    server.add_argument("action", nargs="?", choices=["start", "stop", "status"], default="status")
    doctor.add_arguments(
        commands.add_parser(
            "backends",
            help="the backends of the log server, and whether they work",
            description=doctor.DESCRIPTION,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    given = parser.parse_args(arguments)
    try:
        if given.command == "backends":
            return doctor.main(given)
        lines, code = {"start": _start, "stop": _stop, "status": _status}[given.action]()
    except LogStreamError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return code


def _start() -> tuple[list[str], int]:
    address, started = start()
    if (pid := private_pid()) is None:
        return [f"A Jupyter server serves the logs of this user at {address.url}; no private server is needed."], 0
    return [f"{'Started' if started else 'Already running'}: private log server, process {pid}."], 0


def _stop() -> tuple[list[str], int]:
    return ["Stopped. Its workloads continue." if stop() else "No private log server is running."], 0


def _status() -> tuple[list[str], int]:
    os.environ[PRIVATE_VARIABLE] = "existing"  # to report the server's state must not start one that just ended
    pid, address = private_pid(), find_shared()
    if address is None or address.file is None:
        return ["No private log server is running; run() starts one."], NOT_RUNNING
    if pid is None:
        url = address.url
        return [f"A Jupyter server serves the logs of this user at {url}; no private server is running."], NOT_RUNNING
    running = call("GET", "info").json()["running"]
    return [
        f"Running: private log server, process {pid}, with {running} running workload{'' if running == 1 else 's'}.",
        f"Socket:  {address.socket}",
        f"Store:   {address.file.parent}",
        f"Log:     {log_file()}",
    ], 0
