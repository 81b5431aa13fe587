"""A backend whose machine a test plays, from another process: it runs nothing. Test support.

The test writes sightings into files of a folder, the backend reads them and notes what it was asked for. It is
configured by its import string, `support.scripted_backend:ScriptedBackend`, as a backend of another package would be.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_logstream.backends.protocol import CannotLaunch, CannotReach, Check, Handle, NotReached, Sighting
from jupyter_logstream.model.protocol import FINAL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from jupyter_logstream.model.workload import WorkloadSpec

_POLL_S = 0.02
TYPE = "support.scripted_backend:ScriptedBackend"


class ScriptedBackend:
    """Reads `FOLDER/machine` (`up`, `down`, or `refuses: TEXT`) and `FOLDER/ID` (sightings, a JSON object a line)."""

    supports = frozenset({"tty", "timeout", "files", "options:gpus", "options:time"})

    def __init__(self, name: str, context: Any, *, folder: str) -> None:  # noqa: ARG002 - as every factory
        self.name = name
        self._folder = Path(folder)

    def resolve(self, spec: WorkloadSpec) -> WorkloadSpec:
        return replace(spec, cwd=spec.cwd or "~/work")

    def plan(self, spec: WorkloadSpec) -> str:
        options = "".join(f"#SBATCH --{name}={value}\n" for name, value in spec.options.items())
        names = "".join(f"# needs {name}\n" for name in spec.env)
        return f"#!/bin/sh\n{options}{names}cd {spec.cwd}\n{spec.command_line}"

    async def launch(self, workload_id: str, spec: WorkloadSpec) -> Handle:
        machine = self._machine()
        if machine == "down":
            raise NotReached(f"ssh: connect to host {self.name} port 22: Connection refused")
        if machine != "up":
            raise CannotLaunch(None, machine.removeprefix("refuses: "))
        self._note("launch", workload_id, files=list(spec.files), files_from=spec.files_from, env=dict(spec.env))
        return {"job": workload_id}

    async def watch(self, workload_id: str, handle: Handle) -> AsyncIterator[Sighting]:  # noqa: ARG002
        seen = 0
        while True:
            path = self._folder / workload_id
            lines = path.read_text().splitlines(keepends=True) if path.exists() else []
            for line in lines[seen:]:
                if not line.endswith("\n"):
                    break
                seen += 1
                sighting = Sighting(**json.loads(line))
                yield sighting
                if sighting.state in FINAL:
                    return
            await asyncio.sleep(_POLL_S)

    async def cancel(self, workload_id: str, handle: Handle, grace_s: float) -> None:  # noqa: ARG002
        if self._machine() == "down":
            raise CannotReach(f"no connection to {self.name}")
        self._note("cancel", workload_id)
        Machine(self._folder).report(workload_id, "cancelled")

    async def send(self, workload_id: str, handle: Handle, data: bytes, *, eof: bool = False) -> None:
        raise NotImplementedError

    async def forget(self, workload_id: str, handle: Handle) -> None:  # noqa: ARG002
        self._note("forget", workload_id)

    async def check(self) -> list[Check]:
        if self._machine() == "down":
            found = f"ssh: connect to host {self.name} port 22: Connection refused"
            return [Check("connect by ssh", ok=False, found=found, advice="check the entry in ~/.ssh/config")]
        return [Check("connect by ssh", ok=True, found="OpenSSH_9.2"), Check("run Python", ok=True, found="3.11.2")]

    async def leftovers(self, known: Collection[str]) -> list[str]:
        return [f"~/.cache/jupyter-logstream/{name}" for name in ("01OLD",) if name not in known]

    def _machine(self) -> str:
        path = self._folder / "machine"
        return path.read_text() if path.exists() else "up"

    def _note(self, call: str, workload_id: str, **known: Any) -> None:
        with (self._folder / "calls").open("a") as file:
            file.write(json.dumps([call, workload_id, known]) + "\n")


@dataclass
class Machine:
    """The test's end: it plays the machine."""

    folder: Path

    def config(self, name: str = "gpu1") -> str:
        """The server's option that configures the backend."""
        self.folder.mkdir(parents=True, exist_ok=True)
        backends = {"local": {"type": "local"}, name: {"type": TYPE, "folder": str(self.folder)}}
        return f"--LogStream.backends={backends!r}"

    def is_(self, state: str) -> None:
        """Set how the machine answers: `up`, `down`, or `refuses: TEXT`."""
        new = self.folder / "machine.new"
        new.write_text(state)
        new.replace(self.folder / "machine")

    def report(self, workload_id: str, state: str, **known: Any) -> None:
        """Report a sighting."""
        with (self.folder / workload_id).open("a") as file:
            file.write(json.dumps({"state": state, **known}) + "\n")

    def calls(self, call: str) -> list[tuple[str, dict[str, Any]]]:
        """The ids and parameters of the calls of a kind so far."""
        path = self.folder / "calls"
        found = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [(workload_id, known) for kind, workload_id, known in found if kind == call]
