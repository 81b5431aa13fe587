"""Change notification for one folder without an event loop: inotify, or polling. Runs in `runner.pyz`; stdlib.

On a network file system the runner can be on another machine, whose changes inotify does not see.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
from pathlib import Path

from ..store.disk.filesystem import is_network_file_system

MASK = 0x2 | 0x80 | 0x100 | 0x200  # IN_MODIFY, IN_MOVED_TO, IN_CREATE, IN_DELETE
"""Events of inotify that matter for a log."""

FLAGS = os.O_NONBLOCK | os.O_CLOEXEC
"""Flags of inotify_init1(2)."""

FASTEST_POLL_S, SLOWEST_POLL_S = 0.02, 0.5
"""Bounds of the polling interval in seconds."""

_CHECK_INTERVAL_S = 1.0  # with inotify: for what is no change of a file, such as the end of the runner


class Changes:
    """Wakes the selector when a file in `folder` changes. `wait_s` is how long it may sleep otherwise."""

    def __init__(self, folder: Path, selector: selectors.BaseSelector) -> None:
        self._pause_s = FASTEST_POLL_S
        self._fd = -1
        self.is_polling = is_network_file_system(folder) or not self._watch(folder, selector)

    @property
    def wait_s(self) -> float:
        """Seconds until the next check of the folder."""
        return self._pause_s if self.is_polling else _CHECK_INTERVAL_S

    def checked(self, changed: bool) -> None:
        """Adapt the polling interval: short while the folder changes, backing off while it is idle."""
        self._pause_s = FASTEST_POLL_S if changed else min(self._pause_s * 1.5, SLOWEST_POLL_S)

    def close(self) -> None:
        """Stop watching."""
        if self._fd >= 0:
            os.close(self._fd)

    def _watch(self, folder: Path, selector: selectors.BaseSelector) -> bool:
        libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(libc, "inotify_init1"):
            return False
        fd = libc.inotify_init1(FLAGS)
        if fd < 0:
            return False
        if libc.inotify_add_watch(fd, os.fsencode(folder), MASK) < 0:
            os.close(fd)
            return False
        selector.register(fd, selectors.EVENT_READ, lambda: drain(fd))
        self._fd = fd
        return True


def drain(fd: int) -> None:
    """Read all events: each means only that it is time to check."""
    with contextlib.suppress(BlockingIOError):
        while os.read(fd, 65536):
            pass
