"""Cache of the files that are sent with workloads, by their hashes, so that none is sent twice. Runner; stdlib."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ..store.disk.files import make_private
from ..wire.delivery import Order, SentFile

_CACHE_AGE_S = 30 * 86400


class Changed(ValueError):
    """The file changed while it was sent."""


class FileCache:
    """The files in `folder`. Bound: files that no workload used for 30 days are deleted by `expire`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def missing(self, order: Order) -> list[str]:
        """The hashes of the files that must be sent, each once. Creates the folder. OSError."""
        make_private(self._folder)
        wanted = {blob.sha256: blob for blob in order.blobs()}
        return [sha256 for sha256, blob in wanted.items() if not self._has(blob)]

    def store(self, blob: SentFile, pieces: Iterable[bytes]) -> None:
        """Store the content of a file as it arrives. Raises Changed, OSError."""
        digest, new = hashlib.sha256(), self._draft(blob)
        with open(new, "wb", opener=lambda path, flags: os.open(path, flags | os.O_EXCL, 0o600)) as out:
            for piece in pieces:
                digest.update(piece)
                out.write(piece)
        if digest.hexdigest() != blob.sha256:
            new.unlink()
            raise Changed(f"files: {blob.path} changed while it was sent; start the workload again")
        new.rename(self._folder / blob.sha256)

    def add(self, blob: SentFile, source: Path) -> None:
        """Copy a file that came with the runner. OSError."""
        new = self._draft(blob)
        shutil.copyfile(source, new)
        new.chmod(0o600)
        new.rename(self._folder / blob.sha256)

    def copy(self, file: SentFile, target: Path) -> None:
        """Write a copy of a file: a link would let the workload change the cache. OSError."""
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self._folder / file.sha256, target)
        target.chmod(0o700 if file.executable else 0o600)

    def expire(self) -> None:
        """Delete files that no workload used for 30 days, and what broken transfers left."""
        oldest = time.time() - _CACHE_AGE_S
        for path in self._folder.glob("*") if self._folder.is_dir() else ():
            with suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()

    def _draft(self, blob: SentFile) -> Path:
        return self._folder / f".{blob.sha256}.{os.getpid()}"

    def _has(self, blob: SentFile) -> bool:
        path = self._folder / blob.sha256
        try:
            os.utime(path)  # used now: it stays
            return path.stat().st_size == blob.size
        except OSError:
            return False
