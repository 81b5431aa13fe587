"""Copy of a workload's log to standard output, for engines that store it. Runs in `runner.pyz`; stdlib."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

from ..store.disk.download import Download
from ..store.disk.layout import segment_path, segments
from ..store.disk.notes import parse_note

_INTERVAL_S = 0.1
_READ_BYTES = 1 << 20  # more than a published record has


class Echo:
    """Prints the log in `folder`, masked as it is stored, from its begin on; by a thread, until `finish`.

    A published record is a line with its level, between lines of the output.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._printed = 0
        self._is_at_line_start = True
        self._notes_segment, self._notes_offset = 0, 0
        self._is_last = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def has_begun(self) -> bool:
        """Whether it prints."""
        return self._thread is not None

    def begin(self) -> None:
        """Start printing."""
        self._thread = threading.Thread(target=self._run, name="echo", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Print the rest, if it prints."""
        if self._thread is not None:
            self._is_last.set()
            self._thread.join()

    def _run(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._is_last.wait(_INTERVAL_S)
            with contextlib.suppress(OSError, ValueError):  # not written yet, or its reader is gone
                self._copy_output()
            with contextlib.suppress(OSError, ValueError):  # as above
                if is_last and not self._is_at_line_start:
                    self._print(b"\n")
                if self._is_at_line_start:
                    self._copy_records()

    def _copy_output(self) -> None:
        with contextlib.closing(Download(self._folder, None)) as log:
            for data in log.chunks(self._printed, log.size):
                self._print(data)
                self._printed += len(data)

    def _copy_records(self) -> None:
        for number in segments(self._folder, "notes"):
            if number > self._notes_segment:
                self._notes_segment, self._notes_offset = number, 0
            if number == self._notes_segment:
                with segment_path(self._folder, "notes", number).open("rb") as file:
                    file.seek(self._notes_offset)
                    while lines := self._whole_lines(file.read(_READ_BYTES)):
                        self._print(b"".join(map(_as_text, lines)))
                        self._notes_offset += sum(map(len, lines))
                        file.seek(self._notes_offset)

    @staticmethod
    def _whole_lines(data: bytes) -> list[bytes]:
        return data[: data.rfind(b"\n") + 1].splitlines(keepends=True)

    def _print(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(1, view) :]
        self._is_at_line_start = data.endswith(b"\n")


def _as_text(note: bytes) -> bytes:
    record = parse_note(note)
    return f"{record.level.upper()} {record.message}\n".encode(errors="replace")
