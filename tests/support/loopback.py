"""A backend whose other machine is this one: the runner's archive and a mirror over a command's pipe. Test support."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from jupyter_logstream.backends.archive import runner_archive
from jupyter_logstream.backends.environment import child_environment
from jupyter_logstream.backends.mirror import Mirror
from jupyter_logstream.backends.pipe import CommandPipe, Pipe
from jupyter_logstream.model.spec import SpecError
from jupyter_logstream.store.disk.files import make_private, read_file, replace_file
from jupyter_logstream.store.disk.folder import Folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from jupyter_logstream.backends.configured import BackendContext
    from jupyter_logstream.backends.protocol import Handle, Sighting
    from jupyter_logstream.model.workload import WorkloadSpec


class LoopbackBackend:
    """Workloads in folders below `there`, mirrored to the server's store. `python`: the interpreter of the runner."""

    supports = frozenset({"stdin", "tty", "timeout", "call"})

    def __init__(self, name: str, context: BackendContext, there: Path, python: str = sys.executable) -> None:
        self.name, self._folders, self._there, self._python = name, context.folders, there, python
        self._run = context.run
        self._mirrors: dict[str, Mirror] = {}
        self.archive = there / "runner.pyz"
        make_private(there)
        if not self.archive.exists():
            replace_file(self.archive, runner_archive())

    def resolve(self, spec: WorkloadSpec) -> WorkloadSpec:
        if spec.cwd and not os.path.isdir(spec.cwd):
            raise SpecError("cwd", "does not exist")
        return replace(spec, cwd=spec.cwd or "/", env=child_environment(os.environ, spec.env, tty=spec.tty))

    def plan(self, spec: WorkloadSpec) -> str:
        return spec.command_line

    async def launch(self, workload_id: str, spec: WorkloadSpec) -> Handle:  # noqa: ARG002 - it is in the folder
        here, there = self._folders / workload_id, self.there(workload_id)
        if not there.path.exists():
            make_private(there.path)
            replace_file(there.path / "spec.json", read_file(here / "spec.json"))
            replace_file(there.path / "run.json", json.dumps(asdict(self._run)).encode())
        await asyncio.to_thread(self.command, "run", str(there.path))
        return {"there": str(there.path)}

    def command(self, *arguments: str) -> dict[str, Any]:
        """The line of JSON that a command of the archive prints."""
        ran = subprocess.run(self._argv(*arguments), capture_output=True, check=False, timeout=60)
        assert ran.stdout, ran.stderr.decode()
        return json.loads(ran.stdout)

    def there(self, workload_id: str) -> Folder:
        """The folder in which the runner writes."""
        return Folder(self._there / "jobs" / workload_id)

    async def open_pipe(self, workload_id: str) -> Pipe:
        """A pipe to the remote end; tests replace it to break connections."""
        return await CommandPipe.open(self._argv("serve", str(self.there(workload_id).path)))

    async def watch(self, workload_id: str, handle: Handle) -> AsyncIterator[Sighting]:  # noqa: ARG002
        async for sighting in self.mirror(workload_id).watch():
            yield sighting

    async def cancel(self, workload_id: str, handle: Handle, grace_s: float) -> None:  # noqa: ARG002
        await self.mirror(workload_id).cancel(grace_s)

    async def send(self, workload_id: str, handle: Handle, data: bytes, *, eof: bool = False) -> None:  # noqa: ARG002
        await self.mirror(workload_id).send(data, eof=eof)

    async def forget(self, workload_id: str, handle: Handle) -> None:  # noqa: ARG002
        await self.mirror(workload_id).forget()

    async def log_complete(self, workload_id: str) -> None:
        await self.mirror(workload_id).complete()

    def mirror(self, workload_id: str) -> Mirror:
        if workload_id not in self._mirrors:
            folder = Folder(self._folders / workload_id)
            self._mirrors[workload_id] = Mirror(folder, lambda: self.open_pipe(workload_id), place="loopback")
        return self._mirrors[workload_id]

    def _argv(self, *arguments: str) -> list[str]:
        return [self._python, "-I", str(self.archive), *arguments]
