"""The request log on disk: JSON lines in segments, the last line of a row wins. Server side; no HTTP, no loop.

    requests/00000001.jsonl ...   {"row": {...}, "detail": {...}?} per line; a new segment every SEGMENT bytes

A line is appended when a call starts and when it ends, so a killed server has lost nothing that had ended. A line that
a crash or a full disk cut short is left out when it is read. Bounds: `most` bytes in all, then the oldest segment goes.
What headers and bodies a row has (its detail) is not held in memory: it is read from its place here.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SEGMENT = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """Where a line lies."""

    segment: int
    offset: int
    length: int


class Journal:
    """Rows in `folder`. `most`: bytes that all of it may take. OSError from every method where the disk fails."""

    def __init__(self, folder: Path, *, most: int = 8 * SEGMENT, segment: int = SEGMENT) -> None:
        self._folder, self._most, self._segment_bytes = folder, most, segment
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._segments = {int(path.stem): path.stat().st_size for path in sorted(folder.glob("*.jsonl"))}
        self._fd = -1
        self._open_segment(max(self._segments, default=1))

    def append(self, row: dict[str, Any], detail: dict[str, Any] | None) -> Place:
        """Write a line; it is with the system when this returns."""
        value = {"row": row} if detail is None else {"row": row, "detail": detail}
        line = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
        if self._size and self._size + len(line) > self._segment_bytes:
            self._open_segment(self._segment + 1)
        elif self._read_only:  # it was, when it was opened
            self._open_segment(self._segment)
        place = Place(self._segment, self._size, len(line))
        written = 0
        try:
            while written < len(line):
                written += os.write(self._fd, line[written:])
        except OSError:
            os.ftruncate(self._fd, self._size)  # no half line: the next one would be lost with it
            raise
        self._segments[self._segment] = self._size + len(line)
        return place

    def read(self) -> Iterator[tuple[dict[str, Any], Place]]:
        """All lines that are whole, oldest first."""
        for number in sorted(self._segments):
            offset = 0
            with self._path(number).open("rb") as file:
                for line in file:
                    value = _parse(line)
                    if value is not None:
                        yield value["row"], Place(number, offset, len(line))
                    offset += len(line)

    def detail(self, place: Place) -> dict[str, Any]:
        """What was written beside the row; {} where there is nothing (any more)."""
        try:
            with self._path(place.segment).open("rb") as file:
                file.seek(place.offset)
                value = _parse(file.read(place.length)) or {}
        except FileNotFoundError:
            return {}
        found = value.get("detail")
        return found if isinstance(found, dict) else {}

    def drop_oldest(self) -> int:
        """Remove the oldest segments while all take more than they may; the number of the oldest one that is kept."""
        while len(self._segments) > 1 and sum(self._segments.values()) > self._most:
            oldest = min(self._segments)
            self._path(oldest).unlink(missing_ok=True)
            del self._segments[oldest]
        return min(self._segments)

    def clear(self) -> None:
        """Forget everything; numbers of segments go on, so that no place of before means something else."""
        following = self._segment + 1
        self.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._segments.clear()
        self._open_segment(following)

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @property
    def _size(self) -> int:
        return self._segments[self._segment]

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:08}.jsonl"

    def _open_segment(self, number: int) -> None:
        path, self._read_only = self._path(number), False
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno != errno.EROFS:
                raise
            fd, self._read_only = os.open(path, os.O_RDONLY | os.O_CLOEXEC), True
        self.close()
        self._fd, self._segment = fd, number
        size = os.fstat(fd).st_size
        if not self._read_only and size and os.pread(fd, 1, size - 1) != b"\n":  # a crash in a write
            size += os.write(fd, b"\n")
        self._segments[number] = size


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and isinstance(value.get("row"), dict) else None
