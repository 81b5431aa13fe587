"""Input and output of a container: named pipes and the runner's terminals, mounted. Supervisor; stdlib.

The engine's client carries none of it, so nothing is lost when the engine or its client is killed. That needs a shell
in the image and an engine on this machine.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

_CHUNK_BYTES = 1 << 16
_DRAIN_TIMEOUT_S = 5.0
_TERMINALS = ("/dev/logstream-terminal-stdout", "/dev/logstream-terminal-stderr")
_PIPES = ("/dev/logstream-stdout", "/dev/logstream-stderr")
_INPUT = "/dev/logstream-stdin"
_FROM_INPUT = f"exec <{_INPUT}\n"
_TO_PIPES = 'exec "$@" >{} 2>{}'.format(*_PIPES)
# A container's user who is not the owner of the terminals cannot open them.
_TO_TERMINALS = """\
if {{ true >{0}; }} 2>/dev/null; then exec "$@" >{0} 2>{1}; fi
echo "this container cannot open the terminal: its output comes by pipes" >{3}
""".format(*_TERMINALS, *_PIPES)


class Streams:
    """The streams of one container, as files in `folder`; copied from and to this process's own. `close` at its end."""

    can_be_mounted = sys.platform == "linux"  # elsewhere the engine runs in a virtual machine

    def __init__(self, folder: Path, *, has_input: bool, has_terminal: bool) -> None:
        self._has_input, self._has_terminal = has_input, has_terminal
        self._input = folder / "container.stdin"
        self._outputs = [folder / "container.stdout", folder / "container.stderr"]
        self._writers: list[int] = []
        self._copies: list[threading.Thread] = []

    def open(self) -> list[str]:
        """Begin to copy. Returns the mounts."""
        for target, path in enumerate(self._outputs, 1):
            _make_pipe(path)
            reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            self._writers.append(os.open(path, os.O_WRONLY))  # no end of file before the container has ended
            os.set_blocking(reader, True)
            self._copies.append(threading.Thread(target=_copy, args=(reader, target), daemon=True))
            self._copies[-1].start()
        pairs = [*zip(self._outputs, _PIPES)]
        if self._has_terminal:
            pairs += zip(map(Path, (os.ttyname(1), os.ttyname(2))), _TERMINALS)
        if self._has_input:
            _make_pipe(self._input)
            threading.Thread(target=_send_input, args=(self._input,), daemon=True).start()
            pairs.append((self._input, _INPUT))
        return [f"--volume={path}:{there}" for path, there in pairs]

    def wrap(self, command: Sequence[str]) -> list[str]:
        """The command with these streams."""
        script = (_FROM_INPUT if self._has_input else "") + (_TO_TERMINALS if self._has_terminal else "") + _TO_PIPES
        return ["/bin/sh", "-c", script, "sh", *command]

    def close(self) -> None:
        """Copy the rest of the output: the container has ended."""
        for writer in self._writers:
            os.close(writer)
        for copy in self._copies:
            copy.join(_DRAIN_TIMEOUT_S)
        for path in self._input, *self._outputs:
            path.unlink(missing_ok=True)


def _make_pipe(path: Path) -> None:
    os.mkfifo(path)
    path.chmod(0o666)  # any user of the container; here, the folder is this user's only


def _send_input(path: Path) -> None:
    target = os.open(path, os.O_WRONLY)  # waits until the container opens it, which would miss an earlier end
    _copy(0, target)
    os.close(target)


def _copy(source: int, target: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # the reader has ended
        while data := os.read(source, _CHUNK_BYTES):
            while data:
                data = data[os.write(target, data) :]
