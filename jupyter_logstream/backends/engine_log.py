"""An engine's own log of a workload as the workload's log, where no runner can send one. Server; stdlib.

Engines merge the outputs, and lose or repeat lines when they rotate logs or when a connection breaks, so the log begins
with a record that reports where it comes from.
"""

from __future__ import annotations

import asyncio
import os

from ..model.protocol import now_ms
from ..model.records import Record
from ..store.disk.files import replace_file
from ..store.disk.folder import Folder
from ..store.disk.writer import LogWriter

LABEL = "engine log: may miss or repeat lines"
_MARK_FILE = "engine-log"
_LOCK_RETRY_S = 0.2


class EngineLog:
    """Writes the log in `folder`. `keep`: its maximum size in bytes. Open it, and close it: one writer per log."""

    def __init__(self, folder: Folder, keep: int) -> None:
        self._folder, self._keep = folder, keep
        self._lock = -1
        self.position = 0  # bytes of the engine's log that are here

    @staticmethod
    def is_used(folder: Folder) -> bool:
        """Whether the log of this workload is its engine's, from its begin to its end."""
        return (folder.path / _MARK_FILE).exists()

    async def open(self, why: str = "") -> None:
        """Begin the log, or continue it. `why`: the reason why no runner sends it, for people. OSError.

        Without `why` it continues the log of a runner, for notes.
        """
        while (lock := self._folder.lock()) is None:  # noqa: ASYNC110 - locks have no event
            await asyncio.sleep(_LOCK_RETRY_S)
        self._lock = lock
        self._writer = LogWriter(self._folder.path, keep=self._keep)
        self.position = self._writer.tally.bytes
        if why and not self.is_used(self._folder):
            self.note("warn", f"{LABEL}. {why}")
            replace_file(self._folder.path / _MARK_FILE, b"")

    def append(self, offset: int, data: bytes) -> None:
        """Append bytes at an offset of the engine's log; what is here already is left out. OSError."""
        if new := data[max(self.position - offset, 0) :]:
            self._writer.write("stdout", new)
            self.position += len(new)

    def note(self, level: str, text: str) -> None:
        """Add a record of this server. OSError."""
        self._writer.publish([Record(0, now_ms(), level, text, source="system")])

    def close(self) -> None:
        """Close the files; the engine of this server ends the log."""
        if self._lock >= 0:
            self._writer.release()
            os.close(self._lock)
            self._lock = -1
