"""A program on a pseudo-terminal: what it writes, what a user types. Test support."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


def _take_terminal() -> None:
    """Make standard input the controlling terminal, and accept SIGINT, which a background job ignores."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """A program on a pty, whose controlling terminal it is: Ctrl-C sends SIGINT."""

    def __init__(self, command: list[str], env: Mapping[str, str], cwd: Path) -> None:
        self._fd, child = pty.openpty()
        self.process = subprocess.Popen(
            command,
            stdin=child,
            stdout=child,
            stderr=child,
            env={"TERM": "xterm-256color", **env},
            cwd=cwd,
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - then Ctrl-C sends SIGINT
        )
        os.close(child)
        self.output = ""

    def wait_for(self, pattern: str, patience: float = 60) -> re.Match[str]:
        """Read until the output has a match."""
        deadline = time.monotonic() + patience
        while not (match := re.search(pattern, self.output)):
            assert time.monotonic() < deadline, self.output
            if not self._read():
                assert re.search(pattern, self.output), self.output
        return match

    def end(self, patience: float = 60) -> int:
        """Read until the program has ended, and return its exit code."""
        deadline = time.monotonic() + patience
        while self._read():
            assert time.monotonic() < deadline, self.output
        return self.process.wait(patience)

    def _read(self) -> bool:
        """Read for a second at most; False if the program has ended."""
        if select.select([self._fd], [], [], 1)[0]:
            try:
                self.output += os.read(self._fd, 65536).decode(errors="replace")
            except OSError:
                return False
        return True

    def send(self, text: str) -> None:
        """Type text."""
        os.write(self._fd, text.encode())

    def close(self) -> None:
        """End the program."""
        self.process.kill()
        self.process.wait()
        os.close(self._fd)


@contextmanager
def on_terminal(command: list[str], env: Mapping[str, str], cwd: Path) -> Iterator[Terminal]:
    """A program on a pty for the time of the block."""
    opened = Terminal(command, env, cwd)
    try:
        yield opened
    finally:
        opened.close()
