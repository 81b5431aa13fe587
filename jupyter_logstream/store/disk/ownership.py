"""Ownership of a store: one server at a time, of the same layout. Server; at start, and when a store is adopted."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path

from .files import is_folder, open_lock, read_file, replace_file, try_lock
from .layout import LAYOUT

_LOCK_ATTEMPTS, _LOCK_RETRY_S = 3, 0.005


class StoreInUse(RuntimeError):
    """Another server uses the store."""


class WrongLayout(RuntimeError):
    """The store was written by another version."""


def acquire(root: Path) -> int:
    """Lock a store until the returned descriptor is closed, check its layout, and remove what a crash left.

    Raises StoreInUse, WrongLayout, OSError.
    """
    streams = root / "streams"
    streams.mkdir(mode=0o700, exist_ok=True)
    lock = open_lock(root / "lock")
    if not _try_lock_again(lock):
        os.close(lock)
        raise StoreInUse(f"another server uses the log store {root}")
    try:
        _check_layout(root)
        for entry in os.scandir(streams):  # drafts and half-removed logs of a crash
            if entry.name.startswith("."):
                remove(Path(entry.path))
    except (WrongLayout, OSError):
        os.close(lock)
        raise
    return lock


def _check_layout(root: Path) -> None:
    """Check the layout of a store, and write that of a new one. Raises WrongLayout, OSError."""
    version = root / "layout"
    try:
        found = read_file(version).decode(errors="replace").strip() if os.path.lexists(version) else ""
    except ValueError as error:  # a link or a pipe in its place
        raise WrongLayout(f"the log store {root} cannot be used: {error}") from None
    if found not in {"", str(LAYOUT)}:  # empty: a crash interrupted its creation
        raise WrongLayout(f"the log store {root} has layout {found[:20]}, this version reads {LAYOUT}")
    if not found:
        replace_file(version, f"{LAYOUT}\n".encode())


def _try_lock_again(lock: int) -> bool:
    """As `try_lock`; a client that probes the lock holds it for microseconds."""
    for _ in range(_LOCK_ATTEMPTS):
        if try_lock(lock):
            return True
        time.sleep(_LOCK_RETRY_S)
    return False


def remove(path: Path) -> None:
    """Remove a folder with its content, or a link or file in its place. What cannot be removed stays."""
    if is_folder(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
