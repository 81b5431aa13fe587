"""Base of backends whose workloads run on other machines: delivery there, and a mirror of each log here. Server.

The runner there writes the same folder as a local one; a `Mirror` copies its log. A subclass decides where a workload
is delivered to and how a pipe to its runner is opened.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..model.workload import WorkloadSpec, shell_join
from ..store.disk.files import is_own, read_file, replace_file
from ..store.disk.folder import Folder
from ..wire.delivery import Order
from .delivery import Delivered, Target, deliver
from .environment import child_environment
from .mirror import Mirror
from .pipe import Pipe
from .protocol import CannotLaunch, CannotReach, Handle, NotReached, Sighting
from .sent_files import find_files, hash_file, hash_files

if TYPE_CHECKING:
    from .context import BackendContext

CALL_FILE = "call"
_SENT, _ACCEPTED = b"sent", b"accepted"  # an order may have arrived there; its machine was reached before


class RemoteBackend(ABC):
    """See the module. `setup`: shell commands before each command; `target`: where workloads are delivered to.

    Bound: one mirror per workload that is watched.
    """

    def __init__(self, name: str, context: BackendContext, target: Target, setup: str) -> None:
        self.name = name
        self._folders, self._run = context.folders, context.run
        self._target, self._setup = target, setup
        self._mirrors: dict[str, Mirror] = {}
        self._opened: dict[str, Pipe] = {}  # by the launch, for the mirror's first connection
        self._was_reached = False

    @property
    @abstractmethod
    def supports(self) -> frozenset[str]:
        """See Backend."""

    @abstractmethod
    async def _open(self, workload_id: str, handle: Handle) -> Pipe:
        """Open a pipe to the remote end of the mirror of a workload that was started. Raises CannotReach."""

    def _order(self, workload_id: str, spec: WorkloadSpec) -> Order:
        """The order for a workload, without files. A subclass adds how it is submitted."""
        sent = replace(spec, files=(), files_from="").to_json()
        python = self._target.python
        return Order("start", workload_id, spec=sent, run=asdict(self._run), setup=self._setup, python=python)

    def resolve(self, spec: WorkloadSpec) -> WorkloadSpec:
        """Add the variables for a terminal or pipes, and check the files. Raises SpecError (files)."""
        find_files(Path(spec.files_from), spec.files)
        return replace(spec, env=child_environment({}, spec.env, tty=spec.tty))

    def plan(self, spec: WorkloadSpec) -> str:
        """The script that runs there, and the files that are sent before."""
        files = find_files(Path(spec.files_from), spec.files)
        lines = [f"# files: {path}" for path in files]
        lines += [self._setup] if self._setup else []
        lines.append(f"cd {shell_join([spec.cwd or ('<work folder>' if files else '~')])}")
        return "\n".join([*lines, spec.command_line])

    async def launch(self, workload_id: str, spec: WorkloadSpec) -> Handle:
        """Deliver the workload, or find it. The handle has its root folder there, and the job's number if it has one.

        Raises CannotLaunch, NotReached, CannotReach. A machine that this server never reached is CannotLaunch with the
        error text of ssh, since its configuration can be wrong; one that it reached before is a reason to retry.
        """
        folder = self._folder(workload_id)
        mark = folder.path / "delivery"
        before = read_file(mark) if is_own(mark) else b""
        try:
            order = await asyncio.to_thread(self._complete, self._order(workload_id, spec), spec, folder)
        except OSError as error:
            raise CannotLaunch(None, f"{error.filename or folder.path}: {error.strerror}") from error
        try:
            return await self._start(order, spec, lambda: replace_file(mark, _SENT, sync=False))
        except NotReached as error:
            if before == _SENT:
                raise CannotReach(str(error)) from None
            if not before and not self._was_reached:
                raise CannotLaunch(None, str(error)) from None
            replace_file(mark, _ACCEPTED, sync=False)
            raise

    async def watch(self, workload_id: str, handle: Handle) -> AsyncIterator[Sighting]:
        """See Backend. The mirror reconnects by itself; it is closed when the caller stops before the final state."""
        mirror = self._mirror(workload_id, handle)
        async for sighting in mirror.watch():
            yield sighting

    async def log_complete(self, workload_id: str) -> None:
        """See HasLateOutput. What is left there, if the server stops before, is deleted by `forget`."""
        if (mirror := self._mirrors.get(workload_id)) is not None:
            try:
                await mirror.complete()
            finally:
                await mirror.close()
            self._mirrors.pop(workload_id, None)

    async def cancel(self, workload_id: str, handle: Handle, grace_s: float) -> None:
        """See Backend. While the connection is lost, the mirror stores the request."""
        await self._mirror(workload_id, handle).cancel(grace_s)

    async def send(self, workload_id: str, handle: Handle, data: bytes, *, eof: bool = False) -> None:
        """See Backend. Raises CannotReach while the connection is lost: input is not stored."""
        await self._mirror(workload_id, handle).send(data, eof=eof)

    async def forget(self, workload_id: str, handle: Handle) -> None:
        """Delete the workload's folder and its files there. Raises CannotReach."""
        if not handle:  # never delivered
            return
        if mirror := self._mirrors.pop(workload_id, None):
            await mirror.close()
        delivered = await deliver(self._target_of(handle), Order("forget", workload_id))
        await delivered.pipe.close()

    async def leftovers(self, known: Collection[str]) -> list[str]:
        """See HasLeftovers."""
        try:
            listed = await deliver(self._target, Order("list"))
        except CannotLaunch as error:
            raise CannotReach(str(error.strerror)) from None
        await listed.pipe.close()
        root = listed.answer["root"]
        return [f"{root}/{{jobs,work}}/{one}" for one in listed.answer["ids"] if one not in known]

    # --- parts --------------------------------------------------------------------------------------------------------

    def _folder(self, workload_id: str) -> Folder:
        return Folder(self._folders / workload_id)

    def _target_of(self, handle: Handle) -> Target:
        """Where a workload is: its root folder may have been configured differently when it was launched."""
        return replace(self._target, root=handle.get("root") or self._target.root)

    def _mirror(self, workload_id: str, handle: Handle) -> Mirror:
        if workload_id not in self._mirrors:
            self._mirrors[workload_id] = self._new_mirror(workload_id, handle)
        return self._mirrors[workload_id]

    def _new_mirror(self, workload_id: str, handle: Handle) -> Mirror:
        folder, place = self._folder(workload_id), self._target.place.name
        return Mirror(folder, lambda: self._next_pipe(workload_id, handle), place=place)

    async def _next_pipe(self, workload_id: str, handle: Handle) -> Pipe:
        if pipe := self._opened.pop(workload_id, None):
            return pipe
        return await self._open(workload_id, handle)

    def _complete(self, order: Order, spec: WorkloadSpec, folder: Folder) -> Order:
        """Add the files and the call to an order: reads and hashes them. OSError."""
        base = Path(spec.files_from)
        files = hash_files(base, find_files(base, spec.files))
        call = hash_file(folder.call, CALL_FILE) if spec.call is not None else None
        return replace(order, files=files, call=call, created=folder.read_spec()[1])

    async def _start(self, order: Order, spec: WorkloadSpec, before_sending: Callable[[], None]) -> Handle:
        """Start the workload of an order, or find it. `before_sending`: called before it can be started.

        Raises CannotLaunch, NotReached, CannotReach.
        """
        delivered = await self._deliver(order, spec, before_sending)
        await self._keep(order.id, delivered)
        root = str(Path(delivered.answer["folder"]).parents[1])
        return {"root": root, "job": delivered.answer["job"], "node": delivered.answer["node"]}

    async def _deliver(self, order: Order, spec: WorkloadSpec, before_sending: Callable[[], None]) -> Delivered:
        base, call = Path(spec.files_from), self._folder(order.id).call
        delivered = await deliver(
            self._target, order, lambda file: call if file is order.call else base / file.path, before_sending
        )
        self._was_reached = True
        return delivered

    async def _keep(self, workload_id: str, delivered: Delivered) -> None:
        """Keep the pipe of a delivery for the mirror, which continues on it, unless it has one already."""
        if delivered.answer["job"] or workload_id in self._mirrors:
            await delivered.pipe.close()
        else:
            self._opened[workload_id] = delivered.pipe
