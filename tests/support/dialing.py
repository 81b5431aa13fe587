"""A backend whose runners dial out to a server: `runner.pyz dial` on this machine, as an engine's job. Test support."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from support.loopback import make_private

from jupyter_logstream.backends.archive import runner_archive
from jupyter_logstream.backends.delivery import Target
from jupyter_logstream.backends.dialed import DialedBackend
from jupyter_logstream.backends.places import ThisMachine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection

    from jupyter_logstream.backends.context import BackendContext
    from jupyter_logstream.backends.protocol import Check, Handle, Sighting
    from jupyter_logstream.model.workload import WorkloadSpec
    from jupyter_logstream.wire.delivery import Order


class DialingBackend(DialedBackend):
    """`there`: the folder of everything on the other machine. Jobs are processes of this one, by id in `jobs`.

    `ca`: a file of certificates that its runners trust. `plan`: fields of the DialPlan.
    """

    supports = frozenset({"stdin", "tty", "timeout", "call", "files"})

    def __init__(self, name: str, context: BackendContext, there: str, *, ca: str = "", **plan: float) -> None:
        certificates = Path(ca).read_text() if ca else ""
        super().__init__(
            name, context, Target(ThisMachine(), sys.executable, there), "", peer="localhost", ca=certificates
        )
        self.there, self._plan = Path(there), plan
        self.jobs: dict[str, subprocess.Popen[bytes]] = {}

    def box(self, workload_id: str) -> Path:
        return self.there / "boxes" / workload_id / ".jupyter-logstream"

    def order_file(self, workload_id: str) -> Path:
        """A copy of what was in its package."""
        return self.there / "orders" / workload_id

    async def _start(self, order: Order, spec: WorkloadSpec, before_sending: Callable[[], None]) -> Handle:
        box = self.box(order.id)
        before_sending()
        if not box.exists():
            plan = await self._dial_plan(order, spec)
            make_private(self.there)
            box.mkdir(parents=True, mode=0o700)
            (box / "runner.pyz").write_bytes(runner_archive())
            for path in self.order_file(order.id), box / "order.json":
                path.parent.mkdir(exist_ok=True)
                path.write_text(json.dumps({**plan.to_json(), **self._plan}))
            if spec.call is not None:
                shutil.copyfile(self._folder(order.id).call, box / "call")
            self.jobs[order.id] = self.dial(box)
        return {"job": order.id}

    def dial(self, box: Path) -> subprocess.Popen[bytes]:
        with (box / "job.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-I", str(box / "runner.pyz"), "dial", str(box)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=box.parent,
                env={name: value for name, value in os.environ.items() if not name.startswith("JUPYTER_LOGSTREAM")},
            )  # fmt: skip

    def printed(self, workload_id: str) -> str:
        """The engine's log of the job."""
        return (self.box(workload_id) / "job.log").read_text(errors="replace")

    async def _watch(self, workload_id: str, handle: Handle) -> AsyncIterator[Sighting]:
        async for sighting in self._mirror(workload_id, handle).watch():
            yield sighting

    async def forget(self, workload_id: str, handle: Handle) -> None:  # noqa: ARG002
        if mirror := self._mirrors.pop(workload_id, None):
            await mirror.close()
        shutil.rmtree(self.box(workload_id), ignore_errors=True)

    async def leftovers(self, known: Collection[str]) -> list[str]:  # noqa: ARG002
        return []

    async def check(self) -> list[Check]:
        return []
