"""Opening of a file for reading, only below given folders, symlinks resolved. Runner and server; stdlib.

What was opened is checked, not the path: a link or a rename between a check and the opening changes nothing.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Sequence

_F_GETPATH = 50  # macOS
_PATH_BYTES = 1024  # macOS: MAXPATHLEN
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class NotFollowable(Exception):
    """The path cannot be followed now; the text continues a sentence that begins with its name."""


def is_below(path: str, roots: Sequence[str]) -> bool:
    """Whether a resolved path is one of the resolved folders or lies below one."""
    return any(path == root or path.startswith(root.rstrip("/") + "/") for root in roots)


def open_below(path: str, roots: Sequence[str]) -> int:
    """Open a regular file read-only, without waiting and without effects on pipes or devices.

    Raises FileNotFoundError, NotFollowable.
    """
    try:
        return _open_on_linux(path, roots) if hasattr(os, "O_PATH") else _open_elsewhere(path, roots)
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(path) from None
    except OSError as error:
        raise NotFollowable(f"cannot be opened: {os.strerror(error.errno or 0)}") from error


def _open_on_linux(path: str, roots: Sequence[str]) -> int:
    """A handle first, which opens nothing: it is checked, and the file is opened by it."""
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        _check_kind(os.fstat(handle).st_mode)
        _check_place(os.readlink(f"/proc/self/fd/{handle}"), roots)
        return os.open(f"/proc/self/fd/{handle}", _READ)
    finally:
        os.close(handle)


def _open_elsewhere(path: str, roots: Sequence[str]) -> int:
    _check_kind(os.stat(path).st_mode)
    _check_place(os.path.realpath(path), roots)
    fd = os.open(path, _READ)
    try:
        _check_kind(os.fstat(fd).st_mode)
        real = fcntl.fcntl(fd, _F_GETPATH, bytes(_PATH_BYTES)).rstrip(b"\0")
        _check_place(os.fsdecode(real), roots)
    except (OSError, NotFollowable):
        os.close(fd)
        raise
    return fd


def _check_kind(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise NotFollowable("is a directory")
    if not stat.S_ISREG(mode):
        raise NotFollowable("is not a regular file")


def _check_place(real: str, roots: Sequence[str]) -> None:
    if not is_below(real, roots):
        raise NotFollowable("leads outside the folders that may be followed")
