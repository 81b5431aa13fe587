"""Writing while the disk is full: nothing is dropped, the write is repeated. Runner; stdlib."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import TypeVar

DISK_RETRY_S = 0.5
"""Pause between attempts to write while the disk is full."""

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Error numbers of a write for which there is no space."""

T = TypeVar("T")


def insist(write: Callable[[], T]) -> T:
    """Write; while the disk is full, retry until there is space. Raises other OSErrors."""
    while True:
        try:
            return write()
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
            time.sleep(DISK_RETRY_S)
