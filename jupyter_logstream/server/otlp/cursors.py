"""Durable positions of the push to OpenTelemetry: which records were accepted by the collector. Server; small files.

The position of a workload is a file in its folder, so it is deleted and moved with the log. A position that cannot be
read counts as the beginning, one that cannot be written is kept in memory: then records are sent twice, never not at
all.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

from ...store.disk.files import read_json, replace_file, write_json
from ...store.disk.stream_folders import StreamFolders

FILE = "otlp.json"


class Cursors:
    """Positions of all streams. `root`: the store's folder; `first_call`: the position in the request log at first.

    `since`: Unix ms at which the push was configured first; workloads that had ended before are not sent.
    """

    def __init__(self, folders: StreamFolders, root: Path, first_call: int) -> None:
        self._folders, self._path = folders, root / FILE
        self._known: dict[str, int] = {}  # of this server's start; one number per workload that was sent
        self._state = {"since": time.time() * 1000, "requests": first_call}
        found = _read(self._path)
        if all(isinstance(found.get(name), int | float) for name in self._state):
            self._state = {name: found[name] for name in self._state}
        else:
            with contextlib.suppress(OSError):  # the disk is full: the next move writes it
                write_json(self._path, self._state)

    @property
    def since(self) -> float:
        """See the class."""
        return self._state["since"]

    @property
    def calls(self) -> int:
        """The position in the request log."""
        return int(self._state["requests"])

    def get(self, workload_id: str) -> int:
        """The last record of a workload that needs no sending any more; 0 if there is none."""
        if workload_id not in self._known:
            sent = _read(self._folders / workload_id / FILE).get("sent")
            self._known[workload_id] = sent if isinstance(sent, int) and sent >= 0 else 0
        return self._known[workload_id]

    def set(self, workload_id: str, seq: int) -> None:
        """Move the position of a workload. Raises OSError if it cannot be stored; it counts until the server stops."""
        self._known[workload_id] = seq
        with contextlib.suppress(FileNotFoundError):  # it was deleted meanwhile
            replace_file(self._folders / workload_id / FILE, b'{"sent": %d}' % seq, sync=False)

    def set_calls(self, seq: int) -> None:
        """Move the position in the request log. Raises OSError as `set`."""
        self._state["requests"] = seq
        write_json(self._path, self._state)

    def forget(self, workload_id: str) -> None:
        """Drop what is in memory of a workload; its file stays."""
        self._known.pop(workload_id, None)


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except (OSError, ValueError):
        return {}
