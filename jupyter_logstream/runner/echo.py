"""Copy of a workload's output to standard output, for engines that store it. Runs in `runner.pyz`; stdlib."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

from ..store.disk.download import Download

_INTERVAL_S = 0.1


class Echo:
    """Prints the log in `folder`, masked as it is stored, from its begin on; by a thread, until `finish`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._printed = 0
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
                self._copy()

    def _copy(self) -> None:
        with contextlib.closing(Download(self._folder, None)) as log:
            for data in log.chunks(self._printed, log.size):
                view = memoryview(data)
                while view:
                    view = view[os.write(1, view) :]
                self._printed += len(data)
