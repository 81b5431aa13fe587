"""The registry of workloads: their specifications, states and handles, stored durably. Server.

The engine keeps nothing in memory that it could not load from here after a restart. It must not know who runs a
workload.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from ..backends.protocol import Handle
from ..model.workload import Status, WorkloadSpec
from ..store.disk.files import is_own, open_regular, read_json, replace_file
from ..store.disk.folder import Folder
from ..store.disk.stream_folders import StreamFolders

_CANCEL_FILE = "cancel.json"


class BadEntry(ValueError):
    """What is stored about a workload cannot be read."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is stored about a workload. `created` is Unix milliseconds.

    `summary`: totals of its log by name, once it is final. `handle`: None if no launch is recorded, empty if one has
    begun whose outcome is unknown. `cancel_kept`: see `Registry.keep_cancel`.
    """

    spec: WorkloadSpec
    created: float
    status: Status
    summary: Mapping[str, Any] = field(default_factory=dict)
    handle: Handle | None = None
    cancel_kept: bool = False


class Registry(Protocol):
    """Durable storage of workloads by id. Every method can be called in the event loop: it waits only for the disk."""

    def ids(self) -> list[str]:
        """The ids of all workloads, oldest first."""
        ...

    def create(
        self,
        workload_id: str,
        spec: WorkloadSpec,
        created: float,
        status: Status | None = None,
        payload: Path | None = None,
    ) -> None:
        """Store a new workload, whole or not at all; `payload`: the file with its call. Raises OSError."""
        ...

    def payload(self, workload_id: str) -> Path | None:
        """The file with the call of a workload; None if it has none."""
        ...

    def open_result(self, workload_id: str) -> BinaryIO:
        """Open the result that a workload's process wrote. Raises FileNotFoundError, OSError."""
        ...

    def load(self, workload_id: str) -> Entry:
        """Everything about a workload. Raises BadEntry."""
        ...

    def status(self, workload_id: str) -> tuple[Status, dict[str, Any]]:
        """The stored status, which may be the runner's own record, and the summary. `queued` if none can be read.

        Raises OSError.
        """
        ...

    def save_status(self, workload_id: str, status: Status, summary: Mapping[str, Any]) -> None:
        """Replace status and summary. Only for states that no runner can write. Raises OSError."""
        ...

    def save_handle(self, workload_id: str, handle: Handle) -> None:
        """Store where a launched workload is. Raises OSError."""
        ...

    def keep_cancel(self, workload_id: str) -> None:
        """Store that a cancel was accepted before the workload could be reached, for a later server. Raises OSError."""
        ...

    def remove(self, workload_id: str) -> None:
        """Delete a workload; an unknown id is ignored. Raises OSError."""
        ...


class FolderRegistry:
    """A registry with one folder per workload, shared with the runner and the file store: see `Folder`.

    `folders`: the directory that holds them. The handle is in `handle.json`. A store from before handles existed has
    none: there the pid and boot id in the runner's status are the handle.
    """

    def __init__(self, folders: Path | StreamFolders) -> None:
        self._folders = folders if isinstance(folders, StreamFolders) else StreamFolders(folders)

    def ids(self) -> list[str]:
        """The names of the folders, oldest first, without drafts. A link to a folder is none."""
        return self._folders.names()

    def create(
        self,
        workload_id: str,
        spec: WorkloadSpec,
        created: float,
        status: Status | None = None,
        payload: Path | None = None,
    ) -> None:
        """Create the folder; it gets its name when it is complete. A directory of folders that was removed is made."""
        self._folders.own.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folders.own.mkdir(mode=0o700, exist_ok=True)
        self._folder(workload_id).create(spec, created, status, payload)

    def payload(self, workload_id: str) -> Path | None:
        """The file `call` of the folder."""
        path = self._folder(workload_id).call
        return path if path.is_file() and not path.is_symlink() else None

    def open_result(self, workload_id: str) -> BinaryIO:
        """Open the file `result` of the folder; anything but a regular file is no result."""
        try:
            return open_regular(self._folder(workload_id).result)
        except ValueError as error:
            raise FileNotFoundError(str(error)) from None

    def load(self, workload_id: str) -> Entry:
        """Read spec, status and handle."""
        folder = self._folder(workload_id)
        try:
            spec, created = folder.read_spec()
            status, summary = self.status(workload_id)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            problem = error.strerror if isinstance(error, OSError) else None  # without the path: callers see it
            raise BadEntry(problem or str(error)) from error
        kept = is_own(folder.path / _CANCEL_FILE)
        return Entry(spec, created, status, summary, self._handle(folder, status), kept)

    def status(self, workload_id: str) -> tuple[Status, dict[str, Any]]:
        """Read the status, which the runner replaces as long as it lives."""
        try:
            return self._folder(workload_id).read_status()
        except ValueError:  # damaged, or another kind of file: replaced by the final state
            return Status(), {}

    def save_status(self, workload_id: str, status: Status, summary: Mapping[str, Any]) -> None:
        """Replace the status. The runner must be gone, or never have been started on this machine."""
        self._folder(workload_id).write_status(status, **summary)

    def save_handle(self, workload_id: str, handle: Handle) -> None:
        """Replace the handle. Without fsync: launching again is safe, so a handle can be lost at a power cut."""
        replace_file(self._folder(workload_id).path / "handle.json", json.dumps(dict(handle)).encode(), sync=False)

    def keep_cancel(self, workload_id: str) -> None:
        """Create the file `cancel.json`; it stays, since the workload ends by it."""
        replace_file(self._folder(workload_id).path / _CANCEL_FILE, b"{}")

    def remove(self, workload_id: str) -> None:
        """Delete the folder, if dropping the log has not done that already."""
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._folder(workload_id).path)

    def _folder(self, workload_id: str) -> Folder:
        return Folder(self._folders / workload_id)

    @staticmethod
    def _handle(folder: Folder, status: Status) -> Handle | None:
        """The stored handle. If it is missing or damaged: None before a launch, empty if one may have begun."""
        try:
            return read_json(folder.path / "handle.json")
        except (OSError, ValueError):
            if status.state != "queued":
                return {"pid": status.pid, "boot": status.boot}
            return {} if folder.has_run() else None
