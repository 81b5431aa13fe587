"""Client of the fork server that starts runners: starts it, requests launches, replaces it when it has died. Server."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import resource
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .protocol import CannotLaunch

if TYPE_CHECKING:
    from ..store.disk.folder import Folder

_PACKAGE = str(Path(__file__).resolve().parents[2])
# Isolated (-I), so that no json.py in a working directory shadows the standard library; hence the path by hand.
# It forks at once: its parent, the process that the server started, ends, so it is not in the server's process tree.
_BOOT = (
    "import os, sys; os.fork() and os._exit(0); sys.path.insert(0, sys.argv[1]); "
    "from jupyter_logstream.runner.fork_server import start; sys.exit(start())"
)
_TITLE_RESERVE = " " * 1024  # a runner shows its folder here
_ALREADY_RUNNING = 3  # exit code of a runner that finds its folder locked
_LAUNCH_TIMEOUT_S = 30.0  # a very busy machine is slow
_MAX_ANSWER_BYTES = 64
_MAX_REASON_CHARS = 300
_LIMITS = tuple(name for name in dir(resource) if name.startswith("RLIMIT_"))


class Launcher:
    """Starts runners through one fork server, which it starts when it is first needed or has died.

    Bound: requests wait in the control socket; each waits _LAUNCH_TIMEOUT_S at most.
    """

    def __init__(self) -> None:
        self._control: socket.socket | None = None

    def prepare(self) -> None:
        """Start the fork server, so the first launch need not wait for it. Raises OSError. Blocks for about 10 ms."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                # Not with asyncio, which may use a thread per process. Its errors come back by the control socket.
                starter = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", _BOOT, _PACKAGE, _TITLE_RESERVE],
                    stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=theirs.fileno(),
                    cwd="/", start_new_session=True,
                )  # fmt: skip
                if starter.wait(_LAUNCH_TIMEOUT_S) != 0:
                    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))  # it could not fork
            except (OSError, subprocess.SubprocessError):
                ours.close()
                raise
        ours.setblocking(False)
        self._control = ours

    async def launch(self, folder: Folder) -> None:
        """Start the runner of a folder and wait until it accepts requests. Raises CannotLaunch."""
        try:
            code = await asyncio.wait_for(self._request(folder), _LAUNCH_TIMEOUT_S)
        except (asyncio.TimeoutError, subprocess.TimeoutExpired):
            self._give_up()
            raise CannotLaunch(None, f"the runner was not ready within {_LAUNCH_TIMEOUT_S:g} s") from None
        except OSError as error:
            raise CannotLaunch(error.errno, f"no process could be started: {error.strerror}") from error
        if code is None:
            problem = folder.last_error() or self._give_up() or "it was killed"
            raise CannotLaunch(None, f"the runner did not start: {problem}")
        if code < 0:
            raise CannotLaunch(-code, f"no process could be started: {os.strerror(-code)}")
        if code not in {0, _ALREADY_RUNNING}:
            raise CannotLaunch(None, f"the runner did not start: exit code {code}")

    async def _request(self, folder: Folder) -> int | None:
        """The answer to a launch request: an exit code, a negative errno, or None if the runner ended without one."""
        for attempt in (1, 2):
            ours, theirs = socket.socketpair()
            with ours:
                with theirs:
                    try:
                        self._send(folder, theirs)
                    except (BrokenPipeError, ConnectionError, BlockingIOError):  # the fork server died or hangs
                        self._give_up()
                        if attempt == 2:
                            raise
                        continue
                ours.setblocking(False)
                answer = await asyncio.get_running_loop().sock_recv(ours, _MAX_ANSWER_BYTES)
            if answer or attempt == 2 or not self._died():
                break
            self._give_up()  # it died with the request unread, or before it forked: nothing was started
        return int(answer) if answer else None

    def _send(self, folder: Folder, answer: socket.socket) -> None:
        if self._control is None:
            self.prepare()
        assert self._control is not None  # noqa: S101 - prepare() has set it
        limits = {name: resource.getrlimit(getattr(resource, name)) for name in _LIMITS}
        body = json.dumps({"folder": str(folder.path), "limits": limits}).encode()
        message = len(body).to_bytes(4, "big") + body
        if socket.send_fds(self._control, [message], [answer.fileno()]) != len(message):
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def _died(self) -> bool:
        """Whether the fork server has closed its end of the control socket."""
        try:
            return self._control is None or (self._control.recv(1, socket.MSG_PEEK) == b"")
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _give_up(self) -> str:
        """Drop the fork server, which ends then. Returns the last line that it wrote to standard error."""
        text = b""
        if self._control is not None:
            with suppress(OSError):
                text = self._control.recv(1 << 16)
            self._control.close()
            self._control = None
        lines = text.decode(errors="replace").strip().splitlines()
        return lines[-1][:_MAX_REASON_CHARS] if lines else ""
