"""Download of a log: its exact bytes, of one source or of both merged in order of arrival. Server.

All files are opened at the start, so deletion and retention do not affect a running download; bytes written later are
not part of it.
"""

from __future__ import annotations

import errno
import os
import stat
from array import array
from collections.abc import Iterator
from pathlib import Path

from ..errors import BadIndex
from .files import OPEN
from .layout import ENTRY, INDEX_SEGMENT, OUTPUT, SEGMENT, file_of, segment_path, segments, unpack
from .sidecars import BadRetention, RetainedRange

_BLOCK_ENTRIES = 1 << 16
Span = tuple[str, int, int]  # source, from, to


class Download:
    """The bytes of `source` (None: of both); `size`: their number. The caller closes it.

    `after`, `last`: only the whole lines of the records after the seq `after`, up to `last`. Raises FileNotFoundError
    if the log does not exist.
    """

    def __init__(self, folder: Path, source: str | None, after: int = 0, last: int | None = None) -> None:
        self._after, self._last = after, last
        self._files: dict[str, dict[int, int]] = {}
        self._extents: dict[str, tuple[int, int]] = {}
        try:
            for name in OUTPUT:
                self._open(folder, name, SEGMENT)
            self._open(folder, "index", (INDEX_SEGMENT + 1) * ENTRY)
            self._skip_removed(folder)
            if after or last is not None:
                self._narrow(OUTPUT if source is None else (source,))
        except OSError:
            self.close()
            raise
        written = [name for name in OUTPUT if self._extents[name][1] > self._extents[name][0]]
        self._one = source or (written[0] if len(written) == 1 else None) or ("stdout" if not written else None)
        self.size = sum(end - start for name, (start, end) in self._extents.items() if name in self._chosen())

    def close(self) -> None:
        """Close the files."""
        for opened in self._files.values():
            for fd in opened.values():
                os.close(fd)
        self._files.clear()

    def chunks(self, start: int, end: int, at_once: int = 1 << 22) -> Iterator[bytes]:
        """The bytes from `start` to `end` (of the download) in chunks of about `at_once` bytes. OSError."""
        gathered: list[bytes] = []
        size = 0
        for name, begin, stop in self._clipped(start, end):
            at = begin
            while at < stop:
                piece = self._read(name, at, min(stop, at + at_once - size))
                if not piece:
                    raise OSError(f"{name} was truncated during the download")
                gathered.append(piece)
                at, size = at + len(piece), size + len(piece)
                if size >= at_once:
                    yield b"".join(gathered)
                    gathered, size = [], 0
        if gathered:
            yield b"".join(gathered)

    def _chosen(self) -> tuple[str, ...]:
        return (self._one,) if self._one else OUTPUT

    def _open(self, folder: Path, name: str, segment: int) -> None:
        numbers = segments(folder, name)
        opened = self._files[name] = {}
        for number in numbers:
            opened[number] = os.open(segment_path(folder, name, number), os.O_RDONLY | OPEN)
            if not stat.S_ISREG(os.fstat(opened[number]).st_mode):
                raise OSError(errno.EINVAL, f"{name} is not a regular file")
        last = (numbers[-1] * segment + os.fstat(opened[numbers[-1]]).st_size) if numbers else 0
        self._extents[name] = (numbers[0] * segment if numbers else 0, last)

    def _skip_removed(self, folder: Path) -> None:
        """Begin with the first retained record: retention removes whole segments, which can end inside a line."""
        try:
            ends = RetainedRange.read(folder).ends
        except BadRetention:  # until the log is repaired
            return
        for name in OUTPUT:
            start, end = self._extents[name]
            self._extents[name] = (min(max(start, ends.get(name, 0)), end), end)

    def _narrow(self, names: tuple[str, ...]) -> None:
        """Reduce the files to the chosen records. Their bytes begin where their first record of each file begins."""
        found: dict[str, tuple[int, int]] = {}
        for words in self._entries():
            for name in names:
                if chosen := _span_of(name, words):
                    found[name] = (found.get(name, chosen)[0], chosen[1])
        for name in OUTPUT:
            start, end = self._extents[name]
            first, stop = found.get(name, (start, start))
            self._extents[name] = (min(max(start, first), end), min(max(start, stop), end))

    def _read(self, name: str, start: int, end: int) -> bytes:
        number, at = divmod(start, SEGMENT)
        return os.pread(self._files[name][number], min(end - start, SEGMENT - at), at)

    def _clipped(self, start: int, end: int) -> Iterator[Span]:
        """The file spans of a range of the download."""
        at = 0
        for name, begin, stop in self._spans():
            length = stop - begin
            if at >= end:
                return
            if at + length > start:
                yield name, begin + max(start - at, 0), stop - max(at + length - end, 0)
            at += length

    def _spans(self) -> Iterator[Span]:
        if self._one:
            yield (self._one, *self._extents[self._one])
            return
        reached = {name: self._extents[name][0] for name in OUTPUT}
        for words in self._entries():
            yield from self._merged(words, reached)
        for name in OUTPUT:  # unfinished lines
            if reached[name] < self._extents[name][1]:
                yield name, reached[name], self._extents[name][1]

    def _merged(self, words: array[int], reached: dict[str, int]) -> Iterator[Span]:
        """Adjacent lines of one source as one span, up to the extents at the start of the download."""
        current: Span | None = None
        for offset, sizes, mark in zip(words[0::4], words[2::4], words[3::4]):
            try:
                name = file_of(mark)
            except BadIndex:  # the next entry of the source includes these bytes
                continue
            if name not in reached:
                continue
            # Continue where this source stopped, not at `offset`: bytes without an index entry belong to the download.
            begin, stop = reached[name], min(offset + (sizes & 0xFFFFFFFF), self._extents[name][1])
            if stop <= begin:
                continue
            reached[name] = stop
            if current and current[0] == name:
                current = (name, current[1], stop)
                continue
            if current:
                yield current
            current = (name, begin, stop)
        if current:
            yield current

    def _entries(self) -> Iterator[array[int]]:
        """The index entries of the chosen records, in blocks; each block is of one segment."""
        for number, fd in self._files["index"].items():
            first = number * INDEX_SEGMENT  # the seq before the segment's first
            at = max(self._after - first, 0)
            stop = INDEX_SEGMENT if self._last is None else min(self._last - first, INDEX_SEGMENT)
            while at < stop and (
                words := unpack(os.pread(fd, min(_BLOCK_ENTRIES, stop - at) * ENTRY, (at + 1) * ENTRY))
            ):
                yield words
                at += len(words) // 4


def _span_of(name: str, words: array[int]) -> tuple[int, int] | None:
    """Where the bytes of a file's lines in a block of entries begin and end; None if it has none there."""
    metas = words[3::4]
    own = [meta for meta in set(metas) if _is_of(name, meta)]
    if not own:
        return None
    first = min(map(metas.index, own))
    last = len(metas) - 1 - min(map(metas[::-1].index, own))
    return words[4 * first], words[4 * last] + (words[4 * last + 2] & 0xFFFFFFFF)


def _is_of(name: str, meta: int) -> bool:
    try:
        return file_of(meta) == name
    except BadIndex:
        return False
