"""Wakes whoever follows a folder when a file in it changes. Server side; one watcher per store.

Linux tells by inotify (0.1 ms, no work while nothing happens); elsewhere folders are polled, quickly while they change
and slower when they are quiet. Changes that come while the loop is busy wake once: readers read to the end anyway. This
file must not know what the files hold.
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

Wake = Callable[[], None]

_EVENT = struct.Struct("iIII")
_MASK = 0x2 | 0x80 | 0x100 | 0x200 | 0x400  # IN_MODIFY, IN_MOVED_TO, IN_CREATE, IN_DELETE, IN_DELETE_SELF
_NEW_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC  # IN_NONBLOCK, IN_CLOEXEC


class Inotify:
    """One inotify instance, read by the running loop. OSError where the system has none or no more."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(self._libc, "inotify_init1"):
            raise OSError(errno.ENOSYS, "no inotify here")
        self._fd = self._checked(self._libc.inotify_init1(_NEW_FLAGS))
        self._wakes: dict[int, list[Wake]] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._drain)

    def add(self, folder: Path, wake: Wake) -> Wake:
        """Call `wake` when a file in the folder changes; returns its end."""
        wd = self._checked(self._libc.inotify_add_watch(self._fd, os.fsencode(folder), _MASK))
        self._wakes.setdefault(wd, []).append(wake)

        def remove() -> None:
            wakes = self._wakes.get(wd, [])
            if wake in wakes:
                wakes.remove(wake)
                if not wakes:
                    del self._wakes[wd]
                    self._libc.inotify_rm_watch(self._fd, wd)  # fails when the folder is gone: as well

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
            # wd -1: the queue overflowed, so anything may have changed.
            for wd in self._wakes if -1 in changed else changed:
                for wake in list(self._wakes.get(wd, ())):
                    wake()


class Poller:
    """The same by looking: every `quickest` seconds while a folder changes, up to `slowest` when it is quiet."""

    def __init__(self, quickest: float = 0.02, slowest: float = 0.5) -> None:
        self._quickest, self._slowest = quickest, slowest
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, folder: Path, wake: Wake) -> Wake:
        """Call `wake` when a file in the folder changes; returns its end."""
        task = asyncio.get_running_loop().create_task(self._poll(folder, wake, _look(folder)))
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
        pause = self._quickest
        while True:
            await asyncio.sleep(pause)
            now = _look(folder)
            pause = self._quickest if now != seen else min(pause * 1.5, self._slowest)
            if now != seen:
                seen = now
                wake()


def _look(folder: Path) -> list[tuple[str, int, int]]:
    try:
        stats = [(entry.name, entry.stat(follow_symlinks=False)) for entry in os.scandir(folder)]
    except OSError:  # dropped, or being dropped
        return []
    return sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)


def watcher() -> Inotify | Poller:
    """The best that this system has."""
    try:
        return Inotify()
    except OSError:
        return Poller()
