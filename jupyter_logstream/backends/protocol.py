"""Backends: where a workload runs. Server side.

`Backend` is what each promises, in four methods over a workload's folder; whoever has the folder has the workload. This
package must not know the store, HTTP, or which workloads there are.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from ..model.workload import Status
from ..store.disk.folder import Folder

__all__ = ["Backend", "CannotLaunch", "CannotReach", "CannotSend"]


class CannotLaunch(OSError):
    """The system has no room for another process or file just now; nothing was started."""


class CannotReach(RuntimeError):
    """The workload's runner lives but does not answer."""


class CannotSend(ValueError):
    """The workload takes no input; `reason` is `no_stdin`, `stdin_closed` or `ended`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Backend(Protocol):
    """Starts workloads somewhere and tells how they go on."""

    async def launch(self, folder: Folder) -> None:
        """Start the workload whose spec is in the folder. Raises CannotLaunch: it was not started, nothing is left."""
        ...

    def watch(self, folder: Folder) -> AsyncIterator[Status]:
        """Its status now and after each change; ends with a final one.

        Also for a workload launched by an earlier server. One that has nobody left to run it is `lost`.
        """
        ...

    async def cancel(self, folder: Folder, grace: float) -> None:
        """Ask its whole process tree to end, and make it after `grace` seconds. Does nothing when it has ended.

        Raises CannotReach.
        """
        ...

    async def send(self, folder: Folder, data: bytes, *, eof: bool = False) -> None:
        """Bytes for its standard input, then its end if `eof`; returns when they were taken. Raises CannotSend."""
        ...
