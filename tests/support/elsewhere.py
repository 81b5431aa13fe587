"""An engine whose only backend runs workloads on another machine. Test support."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.server_side import Server
from support.waiting import eventually

from jupyter_logstream.backends.configured import make_backends
from jupyter_logstream.backends.context import BackendContext
from jupyter_logstream.store.disk.folder import RunParameters
from jupyter_logstream.store.disk.stream_folders import StreamFolders

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_logstream.model.workload import Status


_PATIENCE_S = 120.0  # until a scheduler on a busy machine has started and ended it


class Elsewhere(Server):
    """`there`: the folder of all workloads on the other machine, which is this one. `settings`: of the context."""

    def __init__(self, root: Path, name: str, entry: dict[str, Any], **settings: Any) -> None:
        context = BackendContext(StreamFolders(root / "streams"), root, RunParameters(grace_s=0.5), **settings)
        backends, problems = make_backends({name: entry}, context)
        assert not problems, problems
        super().__init__(root, backends[name])
        self.name = name
        self.there: Path = root.parent / "there"

    async def start(self, command: Any, **spec: Any) -> str:
        return await super().start(command, **{"backend": self.name, **spec})

    async def end(self, workload_id: str) -> Status:
        await eventually(lambda: self.engine.get(workload_id).status.final, _PATIENCE_S)
        return self.engine.get(workload_id).status

    async def run(self, command: Any, **spec: Any) -> str:
        """Start a workload and wait for its end."""
        workload_id = await self.start(command, **spec)
        await self.end(workload_id)
        return workload_id

    def text(self, workload_id: str) -> str:
        return "\n".join(self.lines(workload_id))
