"""The server's engine, registry and store without HTTP. Test support."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from support.waiting import eventually

from jupyter_logstream.backends.context import BackendContext
from jupyter_logstream.backends.local import LocalBackend
from jupyter_logstream.model.spec import check_spec
from jupyter_logstream.model.workload import Status
from jupyter_logstream.server.engine import Engine
from jupyter_logstream.server.registry import FolderRegistry
from jupyter_logstream.server.retention import Limits
from jupyter_logstream.store.disk.file_store import FileStore
from jupyter_logstream.store.disk.folder import Folder, RunParameters


def local_backend(root: Path) -> LocalBackend:
    """The local backend of a store at `root`, with a short grace time."""
    return LocalBackend("local", BackendContext(root / "streams", root, RunParameters(grace_s=0.5)))


Start = Callable[..., Awaitable["Server"]]


class Server:
    """A file store, a folder registry and an engine with one backend, the local one by default.

    Other keyword arguments are fields of `Limits`.
    """

    def __init__(self, root: Path, backend: Any = None, **limits: Any) -> None:
        self.store = FileStore(root)
        self.registry = FolderRegistry(self.store.folders)
        self.backend = backend = backend or local_backend(root)
        limits = Limits(**{"grace_s": 0.5, **limits})
        self.engine = Engine(self.store, self.registry, {backend.name: backend}, limits, logging.getLogger("test"))

    async def start(self, command: Any, **spec: Any) -> str:
        workload, _ = await self.engine.submit(check_spec({"command": command, **spec}))
        return workload.id

    async def end(self, workload_id: str) -> Status:
        await eventually(lambda: self.engine.get(workload_id).status.final)
        return self.engine.get(workload_id).status

    def lines(self, workload_id: str) -> list[str]:
        return self.store.read(workload_id, 0, 5000).messages

    def folder(self, workload_id: str) -> Folder:
        return self.store.folder(workload_id)

    async def stop(self) -> None:
        await self.engine.close()
        self.store.close()
