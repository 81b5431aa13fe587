"""Index of a log: entries by seq, over segments. Runner and server; stdlib.

"Line 8,000,000" is one read at a computed offset. A reader can run beside the writer: an entry counts once all of its
bytes are written.
"""

from __future__ import annotations

import errno
import os
from array import array
from pathlib import Path

from .files import OPEN, is_own, quarantine, replace_file
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
                size = os.stat(segment_path(self._folder, "index", self._last), follow_symlinks=False).st_size
            except FileNotFoundError:
                if not self._folder.exists():
                    raise
                self._last = -1  # repaired or dropped meanwhile
                return self.count()
            entries = max(size // ENTRY - 1, 0)  # the header is as long as an entry
            if entries < INDEX_SEGMENT or not segment_path(self._folder, "index", self._last + 1).exists():
                return self._last * INDEX_SEGMENT + entries
            self._last += 1

    def read(self, after: int, limit: int) -> array[int]:
        """The words of at most `limit` entries after a seq. FileNotFoundError (removed by retention), BadIndex."""
        words = array("Q")
        limit = min(limit, self.count() - after)  # behind a full segment there can be none yet
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
    """Appends entries. `lines` is the last seq; `complete` is False after entries were lost."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._open = OpenSegment(folder, "index")
        self.lines = self.count()
        self.complete = True

    def append(self, words: array[int]) -> None:
        """Append entries. OSError: the index is unchanged."""
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
        """Truncate the index to a seq (and to a whole entry)."""
        last, slot = divmod(lines, INDEX_SEGMENT)
        for number in segments(self._folder, "index"):
            if number > last:
                segment_path(self._folder, "index", number).unlink()
        self.close()
        path = segment_path(self._folder, "index", last)
        size = path.stat().st_size if is_own(path) else 0
        if size > (slot + 1) * ENTRY:
            os.truncate(path, (slot + 1) * ENTRY)
        self._last, self.lines = -1, lines
        if slot and size < (slot + 1) * ENTRY:  # the missing entries lie before the retained range
            os.ftruncate(self._segment(last), (slot + 1) * ENTRY)

    def check(self) -> None:
        """Raise Damaged if another process changed the open segment."""
        self._open.check(self._size, now=True)

    def recover(self) -> bool:
        """Write a removed or replaced segment again from its descriptor; returns whether all entries are there.

        If not, `complete` is False and the index has to be rebuilt. OSError: call it again.
        """
        try:
            self.check()
        except Damaged:
            number, size = self._open.number, self._size
            data = self._open.salvage(size)
            if self._open.is_in_place():
                self._open.replace(len(data))
            else:
                path = segment_path(self._folder, "index", number)
                quarantine(path)
                replace_file(path, data)
                self._open.close()
            self.complete = self.complete and len(data) == size
        return self.complete

    def replace(self, after: int, words: array[int]) -> None:
        """Overwrite the entries behind a seq."""
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

    def restore_headers(self) -> None:
        """Write the header of each segment anew; the entries behind it are still to be verified. OSError."""
        for number in segments(self._folder, "index"):
            fd = os.open(segment_path(self._folder, "index", number), os.O_WRONLY | OPEN)
            try:
                os.pwrite(fd, header(self._folder.name, number * INDEX_SEGMENT + 1), 0)
            finally:
                os.close(fd)

    @property
    def _size(self) -> int:
        """Expected bytes of the open segment."""
        return (self.lines - self._open.number * INDEX_SEGMENT + 1) * ENTRY

    def drop_before(self, seq: int) -> None:
        """Remove the segments whose entries all lie before a seq."""
        for number in segments(self._folder, "index"):
            if (number + 1) * INDEX_SEGMENT < seq:
                segment_path(self._folder, "index", number).unlink()

    def restart(self, lines: int) -> None:
        """Remove the whole index, to be rebuilt behind a seq; nothing before it is ever read."""
        self.close()
        for number in segments(self._folder, "index"):
            segment_path(self._folder, "index", number).unlink()
        self._last, self.lines = -1, lines
        number, slot = divmod(lines, INDEX_SEGMENT)
        if slot:
            os.ftruncate(self._segment(number), (slot + 1) * ENTRY)

    def close(self) -> None:
        """Close the open segment."""
        self._open.close()

    def _segment(self, number: int) -> int:
        """The descriptor of a segment that has its header."""
        fd = self._open.fd(number)
        if os.fstat(fd).st_size < ENTRY:
            self._begin(fd, number)
        return fd

    def _begin(self, fd: int, number: int) -> None:
        """Write a segment's header. OSError: the file is empty, and the next call writes the header again."""
        os.ftruncate(fd, 0)
        head = header(self._folder.name, number * INDEX_SEGMENT + 1)
        if os.write(fd, head) < len(head):  # the disk is full
            os.ftruncate(fd, 0)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
