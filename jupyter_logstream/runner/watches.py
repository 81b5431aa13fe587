"""Change notification for several folders without an event loop: inotify, and polling beside it. Runner; stdlib.

Polling goes on with inotify, since it does not see what other machines write, nor the files that a link leads to.
"""

from __future__ import annotations

import ctypes
import os
import selectors
from collections.abc import Collection
from pathlib import Path

from ..store.disk.filesystem import is_network_file_system
from .changes import FASTEST_POLL_S, FLAGS, MASK, SLOWEST_POLL_S, drain

_CHECK_INTERVAL_S = 1.0  # with inotify
_CHANGED_ATTRIBUTES = 0x4  # IN_ATTRIB: permissions


class Watches:
    """Wakes the selector when a file in a watched folder changes. `wait_s` is how long it may sleep otherwise.

    `poll`: never use inotify. Bound: one watch per folder.
    """

    def __init__(self, selector: selectors.BaseSelector, *, poll: bool = False) -> None:
        self._folders: dict[str, int] = {}
        self._is_complete = False
        self._pause_s = FASTEST_POLL_S
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = -1 if poll or not hasattr(self._libc, "inotify_init1") else self._libc.inotify_init1(FLAGS)
        if self._fd >= 0:
            selector.register(self._fd, selectors.EVENT_READ, drain)

    @property
    def wait_s(self) -> float:
        """Seconds until the next check."""
        return _CHECK_INTERVAL_S if self._is_complete else self._pause_s

    def checked(self, changed: bool) -> None:
        """Adapt the polling interval: short while files change, backing off while they are idle."""
        self._pause_s = FASTEST_POLL_S if changed else min(self._pause_s * 1.5, SLOWEST_POLL_S)

    def watch(self, folders: Collection[str]) -> None:
        """Watch exactly these folders; those that cannot be watched, or are on a network, are polled."""
        if self._fd < 0:
            return
        for folder in [folder for folder in self._folders if folder not in folders or not os.path.isdir(folder)]:
            self._libc.inotify_rm_watch(self._fd, self._folders.pop(folder))
        for folder in folders:
            if folder in self._folders or is_network_file_system(Path(folder)):
                continue
            watch = self._libc.inotify_add_watch(self._fd, os.fsencode(folder), MASK | _CHANGED_ATTRIBUTES)
            if watch >= 0:
                self._folders[folder] = watch
        self._is_complete = len(self._folders) == len(set(folders))
