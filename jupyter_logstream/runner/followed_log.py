"""The log of a workload that follows files: lines by file, masked, after their position was stored. Runner; stdlib.

Lines of several files are stored as whole lines; a record `==> NAME <==` begins a step of the file's name wherever the
lines of another file follow. Nothing is dropped while the disk is full: it waits.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from ..model.protocol import now_ms
from ..model.records import Record
from ..model.unprintable import UNPRINTABLE_IN_NAME
from ..model.workload import WorkloadSpec
from ..store.disk.files import remove_own
from ..store.disk.folder import Folder, RunParameters
from ..store.disk.segments import read_range
from ..store.disk.writer import LogWriter
from ..text.redactor import Redactor, parse_masks, secret_values
from .disk_full import DISK_FULL, DISK_RETRY_S, insist
from .followed_file import FollowedFile
from .followed_positions import Position, PositionJournal

HELD_S = 0.2
"""The last letters of an unfinished line that could begin a secret are shown after this time without new bytes."""

OPEN_LINE_S = 5.0
"""An unfinished line is given up after this time if another file has lines."""

_SOURCE = "stdout"
_MAX_STEP_CHARS = 200


class FollowedLog:
    """Writes lines of files to the log in a folder. `restored`: positions of an earlier runner, None if there was none.

    `shows_names`: whether records name the files. Bound: one read of each file waits while the disk is full.
    """

    def __init__(self, folder: Folder, spec: WorkloadSpec, parameters: RunParameters) -> None:
        self._journal = PositionJournal(folder)
        self.restored = self._journal.restored
        if self.restored is not None:
            remove_own(folder.path / "end")
        self._log = LogWriter(folder.path, keep=parameters.log_bytes)
        masks = parse_masks(parameters.masks)
        secrets = secret_values(spec.env, parameters.secret_names)
        self._redactor = Redactor([*secrets, *masks.values], masks.patterns)
        self._redactors: dict[FollowedFile, Redactor] = {}
        self._unwritten: deque[Callable[[], object]] = deque()  # writes that wait for disk space
        self.shows_names = False
        self._owner: FollowedFile | None = None  # the file of the last line
        self._shown_name = ""
        size = self._log.size(_SOURCE)
        self._is_line_open = bool(size) and read_range(folder.path, _SOURCE, size - 1, size) != b"\n"
        self._journaled: frozenset[tuple[int, int]] | None = None  # the files that the journal names
        if unknown := self._journal.unknown_bytes:
            self.report([f"the files of the last {unknown} bytes before this line are unknown: they may follow again"])
        if lost := self._journal.lost_bytes:
            self.report([f"{lost} bytes before this line were lost with the machine's power"])

    @property
    def holds_few(self) -> bool:
        """Whether letters are held back that are shown after HELD_S."""
        return any(redactor.holds_few for redactor in self._redactors.values())

    def track(self, files: Iterable[FollowedFile], positions: Callable[[], list[Position]]) -> None:
        """Store the positions of all files, if other ones are open now. Call it before lines of new files follow."""
        by_ident = {file.ident: file for file in files}
        if self._journaled is None:
            self._continue_line(by_ident.get(self._journal.last or (0, 0)))
        if by_ident.keys() != self._journaled or self._journal.is_large:
            self._journaled = frozenset(by_ident)
            found, last = positions(), None if self._owner is None else self._owner.ident
            self._put(lambda: self._journal.replace(self._log.size(_SOURCE), found, last))

    def _continue_line(self, owner: FollowedFile | None) -> None:
        """Go on in the line that an earlier runner left open, if its file is still there."""
        self._owner = owner
        if owner is not None:
            self._shown_name = owner.name
        elif self._is_line_open:
            self._finish_line()

    def may_write(self, file: FollowedFile) -> bool:
        """Whether lines of a file can follow now: not while a line of another one is being written."""
        owner = self._owner
        is_free = owner is None or owner is file or not self._is_line_open
        return is_free or (owner is not None and time.monotonic() - owner.changed >= OPEN_LINE_S)

    def write(self, file: FollowedFile, data: bytes) -> None:
        """Append the next bytes of a file."""
        if self._owner is not file:
            self._switch_to(file)
        redactor = self._redactors.setdefault(file, self._redactor.fork())
        before, end = redactor.masked, data.rfind(b"\n") + 1
        lines = redactor.feed(data[:end]) if end else b""
        is_settled = bool(end) and redactor.is_settled  # another runner can begin behind these lines
        rest = redactor.feed(data[end:]) if end < len(data) else b""
        settled = (file.offset - len(data) + end, len(rest)) if is_settled else None
        self._append(file, lines + rest, redactor.masked - before, settled)

    def end_line(self, file: FollowedFile) -> None:
        """Store what is held back of the file of the last line, and make a record of its unfinished line."""
        if self._owner is not file:
            return
        if (redactor := self._redactors.get(file)) is not None:
            before = redactor.masked
            self._append(file, redactor.finish(), redactor.masked - before, (file.offset, 0))
        if self._is_line_open:
            self._finish_line()

    def release(self) -> None:
        """Show the last letters of an unfinished line that are held back, since no more bytes come."""
        owner = self._owner
        if owner is not None and owner in self._redactors and time.monotonic() - owner.changed >= HELD_S:
            self._append(owner, self._redactors[owner].release(), 0)

    def close_file(self, file: FollowedFile, deadline: float) -> None:
        """Store the rest of a file that ends here, an unfinished line included, and close it."""
        while time.monotonic() < deadline and (data := file.read(whole_lines=False)):
            self.write(file, data)
        if self._owner is not file and file in self._redactors and (rest := self._redactors[file].finish()):
            self._switch_to(file)  # it was held back when others followed
            self._append(file, rest, 0, (file.offset, 0))
        self.end_line(file)
        self._redactors.pop(file, None)
        if self._owner is file:
            self._owner = None
        file.close()

    def report(self, texts: Iterable[str]) -> None:
        """Publish irregularities."""
        for text in texts:
            self._publish(Record(0, now_ms(), "warn", self._redactor.mask(displayed(text)), source="system"))

    def flush(self) -> bool:
        """Write what waits; returns whether all is written."""
        while self._unwritten:
            try:
                self._unwritten[0]()
            except OSError as error:
                if error.errno not in DISK_FULL:
                    raise
                return False
            self._unwritten.popleft()
        return True

    def flush_all(self) -> None:
        """Write what waits, however long the disk is full."""
        while not self.flush():
            time.sleep(DISK_RETRY_S)

    def close(self) -> dict[str, Any]:
        """End the log and return its summary."""
        return insist(self._log.close).summary()

    def forget_positions(self) -> None:
        """Remove the journal: the workload is final."""
        self._journal.close()

    # --- appends ------------------------------------------------------------------------------------------------------

    def _append(self, file: FollowedFile, output: bytes, masked: int, settled: tuple[int, int] | None = None) -> None:
        """Append masked bytes of a file, but what the log has of them, with the position after them.

        `settled`: where another runner can begin, and how many of the bytes follow from there; None: where it could.
        """
        dropped = min(file.skip, len(output))
        file.skip -= dropped
        base, done = file.base, file.done + dropped
        file.mark_stored(*(settled or (base, file.done + len(output))))
        if output := output[dropped:]:
            self._put(partial(self._store, output, masked, base, done, file.position))
            self._is_line_open = not output.endswith(b"\n")

    def _store(self, output: bytes, masked: int, base: int, done: int, after: Position) -> None:
        self._journal.announce(self._log.size(_SOURCE), len(output), base, done, after)
        self._log.write(_SOURCE, output, masked)

    def _finish_line(self) -> None:
        self._put(partial(self._log.finish_line, _SOURCE))
        self._is_line_open = False

    def _switch_to(self, file: FollowedFile) -> None:
        if self._is_line_open and self._owner is not None:
            self.end_line(self._owner)
        self._owner = file
        if self.shows_names and file.name != self._shown_name:
            self._shown_name = file.name
            name = UNPRINTABLE_IN_NAME.sub("\N{REPLACEMENT CHARACTER}", self._redactor.mask(displayed(file.name)))
            record = Record(0, now_ms(), "unknown", f"==> {name} <==", step=name[:_MAX_STEP_CHARS], source="log")
            self._publish(record)

    def _publish(self, record: Record) -> None:
        self._put(lambda: self._log.publish([record]))

    def _put(self, write: Callable[[], object]) -> None:
        """Write behind what waits; a full disk makes it wait."""
        self._unwritten.append(write)
        self.flush()


def displayed(text: str) -> str:
    """`text` with U+FFFD for bytes that are not UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
