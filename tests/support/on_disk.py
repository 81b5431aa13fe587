"""Logs on disk for the tests of the file store: written, served and downloaded in one line each."""

from __future__ import annotations

import contextlib
import errno
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jupyter_logstream.model.records import Record
from jupyter_logstream.store.disk.download import Download
from jupyter_logstream.store.disk.file_store import FileStore
from jupyter_logstream.store.disk.writer import LogWriter

ID = "01JD0000000000000000000000"


@contextlib.contextmanager
def opened(root: Path, **options: Any) -> Iterator[FileStore]:
    store = FileStore(root, **options)
    try:
        yield store
    finally:
        store.close()


def folder_of(root: Path, stream: str = ID) -> Path:
    folder = root / "streams" / stream
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def write(folder: Path, *chunks: tuple[str, bytes], end: bool = False, keep: int = 1 << 30) -> LogWriter:
    """A log with these chunks; `end`: whole and closed, else as a crash leaves it."""
    log = LogWriter(folder, keep=keep)
    for source, chunk in chunks:
        log.write(source, chunk)
    log.close() if end else log.release()
    return log


def write_to(log: LogWriter, chunks: list[tuple[str, bytes]]) -> None:
    for source, chunk in chunks:
        log.write(source, chunk)


def served(root: Path, stream: str = ID) -> list[Record]:
    with opened(root) as store:
        found: list[Record] = []
        while len(batch := store.read(stream, found[-1].seq if found else 0, 1000)):
            found += batch.records()
        return found


def texts(root: Path, source: str | None = None) -> list[str]:
    return [r.message for r in served(root) if source in (None, r.source)]


def downloaded(folder: Path, source: str | None = None) -> bytes:
    with contextlib.closing(Download(folder, source)) as download:
        got = b"".join(download.chunks(0, download.size))
        assert len(got) == download.size
        return got


def random_chunks(rng: random.Random, count: int, parts: list[bytes]) -> list[tuple[str, bytes]]:
    return [
        (rng.choice(["stdout", "stdout", "stderr"]), b"".join(rng.choice(parts) for _ in range(rng.randint(0, 12))))
        for _ in range(count)
    ]


def joined(chunks: list[tuple[str, bytes]], source: str) -> bytes:
    return b"".join(chunk for name, chunk in chunks if name == source)


PARTS = [b"\n", b"\n", b"line of output\n", b"word ", b"\r", b"\r\n", b"\xff\x00", "ü€".encode(), bytes(range(256))]


def numbered(first: int, last: int, source: str = "stdout") -> list[tuple[str, bytes]]:
    return [(source, b"%s %05d\n" % (source.encode(), i)) for i in range(first, last)]


class Disk:
    """An `os` whose writes fail from the n-th on: first short, then not at all."""

    def __init__(self, fail_at: int, code: int = errno.ENOSPC) -> None:
        self.calls, self.fail_at, self.code = 0, fail_at, code

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def write(self, fd: int, data: Any) -> int:
        self.calls += 1
        if self.calls == self.fail_at and len(data) > 1:
            return os.write(fd, data[: len(data) // 2])
        if self.calls >= self.fail_at:
            raise OSError(self.code, os.strerror(self.code))
        return os.write(fd, data)
