"""Change notification for folders: inotify on local file systems, polling elsewhere. Server; one watcher per store.

inotify takes 0.1 ms and no work while nothing happens, but it does not see changes made by another machine, so a folder
on a network file system is polled: quickly while it changes, slower while it is idle. Changes while the event loop is
busy are coalesced, because readers read to the end anyway.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import os
import struct
from collections.abc import Callable
from pathlib import Path

from .filesystem import is_network_file_system

Wake = Callable[[], None]

_EVENT = struct.Struct("iIII")
_MASK = 0x2 | 0x80 | 0x100 | 0x200 | 0x400  # IN_MODIFY, IN_MOVED_TO, IN_CREATE, IN_DELETE, IN_DELETE_SELF
_NEW_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC  # IN_NONBLOCK, IN_CLOEXEC


class Inotify:
    """One inotify instance, read by the running event loop. OSError: not supported, or no instance is free."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(self._libc, "inotify_init1"):
            raise OSError(errno.ENOSYS, "this system has no inotify")
        self._fd = self._checked(self._libc.inotify_init1(_NEW_FLAGS))
        self._wakes: dict[int, list[Wake]] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._drain)

    def add(self, folder: Path, wake: Wake) -> Wake:
        """Call `wake` when a file in the folder changes. Returns the unsubscriber. OSError."""
        wd = self._checked(self._libc.inotify_add_watch(self._fd, os.fsencode(folder), _MASK))
        self._wakes.setdefault(wd, []).append(wake)

        def remove() -> None:
            wakes = self._wakes.get(wd, [])
            if wake in wakes:
                wakes.remove(wake)
                if not wakes:
                    del self._wakes[wd]
                    self._libc.inotify_rm_watch(self._fd, wd)  # fails if the folder is gone, which removed the watch

        return remove

    def close(self) -> None:
        """Stop watching."""
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    def _checked(self, result: int) -> int:
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return result

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._fd, 65536)
            changed: dict[int, None] = {}
            at = 0
            while at < len(data):
                wd, _, _, length = _EVENT.unpack_from(data, at)
                changed[wd] = None
                at += _EVENT.size + length
            # wd -1: the queue overflowed, so any folder can have changed.
            for wd in self._wakes if -1 in changed else changed:
                for wake in list(self._wakes.get(wd, ())):
                    wake()


class Poller:
    """Polls folders: every `fastest_s` seconds while a folder changes, backing off to `slowest_s` while it is idle."""

    def __init__(self, fastest_s: float = 0.02, slowest_s: float = 0.5) -> None:
        self._fastest_s, self._slowest_s = fastest_s, slowest_s
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, folder: Path, wake: Wake) -> Wake:
        """Call `wake` when a file in the folder changes. Returns the unsubscriber."""
        task = asyncio.get_running_loop().create_task(self._poll(folder, wake, _listing(folder)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

        def remove() -> None:
            task.cancel()

        return remove

    def close(self) -> None:
        """Stop watching."""
        for task in list(self._tasks):
            task.cancel()

    async def _poll(self, folder: Path, wake: Wake, seen: list[tuple[str, int, int]]) -> None:
        pause_s = self._fastest_s
        while True:
            await asyncio.sleep(pause_s)
            now = _listing(folder)
            pause_s = self._fastest_s if now != seen else min(pause_s * 1.5, self._slowest_s)
            if now != seen:
                seen = now
                wake()


def _listing(folder: Path) -> list[tuple[str, int, int]]:
    try:
        stats = [(entry.name, entry.stat(follow_symlinks=False)) for entry in os.scandir(folder)]
    except OSError:  # dropped, or being dropped
        return []
    return sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)


def watcher(folder: Path, is_network: Callable[[Path], bool] = is_network_file_system) -> Inotify | Poller:
    """The watcher for folders below `folder`: a poller on a network file system or without inotify.

    `is_network` is the probe of the file system.
    """
    if is_network(folder):
        return Poller()
    try:
        return Inotify()
    except OSError:
        return Poller()
