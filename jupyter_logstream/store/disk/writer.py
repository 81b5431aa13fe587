"""Writer of a log: appends bytes and index entries. Runs in the runner, or in the server for published records.

Bytes go to disk at once and unchanged, before their index entries. A failed append (disk full) leaves the log as it was
and raises, so the caller can repeat it. Repair is in `store.repair`: when a log with content is opened, and when
another process changed a file that is being written. stdlib.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ...model.records import Record
from ..protocol import Tally
from .files import is_own, open_own, read_json
from .indexer import Indexer
from .layout import ENTRY, FILES, INDEX_SEGMENT, MIRROR_FACTOR, OUTPUT, SEGMENT, Damaged, file_of
from .notes import Notes
from .segments import SegmentedFile, quarantine_foreign
from .sidecars import RetainedRange, read_masked, write_masked

if TYPE_CHECKING:
    from ..repair.loss_journal import LossJournal


class LogWriter:
    """Appends to the log in `folder`, repairing it first if it has content. One writer per log: hold its lock.

    `keep`: bytes on disk, index included; beyond it the oldest segment is removed and the retained range moves on.
    It is enforced from MIN_LOG_BYTES on. `is_mirrored`: what the server did not acknowledge stays, up to MIRROR_FACTOR
    times `keep`.
    """

    def __init__(self, folder: Path, *, keep: int = 1 << 30, is_mirrored: bool = False) -> None:
        self._folder, self._keep, self._is_mirrored = folder, keep, is_mirrored
        quarantine_foreign(folder)
        self._files = {name: SegmentedFile(folder, name) for name in FILES}
        self._indexer = Indexer(folder)
        self._masked = read_masked(folder)
        self._next_bound = keep
        self._retained = RetainedRange()
        self._journal: LossJournal | None = None  # losses found by the repair and not yet published
        self._reports: list[Record] = []  # of damage while writing, not yet published
        if self.lines or is_own(folder / "kept") or any(file.size for file in self._files.values()):
            self._repair()

    @property
    def lines(self) -> int:
        """The last seq."""
        return self._indexer.index.lines

    def size(self, source: str) -> int:
        """Bytes of an output so far, removed ones included."""
        return self._files[source].size

    @property
    def tally(self) -> Tally:
        """Totals of the log so far."""
        output, totals = sum(self._files[name].size for name in OUTPUT), self._indexer.totals
        steps = totals.timeline.steps(dict(enumerate(self._indexer.steps.names, 1)))
        return Tally(self.lines, output, totals.by_level(), self._masked, steps)

    def write(self, source: str, chunk: bytes, masked: int = 0) -> None:
        """Append output of `stdout` or `stderr`. `masked`: number of secrets replaced in it. OSError: nothing done."""
        self._despite_damage(lambda: self._write(source, chunk, masked))

    def publish(self, records: Iterable[Record]) -> int:
        """Append records that are not output and return the last seq. OSError: nothing was appended."""
        drafts = records if isinstance(records, Notes) else Notes(records)
        self._despite_damage(lambda: self._publish(drafts))
        return self.lines

    def finish_line(self, source: str) -> None:
        """Make a record of the unfinished line of an output, if there is one. OSError: call it again."""
        self._despite_damage(lambda: self._indexer.finish_line(source))

    def end(self) -> Tally:
        """End the log and return its totals: an unfinished line becomes a record. OSError: call it again.

        The files stay open: a descendant that outlives the workload can still write.
        """
        self._despite_damage(self._check)
        self._publish_losses()
        for source in OUTPUT:
            self._indexer.finish_line(source)
        if self._masked:
            write_masked(self._folder, self._masked)
        os.close(open_own(self._folder / "end", os.O_WRONLY))
        return self.tally

    def close(self) -> Tally:
        """`end`, then close the files. OSError: call it again."""
        tally = self.end()
        self.release()
        return tally

    def release(self) -> None:
        """Close the files; another writer can continue the log."""
        for file in self._files.values():
            file.close()
        self._indexer.index.close()

    def _write(self, source: str, chunk: bytes, masked: int) -> None:
        file = self._files[source]
        size = file.size
        file.append(chunk)
        try:
            self._indexer.feed(source, chunk)
        except OSError:
            file.truncate(size)
            raise
        if masked:
            self._masked += masked
            with contextlib.suppress(OSError):  # disk full: written with the next one, or by close()
                write_masked(self._folder, self._masked)
        self._bound()

    def _publish(self, drafts: Notes) -> None:
        notes = self._files["notes"]
        size = notes.size
        try:
            self._indexer.add_notes(size, drafts, lambda: notes.append(drafts.data))
        except OSError:
            notes.truncate(size)
            raise
        self._bound()

    # --- retention ----------------------------------------------------------------------------------------------------

    def _bound(self) -> None:
        """If the log exceeds `keep`, store the new retained range and remove the oldest segment of the largest file.

        If each file has only its newest segment, the oldest segment of the index is removed, with its records.
        """
        used = sum(file.size - file.first for file in self._files.values()) + self._index_bytes
        if used <= self._next_bound:
            return
        name, file = max(self._files.items(), key=lambda item: item[1].size - item[1].first)
        cut = (file.first // SEGMENT + 1) * SEGMENT
        self._next_bound = used + SEGMENT  # if nothing can be removed now: the last segment of a file stays
        oldest = (name, cut) if cut < file.size else ("index", self._oldest_index_end)
        if self._is_mirrored and used < MIRROR_FACTOR * self._keep and not self._is_acknowledged(*oldest):
            return
        retained = self._retained_after(name, cut) if cut < file.size else self._retained_after_entries()
        if retained is None:
            return
        with contextlib.suppress(OSError):  # disk full: the next append tries again
            retained.write(self._folder)
            self._retained = retained
            if cut < file.size:
                file.drop_before(cut)
            self._indexer.index.drop_before(retained.first)
            self._next_bound = self._keep

    def _is_acknowledged(self, name: str, offset: int) -> bool:
        """Whether the server has a file up to an offset."""
        try:
            return bool(read_json(self._folder / "acknowledged").get(name, 0) >= offset)
        except (FileNotFoundError, ValueError):
            return False

    @property
    def _oldest_index_end(self) -> int:
        """The offset at which the entries of the oldest index segment end, without headers."""
        return ((self._retained.first - 1) // INDEX_SEGMENT + 1) * INDEX_SEGMENT * ENTRY

    @property
    def _index_bytes(self) -> int:
        """Bytes of the index, whose segments are removed as a whole."""
        return (self.lines - (self._retained.first - 1) // INDEX_SEGMENT * INDEX_SEGMENT) * ENTRY

    def _retained_after_entries(self) -> RetainedRange | None:
        """The retained range without the oldest segment of the index; None if that is the newest, too."""
        after = ((self._retained.first - 1) // INDEX_SEGMENT + 1) * INDEX_SEGMENT
        if self.lines <= after:
            return None
        at, ends = self._retained.first - 1, dict(self._retained.ends)
        while at < after and (words := self._indexer.index.read(at, min(1 << 16, after - at))):
            for i in range(0, len(words), 4):
                ends[file_of(words[i + 3])] = words[i] + (words[i + 2] & 0xFFFFFFFF)
            at += len(words) // 4
        return RetainedRange(after + 1, ends)

    def _retained_after(self, name: str, cut: int) -> RetainedRange:
        """The retained range when a file begins at `cut`: no retained record has bytes before it."""
        at, ends = self._retained.first - 1, dict(self._retained.ends)
        first, first_ends = self._retained.first, dict(ends)
        while words := self._indexer.index.read(at, 1 << 16):
            for i in range(0, len(words), 4):
                here = file_of(words[i + 3])
                if here == name and words[i] >= cut:
                    return RetainedRange(first, first_ends)
                ends[here] = words[i] + (words[i + 2] & 0xFFFFFFFF)
                if here == name:
                    first, first_ends = at + i // 4 + 2, dict(ends)
            at += len(words) // 4
        return RetainedRange(first, first_ends)

    # --- damage -------------------------------------------------------------------------------------------------------

    def _repair(self) -> None:
        from ..repair.open import open_log  # noqa: PLC0415 - a new log needs no repair

        self._retained, self._journal = open_log(self._folder, self._files, self._indexer)
        self._publish_losses()

    def _check(self) -> None:
        """Raise Damaged if another process changed a file that is being written."""
        for file in self._files.values():
            file.check(now=True)
        self._indexer.index.check()

    def _despite_damage(self, append: Callable[[], None]) -> None:
        """Append; if another process removed, truncated or replaced an open file, fail over and append again."""
        for _ in range(len(FILES) + 1):
            try:
                if not self._indexer.index.complete:
                    self._fail_over()
                append()
            except Damaged:
                self._fail_over()
                self._publish_losses()
            else:
                return
        append()

    def _fail_over(self) -> None:
        from ..repair.fail_over import fail_over  # noqa: PLC0415 - rarely needed

        fail_over(self._folder, self._files, self._indexer, self._retained.first, self._reports)
        if not self._indexer.index.complete:
            self._indexer.reopen()
            self._repair()

    def _publish_losses(self) -> None:
        """Report losses by system records; if the disk is full, the next call reports the rest."""
        with contextlib.suppress(OSError):
            if self._journal is not None:
                self._journal.publish(lambda: self._files["notes"].size, lambda record: self._publish(Notes([record])))
                self._journal = None
            while self._reports:
                self._publish(Notes(self._reports[:1]))
                del self._reports[0]
