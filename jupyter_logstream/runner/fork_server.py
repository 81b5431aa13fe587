"""Fork server: one process per server that has the runner's modules loaded and forks the runners. Own process; stdlib.

A fork takes about a millisecond, where a new interpreter needs some 60 ms to import the runner, and 10 ms more for the
level rules at its first line. The process is detached from the server and ends with the server's end of the control
socket; its runners do not end with it.

A request is 4 bytes of length and JSON `{"folder": path, "limits": {resource: [soft, hard]}}`. Its first byte carries a
descriptor, on which the runner answers with one line, an exit code (0: ready), or on which the fork server answers with
a negative errno if it cannot fork. An answer without a line means that the runner failed; its log says why.

Each runner has a parent that only waits for it, to end the workload's processes if the runner is killed.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..store.disk import entry_meta  # noqa: F401 - for the runners: the level rules
from ..store.disk.files import open_own
from .__main__ import main
from .process_tree import adopt_orphans, signal_all

_LENGTH_BYTES = 4
_ARGUMENTS_FIELD = 48 - 3  # arg_start in /proc/PID/stat, counted from the state, see proc(5)


class Request(NamedTuple):
    """One launch. `answer`: the descriptor for the runner's answer."""

    folder: str
    limits: dict[str, list[int]]
    answer: int


def serve(control: socket.socket) -> Request | None:
    """Fork a runner for each request. Returns the request in the forked process, None when the server is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies
    gc.freeze()  # the runners share the memory of all modules
    while (request := _receive(control)) is not None:
        _apply_limits(request.limits)
        try:
            pid = os.fork()
        except OSError as error:
            os.write(request.answer, b"%d\n" % -(error.errno or 1))
            pid = -1
        if pid == 0:
            control.close()
            return request
        os.close(request.answer)
    return None


def become_runner(request: Request) -> int:
    """Run the workload in the forked process; returns its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    log = open_own(Path(request.folder, "runner.log"), os.O_WRONLY | os.O_APPEND)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in (null, 0), (log, 1), (log, 2):
        os.dup2(source, target)
    os.close(log)
    os.close(null)
    _guard(request.answer)
    _show_as_argument(request.folder)
    return main(request.folder, request.answer)


def _guard(answer: int) -> None:
    """Fork: the child returns and becomes the runner, the parent stays until the runner has ended.

    The processes of a runner that was killed become the parent's, and it kills them: also those that cleared their
    environment or have a session of their own, which nothing else can find.
    """
    adopt_orphans()  # the runner does not inherit this
    try:
        runner = os.fork()
    except OSError as error:
        os.write(answer, b"%d\n" % -(error.errno or 1))
        os._exit(1)
    if runner == 0:
        os.setsid()  # what is sent to the runner's process group leaves the parent alone
        return
    os.close(answer)
    _, end = os.waitpid(runner, 0)
    if end:  # else what is left are background processes that a runner leaves alone at its end
        signal_all(os.getpid(), None, signal.SIGKILL)
    os._exit(0)


def _receive(control: socket.socket) -> Request | None:
    """The next request; None at the end of the connection."""
    head, descriptors, _, _ = socket.recv_fds(control, _LENGTH_BYTES, 1)
    if not descriptors:
        return None
    body = _read(control, int.from_bytes(head + _read(control, _LENGTH_BYTES - len(head)), "big"))
    fields = json.loads(body)
    return Request(fields["folder"], fields["limits"], descriptors[0])


def _read(control: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := control.recv(size - len(data))):
        data += more
    return data


def _apply_limits(limits: dict[str, list[int]]) -> None:
    """Take over the server's resource limits, so a workload has those of its start, not of the server's start."""
    for name, (soft, hard) in limits.items():
        with suppress(OSError, ValueError):  # a hard limit that the server was given back cannot be raised here
            resource.setrlimit(getattr(resource, name), (soft, hard))


def _show_as_argument(text: str) -> None:
    """Overwrite the last argument of this process, a reserve of spaces, so `ps` tells the runners apart (Linux)."""
    reserve = len(os.fsencode(sys.argv[-1]))
    with suppress(OSError, ValueError, IndexError):
        with open("/proc/self/stat", "rb") as file:
            start, end = map(int, file.read().rpartition(b") ")[2].split()[_ARGUMENTS_FIELD : _ARGUMENTS_FIELD + 2])
        if 0 < reserve < end - start:
            ctypes.memmove(end - 1 - reserve, os.fsencode(text)[:reserve].ljust(reserve, b"\0"), reserve)


def start() -> int:
    """Serve the control socket, which is standard input. Returns the exit code of the fork server or of a runner."""
    request = serve(socket.socket(fileno=os.dup(0)))
    return 0 if request is None else become_runner(request)
