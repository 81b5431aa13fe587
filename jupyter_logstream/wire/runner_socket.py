"""Protocol of the Unix socket in a workload's folder: requests to its runner. Server, runner and workload; stdlib.

A request is one line of JSON; `input` and `publish` are followed by their bytes. Each request is answered with one
line: {"ok": true} or {"error": reason}. The runner closes the connection after it has written the final status, so a
server notices the end, and the death of a runner, without polling. It accepts new connections as long as it lingers for
late output.

    {"do": "cancel", "grace": seconds}      TERM to the whole tree, KILL after the grace time
    {"do": "input", "size": n, "eof": last}  n bytes for standard input, answered when the child's pipe accepted them;
                                            then `eof` closes it
    {"do": "watch"}                         answered again whenever the status has changed
    {"do": "publish", "size": n}            n bytes of records for the log, a line of JSON each, as published over HTTP
                                            but without `state`; answered when all are stored, or with an error and none
                                            is. The next one must wait for the answer. The connection is closed when the
                                            runner ends, not with the final status
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

MAX_GRACE_S = 1e9
MAX_REQUEST_BYTES = 4096
MAX_INPUT_BYTES = 16 * 1024 * 1024  # more than the server accepts

MAX_PUBLISH_BYTES = 2 * 1024 * 1024
"""Largest batch of published records; more than one record of the longest message needs."""

MAX_PUBLISH_RECORDS = 1000
"""Records of a batch: the runner reads no output while it stores them."""

_MAX_SOCKET_PATH_BYTES = 100  # sun_path has 108 bytes, 104 on macOS


def request(do: str, **fields: Any) -> bytes:
    """Encode a request; `fields` as above."""
    return json.dumps({"do": do, **fields}).encode() + b"\n"


def answer(error: str | None = None) -> bytes:
    """Encode a response; `error` None: success."""
    return json.dumps({"ok": True} if error is None else {"error": error}).encode() + b"\n"


class Connection:
    """The runner's end of a connection. Its buffer is bounded by MAX_REQUEST_BYTES and MAX_INPUT_BYTES."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self._unread = b""

    def read(self) -> list[tuple[dict[str, Any], bytes]] | None:
        """The complete requests, each with its input bytes; None: the connection ended or a request is malformed."""
        try:
            more = self.socket.recv(1 << 20)
        except OSError:
            return None
        self._unread += more
        try:
            found = self._complete()
        except (ValueError, TypeError, AttributeError):  # malformed
            return None
        too_long = b"\n" not in self._unread and len(self._unread) > MAX_REQUEST_BYTES
        return found if more and not too_long else None

    def _complete(self) -> list[tuple[dict[str, Any], bytes]]:
        found: list[tuple[dict[str, Any], bytes]] = []
        while (line_end := self._unread.find(b"\n")) >= 0:
            fields = json.loads(self._unread[:line_end])
            size = int(fields.get("size", 0))
            if not 0 <= size <= MAX_INPUT_BYTES:
                raise ValueError(f"an input has 0 to {MAX_INPUT_BYTES} bytes, not {size}")
            stop = line_end + 1 + size
            if len(self._unread) < stop:
                break
            found.append((fields, self._unread[line_end + 1 : stop]))
            self._unread = self._unread[stop:]
        return found

    def send(self, line: bytes) -> None:
        """Send a response; a closed connection is ignored."""
        with suppress(OSError):
            self.socket.sendall(line)


@contextmanager
def socket_path(path: Path) -> Iterator[str]:
    """A path of the socket that is short enough for bind and connect, valid while the block runs.

    Raises OSError if the folder does not exist.
    """
    if len(os.fsencode(path)) <= _MAX_SOCKET_PATH_BYTES:
        yield str(path)
        return
    fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{path.name}" if os.path.isdir("/proc/self/fd") else f"/dev/fd/{fd}/{path.name}"
    finally:
        os.close(fd)
