"""Files beside a followed one: where it was renamed to, and rotated files that were never read. Runner; stdlib."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from ..store.disk.open_below import NotFollowable, open_below
from .followed_positions import Position

_MAX_ENTRIES = 10_000  # of a folder that are checked
_COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".Z", ".zip")  # made of a file that was read, in most cases


def find_moved(position: Position, roots: Sequence[str]) -> int | None:
    """The descriptor of the file of a position, under another name in its folder; None if it is not there."""
    for path, found in _siblings(position.path):
        if found.st_ino == position.inode:
            with contextlib.suppress(OSError, NotFollowable):
                fd = open_below(path, roots)
                if position.is_continued_by(fd):
                    return fd
                os.close(fd)
    return None


def find_skipped(path: str, since_ns: int, known: Collection[tuple[int, int]]) -> list[str]:
    """The paths of rotated files of a log that were written since a time and are not known (device, inode).

    They have the log's name, or its stem, with a separator and a digit: train.log.1, train.log-20260101, train.1.log.
    Compressed ones are left out.
    """
    base = os.path.basename(path)
    rotated = re.compile(rf"(?:{re.escape(base)}|{re.escape(os.path.splitext(base)[0])})[._-]\d")
    return sorted(
        other
        for other, found in _siblings(path)
        if rotated.match(os.path.basename(other)) and found.st_mtime_ns >= since_ns and found.st_size
        if (found.st_dev, found.st_ino) not in known and not other.endswith(_COMPRESSED)
    )


def _siblings(path: str) -> Iterator[tuple[str, os.stat_result]]:
    """The regular files in the folder of a path, and in that of the file that it leads to."""
    for folder in {os.path.dirname(path), os.path.dirname(os.path.realpath(path))}:
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in islice(entries, _MAX_ENTRIES):
                with contextlib.suppress(OSError):  # removed meanwhile
                    found = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(found.st_mode):
                        yield entry.path, found
