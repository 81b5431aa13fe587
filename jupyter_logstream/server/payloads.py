"""Uploaded payloads: files that wait for the workload they belong to, such as a pickled function. Server; no HTTP."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from pathlib import Path

MAX_AGE_S = 3600.0
"""A payload that no workload was started with is deleted after this time, at the next upload or start."""

MAX_WAITING_BYTES_FACTOR = 16
"""All payloads that wait may have so many times the maximum of one; beyond it, uploads are refused."""

_ID = re.compile(r"[0-9a-f]{32}")


class TooLarge(ValueError):
    """The payload is larger than the maximum; the text has both sizes."""


class TooManyPayloads(RuntimeError):
    """Payloads that no workload was started with fill their space."""


class UnknownPayload(KeyError):
    """No payload with this id waits."""


class Payloads:
    """The folder of waiting payloads. Bound: `max_bytes` each, MAX_WAITING_BYTES_FACTOR times as much together."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder, self.max_bytes = folder, max_bytes

    def upload(self) -> Upload:
        """Begin an upload. Raises TooManyPayloads, OSError."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        if self._sweep() > self.max_bytes * MAX_WAITING_BYTES_FACTOR:
            raise TooManyPayloads("uploaded payloads wait for their workloads and fill the space for them")
        return Upload(self._folder / secrets.token_hex(16), self.max_bytes)

    def path(self, payload_id: str) -> Path:
        """The file of a payload. Raises UnknownPayload."""
        path = self._folder / payload_id
        if not _ID.fullmatch(payload_id) or path.is_symlink() or not path.is_file():
            raise UnknownPayload(payload_id)
        return path

    def discard(self, payload_id: str) -> None:
        """Delete a payload; its workload has a link to it. One that cannot be deleted now expires."""
        with contextlib.suppress(OSError, UnknownPayload):
            self.path(payload_id).unlink()

    def _sweep(self) -> int:
        """Delete what has expired; returns the bytes that remain."""
        remaining, oldest = 0, time.time() - MAX_AGE_S
        for entry in list(os.scandir(self._folder)):
            with contextlib.suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                if status.st_mtime < oldest:
                    os.unlink(entry.path)
                else:
                    remaining += status.st_size
        return remaining


class Upload:
    """One payload that is being received. `commit` or `abort` ends it."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path, self._max_bytes = path, max_bytes
        self._draft = path.with_suffix(".part")
        self._file = open(self._draft, "xb", buffering=0, opener=_private)  # noqa: SIM115 - `commit` closes it
        self.size = 0

    def write(self, chunk: bytes) -> None:
        """Append. Raises TooLarge, OSError; the upload must be aborted then."""
        self.size += len(chunk)
        if self.size > self._max_bytes:
            raise TooLarge(f"the payload is larger than the {self._max_bytes:,} bytes of c.LogStream.max_payload_bytes")
        rest = memoryview(chunk)
        while rest:
            rest = rest[self._file.write(rest) :]

    def commit(self) -> str:
        """Keep the payload; returns its id. Raises OSError."""
        self._file.close()
        self._draft.rename(self._path)
        return self._path.name

    def abort(self) -> None:
        """Delete what was received."""
        self._file.close()
        with contextlib.suppress(OSError):
            self._draft.unlink()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)
