"""What a server has of workloads, without its HTTP: for the tests of the engine."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from support.waiting import eventually

from jupyter_logstream.model.spec import check_spec
from jupyter_logstream.model.workload import Status
from jupyter_logstream.server.engine import Engine
from jupyter_logstream.server.retention import Limits
from jupyter_logstream.store.disk.file_store import FileStore
from jupyter_logstream.store.disk.folder import Folder

Start = Callable[..., Awaitable["Server"]]


class Server:
    """What a server has of workloads: a store and an engine. `kill`: leave everything as it is."""

    def __init__(self, root: Path, backend: Any, **limits: Any) -> None:
        self.store = FileStore(root)
        limits = {"grace": 0.5, **limits}
        self.engine = Engine(self.store, {"local": backend}, root, Limits(**limits), logging.getLogger("test"))

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
