"""Start of a runner in a detached process, once per folder. Runs in `runner.pyz`; stdlib."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from ..store.disk.files import open_own, read_json, write_json
from ..store.disk.folder import Folder, boot_id
from .__main__ import main
from .process_tree import adopt_orphans, signal_all

_START_TIMEOUT_S = 30.0  # a very busy machine is slow
_POLL_S = 0.005


def start(folder: Folder) -> dict[str, Any]:
    """Start the runner of a folder and wait until its child has started, or could not be.

    Returns `state`, `error` (if it failed), `pid`, `node`, and `again`: True if it was started before. Nothing is
    started then, so a caller that got no answer can call it again.
    """
    again = was_started(folder)
    if not again:
        write_json(folder.host, {"node": socket.gethostname(), "boot": boot_id()})
        again = not _detach(folder)
    return {**_outcome(folder), "again": again}


def run_here(folder: Folder, on_stop: Callable[[], None] | None = None) -> dict[str, Any]:
    """Run the workload in this process, until it and its output have ended: for an engine that owns its jobs.

    `on_stop`: called when the engine ends the job by TERM or INT.
    """
    again = was_started(folder)
    if not again:
        write_json(folder.host, {"node": socket.gethostname(), "boot": boot_id()})
        _guard(on_stop=on_stop)
        read, write = os.pipe()
        again = main(str(folder.path), write, of_engine=True) != 0
        os.close(read)
    return {**_outcome(folder), "again": again}


def was_started(folder: Folder) -> bool:
    """Whether a runner was started in this folder, so that the command may have run: it must never run twice."""
    return any(os.path.lexists(path) for path in (folder.control, folder.path / "status.json"))


def host_of(folder: Folder) -> dict[str, Any]:
    """`node` and `boot` of the machine on which the runner was started; empty if none was."""
    try:
        return read_json(folder.host)
    except (FileNotFoundError, ValueError):
        return {}


def _detach(folder: Folder) -> bool:
    """Fork a process that is in no tree or session of ours and becomes the runner. False: another runner has it."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(read)
            code = _become_runner(folder, write)
        finally:
            if error := sys.exc_info()[1]:  # the caller's frames must not handle it: this is another process
                sys.excepthook(type(error), error, error.__traceback__)
            sys.stderr.flush()
            os._exit(code)
    os.close(write)
    os.waitpid(pid, 0)
    with open(read, "rb") as answer:
        return answer.read().strip() != b"3"


def _become_runner(folder: Folder, answer: int) -> int:
    os.setsid()
    if os.fork():
        os._exit(0)
    log = open_own(folder.runner_log, os.O_WRONLY | os.O_APPEND)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in (null, 0), (log, 1), (log, 2):
        os.dup2(source, target)
    for number in os.listdir("/dev/fd"):
        if int(number) > 2 and int(number) != answer:
            with contextlib.suppress(OSError):
                os.close(int(number))
    _guard(answer)
    return main(str(folder.path), answer)


def _guard(answer: int = -1, on_stop: Callable[[], None] | None = None) -> None:
    """Fork: the child returns and becomes the runner, the parent ends what a killed runner leaves behind.

    The parent exits with the runner's exit code.
    """
    adopt_orphans()
    runner = os.fork()
    if runner == 0:
        os.setsid()
        return
    if answer >= 0:
        os.close(answer)
    for number in signal.SIGINT, signal.SIGHUP, signal.SIGTERM:
        signal.signal(number, lambda number, _: on_stop() if on_stop else os.kill(runner, number))
    _, end = os.waitpid(runner, 0)
    if end:
        signal_all(os.getpid(), None, signal.SIGKILL)
    os._exit(1 if end else 0)


def _outcome(folder: Folder) -> dict[str, Any]:
    """What became of a start, once that is known."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        status, _ = folder.read_status()
        if status.state != "queued":
            known = {"state": status.state, "pid": status.pid, "node": host_of(folder).get("node", "")}
            return {**known, "error": status.error} if status.error else known
        if not folder.is_locked() and folder.read_status()[0].state == "queued":
            return {"state": "queued", "error": f"the runner did not start: {folder.last_error() or 'it was killed'}"}
        if time.monotonic() > deadline:
            return {"state": "queued"}
        time.sleep(_POLL_S)
