"""Verb `server`: start, stop and describe the private log server of this user. Command line."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ..connection import call
from ..discovery import PRIVATE_VARIABLE, find_shared
from ..errors import LogStreamError
from ..private_server import log_file, private_pid, start, stop
from .exit_codes import FAILED, NOT_RUNNING

if TYPE_CHECKING:
    import argparse


def main(given: argparse.Namespace) -> int:
    """Run the verb; see parser.py."""
    try:
        lines, code = {"start": _start, "stop": _stop, "status": _status}[given.action]()
    except LogStreamError as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
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
