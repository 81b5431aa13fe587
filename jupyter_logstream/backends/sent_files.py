"""Files that are sent with a workload: from globs to a list with hashes. Server; stdlib."""

from __future__ import annotations

import glob
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..model.spec import SpecError, printable
from ..wire.delivery import SentFile

MAX_TOTAL_BYTES = 1 << 30
MAX_FILES = 20_000
IGNORED = frozenset({".git", "__pycache__", ".venv", ".ipynb_checkpoints"})
"""Folders that are never sent."""
_READ_BYTES = 1 << 20


def find_files(base: Path, globs: Sequence[str]) -> list[str]:
    """Paths, relative to `base`, of the files that the globs match, and of those in folders that they match.

    Raises SpecError (files): a glob matches nothing, they are too many or too large, or one is no regular file.
    """
    found: dict[str, None] = {}
    total = 0
    for pattern in globs:
        count = 0
        for path in _matches(base, pattern):
            count += 1
            if path in found:
                continue
            found[path] = None
            total += _size(base / path)
            if total > MAX_TOTAL_BYTES:
                raise SpecError("files", f"have more than {MAX_TOTAL_BYTES >> 30} GiB; copy large data there yourself")
            if len(found) > MAX_FILES:
                raise SpecError("files", f"are more than {MAX_FILES:,}; name fewer, or pack them into an archive")
        if not count:
            raise SpecError("files", f"{printable(pattern)!r} matches no file in {base}")
    return sorted(found)


def hash_files(base: Path, paths: Sequence[str]) -> list[SentFile]:
    """The files as they are now; reads them all. OSError."""
    return [hash_file(base / path, path) for path in paths]


def hash_file(path: Path, name: str) -> SentFile:
    """A file as it is now. OSError."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        executable = bool(os.fstat(file.fileno()).st_mode & stat.S_IXUSR)
        while data := file.read(_READ_BYTES):
            digest.update(data)
            size += len(data)
    return SentFile(name, digest.hexdigest(), size, executable)


def _matches(base: Path, pattern: str) -> Iterator[str]:
    for match in sorted(glob.glob(pattern, root_dir=base, recursive=True)):
        if IGNORED & set(Path(match).parts):
            continue
        if not (base / match).is_dir():
            yield os.path.normpath(match)
            continue
        for folder, folders, names in os.walk(base / match):
            folders[:] = sorted(name for name in folders if name not in IGNORED)
            for name in sorted(names):
                path = Path(folder, name)
                if path.is_file():  # else a socket, a pipe, a link to nothing
                    yield os.path.relpath(path, base)


def _size(path: Path) -> int:
    try:
        found = path.stat()
    except OSError as error:
        raise SpecError("files", f"{path} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(found.st_mode):
        raise SpecError("files", f"{path} is not a regular file")
    return found.st_size
