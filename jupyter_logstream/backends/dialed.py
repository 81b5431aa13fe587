"""Base of backends whose runners connect to this server, since nothing can connect to them. Server.

A subclass starts the workload somewhere with a `DialPlan`; the mirror then uses the connections that arrive.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from ..wire.delivery import DialPlan, Order
from .delivery import Target
from .dial_in import DialIn
from .protocol import CannotLaunch, Handle, Sighting
from .remote import RemoteBackend

if TYPE_CHECKING:
    from ..model.workload import WorkloadSpec
    from .context import BackendContext
    from .pipe import Pipe

NO_URL = "other machines cannot reach this server: set c.LogStream.public_url to its URL for them"


class DialedBackend(RemoteBackend):
    """See the module. `target.root`: the folder of workloads on the other machines. `peer`: the host of one of them.

    `ca`: certificates (PEM) that the runners trust besides those of their machine.
    """

    def __init__(
        self, name: str, context: BackendContext, target: Target, setup: str, *, peer: str, ca: str = ""
    ) -> None:
        super().__init__(name, context, target, setup)
        self.dial_in = DialIn(self._folder)
        self._find_url, self._peer, self._ca = context.public_url, peer, ca

    async def watch(self, workload_id: str, handle: Handle) -> AsyncIterator[Sighting]:
        """See RemoteBackend."""
        self.dial_in.expect(workload_id)
        is_final = False
        try:
            async for sighting in self._watch(workload_id, handle):
                is_final = sighting.state == "lost" or self._folder(workload_id).read_status()[0].final
                yield sighting
        finally:
            if not is_final:
                await self.dial_in.release(workload_id)

    async def log_complete(self, workload_id: str) -> None:
        """See HasLateOutput. From then on the runner's token gives no access."""
        await super().log_complete(workload_id)
        self.dial_in.end(workload_id)
        await self.dial_in.release(workload_id)

    @abstractmethod
    def _watch(self, workload_id: str, handle: Handle) -> AsyncIterator[Sighting]:
        """Report the workload's states; the mirror's are those of `super().watch`."""

    async def _open(self, workload_id: str, handle: Handle) -> Pipe:  # noqa: ARG002 - the runner knows its own
        return await self.dial_in.next_pipe(workload_id)

    async def _public_url(self) -> str:
        """This server's URL for the runners; "" if it has none that they reach."""
        return await asyncio.to_thread(self._find_url, self._peer)

    async def _dial_plan(self, order: Order, spec: WorkloadSpec) -> DialPlan:
        """What the runner of an order needs to connect to this server.

        Raises CannotLaunch if it cannot connect and the workload needs a connection.
        """
        base = await self._public_url()
        if not base and (spec.call or spec.stdin):
            problem = "its result could not come back" if spec.call else "it could get no input"
            raise CannotLaunch(None, f"{problem}: {NO_URL}")
        url = f"{base.rstrip('/')}/logstream/v1/workloads/{order.id}/runner" if base else ""
        return DialPlan(order, self._target.root, url, self.dial_in.token(order.id), ca=self._ca)
