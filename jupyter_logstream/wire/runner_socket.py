"""What server and runner say to each other over the socket in a workload's folder. stdlib; values and one path.

One request a line, JSON; `input` is followed by its bytes. Every request gets one line back: {"ok": true} or {"error":
reason}. Besides, the runner closes the connection when it has written the final status - which is how a server learns
of the end, and of a runner's death, without asking.

    {"do": "cancel", "grace": seconds}      TERM to the whole tree, KILL after the grace time
    {"do": "input", "size": n, "eof": last}  n bytes to standard input, answered when the child's pipe has taken them;
                                            `eof` closes it then
    {"do": "watch"}                         nothing; the connection is kept for its end
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

LONGEST_REQUEST = 4096
LARGEST_INPUT = 16 * 1024 * 1024  # more than the server lets through
_LONGEST_SOCKET_PATH = 100  # sun_path has 108 bytes, 104 on macOS


def request(do: str, **fields: Any) -> bytes:
    """A request's line."""
    return json.dumps({"do": do, **fields}).encode() + b"\n"


def answer(error: str | None = None) -> bytes:
    """An answer's line."""
    return json.dumps({"ok": True} if error is None else {"error": error}).encode() + b"\n"


class Connection:
    """The runner's end of a connection. What it keeps unread is bounded by what may be asked."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self._unread = b""

    def read(self) -> list[tuple[dict[str, Any], bytes]] | None:
        """The requests that are whole, each with its bytes; None at the end of the connection."""
        try:
            more = self.socket.recv(1 << 20)
        except OSError:
            return None
        self._unread += more
        try:
            found = self._whole()
        except (ValueError, TypeError, AttributeError):  # not one of ours
            return None
        too_long = b"\n" not in self._unread and len(self._unread) > LONGEST_REQUEST
        return found if more and not too_long else None

    def _whole(self) -> list[tuple[dict[str, Any], bytes]]:
        found: list[tuple[dict[str, Any], bytes]] = []
        while (line_end := self._unread.find(b"\n")) >= 0:
            asked = json.loads(self._unread[:line_end])
            size = int(asked.get("size", 0))
            if not 0 <= size <= LARGEST_INPUT:
                raise ValueError("a size that no input has")
            stop = line_end + 1 + size
            if len(self._unread) < stop:
                break
            found.append((asked, self._unread[line_end + 1 : stop]))
            self._unread = self._unread[stop:]
        return found

    def send(self, line: bytes) -> None:
        """Answer; whoever no longer listens doesn't get it."""
        with suppress(OSError):
            self.socket.sendall(line)


@contextmanager
def socket_path(path: Path) -> Iterator[str]:
    """A path of the socket that is short enough to bind or connect to, for as long as the block runs.

    Raises OSError where the folder is gone.
    """
    if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
        yield str(path)
        return
    fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{path.name}" if os.path.isdir("/proc/self/fd") else f"/dev/fd/{fd}/{path.name}"
    finally:
        os.close(fd)
