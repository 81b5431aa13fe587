"""The index of a log: entries by seq, over segments. stdlib; runner and server.

"Line 8,000,000" is one read at a computed place. A reader may run beside the one writer: an entry counts once all its
bytes are there. This file must not know what stands in the log.
"""

from __future__ import annotations

import errno
import os
from array import array
from pathlib import Path

from .folder import OPEN
from .layout import ENTRY, INDEX_SEGMENT, Damaged, check_header, header, pack, segment_path, segments, unpack
from .segments import OpenSegment


class Index:
    """Reads the entries of the log in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last = -1  # number of the last segment seen

    def count(self) -> int:
        """The last seq; 0 when there is none."""
        if self._last < 0:
            numbers = segments(self._folder, "index")
            if not numbers:
                return 0
            self._last = numbers[-1]
        while True:
            try:
                size = segment_path(self._folder, "index", self._last).stat().st_size
            except FileNotFoundError:
                if not self._folder.exists():
                    raise
                self._last = -1  # mended or dropped underneath us
                return self.count()
            entries = max(size // ENTRY - 1, 0)  # the header is as long as an entry
            if entries < INDEX_SEGMENT or not segment_path(self._folder, "index", self._last + 1).exists():
                return self._last * INDEX_SEGMENT + entries
            self._last += 1

    def read(self, after: int, limit: int) -> array[int]:
        """The words of at most `limit` entries after a seq. FileNotFoundError: retention took them. BadIndex."""
        words = array("Q")
        limit = min(limit, self.count() - after)  # behind a full segment there may be none yet
        while limit > 0:
            number, slot = divmod(after, INDEX_SEGMENT)
            found = self._read_segment(number, slot, min(limit, INDEX_SEGMENT - slot))
            words.extend(found)
            got = len(found) // 4
            after, limit = after + got, limit - got
            if slot + got < INDEX_SEGMENT:
                break
            if not segment_path(self._folder, "index", number + 1).exists():
                break
        return words

    def _read_segment(self, number: int, slot: int, limit: int) -> array[int]:
        fd = os.open(segment_path(self._folder, "index", number), os.O_RDONLY | OPEN)
        try:
            check_header(os.pread(fd, ENTRY, 0), self._folder.name, number * INDEX_SEGMENT + 1)
            return unpack(os.pread(fd, limit * ENTRY, (slot + 1) * ENTRY))
        finally:
            os.close(fd)


class IndexWriter(Index):
    """Appends entries. `lines` is the last seq."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._open = OpenSegment(folder, "index")
        self.lines = self.count()

    def append(self, words: array[int]) -> None:
        """Write entries; on OSError the index is as it was."""
        data, before = memoryview(pack(words)), self.lines
        self._open.check(self._size)
        try:
            while data:
                number, slot = divmod(self.lines, INDEX_SEGMENT)
                piece = data[: (INDEX_SEGMENT - slot) * ENTRY]
                fd = self._segment(number)
                done = 0
                while done < len(piece):
                    done += os.write(fd, piece[done:])
                self.lines += len(piece) // ENTRY
                data = data[len(piece) :]
        except OSError:
            self.truncate(before)
            raise

    def truncate(self, lines: int) -> None:
        """Cut the index back to a seq (and to the edge of an entry)."""
        last, slot = divmod(lines, INDEX_SEGMENT)
        for number in segments(self._folder, "index"):
            if number > last:
                segment_path(self._folder, "index", number).unlink()
        self.close()
        path = segment_path(self._folder, "index", last)
        size = path.stat().st_size if path.exists() else 0
        if size > (slot + 1) * ENTRY:
            os.truncate(path, (slot + 1) * ENTRY)
        self._last, self.lines = -1, lines
        if slot and size < (slot + 1) * ENTRY:  # what is missing lies before what retention has left
            os.ftruncate(self._segment(last), (slot + 1) * ENTRY)

    def check(self) -> None:
        """Raise Damaged if it is not as we left it."""
        self._open.check(self._size, now=True)

    def restore(self) -> bool:
        """Give it its name again, if it was removed or replaced; whether all its entries are there."""
        try:
            self.check()
        except Damaged:
            left = self._open.left(self._size)
            self._open.restore(left)
            return left == self._size
        return True

    def replace(self, after: int, words: array[int]) -> None:
        """Put entries in the place of those behind a seq."""
        data = pack(words)
        while data:
            number, slot = divmod(after, INDEX_SEGMENT)
            piece = data[: (INDEX_SEGMENT - slot) * ENTRY]
            fd = os.open(segment_path(self._folder, "index", number), os.O_WRONLY | OPEN)
            try:
                os.pwrite(fd, piece, (slot + 1) * ENTRY)
            finally:
                os.close(fd)
            data, after = data[len(piece) :], after + len(piece) // ENTRY

    @property
    def _size(self) -> int:
        """Bytes that the open segment must have."""
        return (self.lines - self._open.number * INDEX_SEGMENT + 1) * ENTRY

    def drop_before(self, seq: int) -> None:
        """Remove the segments whose entries all lie before a seq."""
        for number in segments(self._folder, "index"):
            if (number + 1) * INDEX_SEGMENT < seq:
                segment_path(self._folder, "index", number).unlink()

    def restart(self, lines: int) -> None:
        """Remove the whole index: it will be made anew behind a seq, before which nothing is ever read."""
        self.close()
        for number in segments(self._folder, "index"):
            segment_path(self._folder, "index", number).unlink()
        self._last, self.lines = -1, lines
        number, slot = divmod(lines, INDEX_SEGMENT)
        if slot:
            os.ftruncate(self._segment(number), (slot + 1) * ENTRY)

    def close(self) -> None:
        """Let go of the open segment."""
        self._open.close()

    def _segment(self, number: int) -> int:
        """The descriptor of a segment, begun with its header."""
        fd = self._open.fd(number)
        if os.fstat(fd).st_size < ENTRY:
            self._begin(fd, number)
        return fd

    def _begin(self, fd: int, number: int) -> None:
        """Write a segment's header whole or not at all: an OSError leaves an empty file, which is begun again."""
        os.ftruncate(fd, 0)
        head = header(self._folder.name, number * INDEX_SEGMENT + 1)
        if os.write(fd, head) < len(head):  # the last bytes that the disk had
            os.ftruncate(fd, 0)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
