"""Small files of a store: atomic replacement, locks, and quarantine of what is not the store's. Any process; stdlib.

A store never follows a link and never opens a pipe or device in the place of one of its files.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

OPEN = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""Flags for opening files of the store: never follow a link, never block on a pipe in their place."""

OTHER_KIND = frozenset({errno.ELOOP, errno.ENXIO, errno.ENODEV, errno.EISDIR})
"""Errors of opening a link, socket, device or directory in the place of a file."""


def open_lock(path: Path, *, create: bool = True) -> int:
    """Open a lock file; on a read-only file system it can still be locked."""
    try:
        return open_own(path, os.O_RDWR) if create else os.open(path, os.O_RDWR | OPEN)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return os.open(path, os.O_RDONLY | OPEN)


def try_lock(fd: int) -> bool:
    """Try to acquire the exclusive lock of an open file without blocking."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def open_own(path: Path, flags: int, *, fresh: bool = False) -> int:
    """Open a file of the store for writing, created if absent. OSError.

    Anything else at the path (no regular file; not `fresh`) is quarantined.
    """
    try:
        fd = os.open(path, flags | os.O_CREAT | OPEN, 0o600)
    except OSError as error:
        if error.errno not in OTHER_KIND:
            raise
    else:
        found = os.fstat(fd)
        if stat.S_ISREG(found.st_mode) and not (fresh and found.st_size):
            return fd
        os.close(fd)
    quarantine(path)
    return os.open(path, flags | os.O_CREAT | os.O_EXCL | OPEN, 0o600)


def is_own(path: Path) -> bool:
    """Whether a regular file is at the path: a link or pipe in its place is not of the store."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def remove_own(path: Path) -> None:
    """Remove a file or socket; a directory in its place is quarantined. OSError."""
    try:
        path.unlink(missing_ok=True)
    except (IsADirectoryError, PermissionError):  # the latter for a directory on macOS
        quarantine(path)


def quarantine(path: Path) -> None:
    """Rename a foreign file to `NAME.aside`, which is never read: it can be the only copy of something."""
    number = 0
    while os.path.lexists(target := path.with_name(f"{path.name}.aside{number or ''}")):
        number += 1
    with contextlib.suppress(FileNotFoundError):
        path.rename(target)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Replace a small file atomically by a JSON object. OSError."""
    replace_file(path, json.dumps(value).encode())


def replace_file(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Replace a small file atomically: readers and (with `sync`) a power cut see the old or the new one. Mode 0600.

    A directory in its place is quarantined. Raises OSError.
    """
    new = path.with_name(path.name + ".new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | OPEN  # a link or pipe in its place is never opened
    try:
        fd = os.open(new, flags, 0o600)
    except FileExistsError:  # of a crash
        remove_own(new)
        fd = os.open(new, flags, 0o600)
    try:
        while data:
            data = data[os.write(fd, data) :]
        if sync:
            os.fsync(fd)
    finally:
        os.close(fd)
    try:
        os.replace(new, path)
    except IsADirectoryError:
        quarantine(path)
        os.replace(new, path)


def read_file(path: Path) -> bytes:
    """The content of a small file. FileNotFoundError; ValueError if it is not a regular file."""
    with open_regular(path) as file:
        return file.read()


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading. FileNotFoundError; ValueError if it is not a regular file."""
    try:
        fd = os.open(path, os.O_RDONLY | OPEN)
    except OSError as error:
        if error.errno in OTHER_KIND:
            raise ValueError(f"{path.name} is not a regular file") from None
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise ValueError(f"{path.name} is not a regular file")
    return open(path, "rb", opener=lambda *_: fd)


def read_json(path: Path) -> dict[str, Any]:
    """The object that `write_json` wrote. FileNotFoundError, ValueError."""
    value = json.loads(read_file(path))
    if not isinstance(value, dict):
        raise ValueError(f"{path.name} is not a JSON object")  # noqa: TRY004 - its content is wrong, not its type
    return value


def is_folder(path: Path) -> bool:
    """Whether a path is a folder itself: a link to one is never followed."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def make_private(path: Path) -> None:
    """Create a folder and its missing parents for this user only; an existing one loses other users' permissions.

    Raises OSError.
    """
    for missing in reversed([folder for folder in (path, *path.parents) if not folder.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    if path.stat().st_mode & 0o077:
        path.chmod(0o700)
