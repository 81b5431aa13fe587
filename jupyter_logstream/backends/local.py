"""The local backend: one detached runner process per workload on this machine. Server.

The runner and this backend share the workload's folder: its lock shows that the runner lives, its socket takes
requests, and the runner closes a connection when it ends. A quiet workload therefore costs nothing, and a killed runner
is noticed at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from ..model.protocol import WORKLOAD_VARIABLE
from ..model.spec import SpecError
from ..model.system_text import system_bytes
from ..model.workload import Status, WorkloadSpec, shell_join
from ..store.disk.folder import Folder, RunParameters, boot_id
from ..wire.runner_socket import request
from . import runner_client
from .context import BackendContext
from .environment import child_environment
from .follow_roots import real_roots, resolve_follow
from .follower_restarts import Restarts
from .launcher import Launcher
from .local_checks import check_machine
from .protocol import RUNS_HERE, CannotLaunch, CannotReach, Check, Handle, Sighting

_ANSWER_TIMEOUT_S = 4.0  # HTTP promises an answer within 5 s
_RETRY_S = runner_client.RETRY_S
_INPUT_CHECK_S = 1.0  # between checks whether the runner is alive while the child does not read its input


class LocalBackend:
    """Runs workloads in processes of this machine, where a workload's `files` already are: nothing is copied."""

    supports: frozenset[str] = frozenset({"stdin", "tty", "timeout", "call", "files", "follow", RUNS_HERE})

    def __init__(self, name: str, context: BackendContext) -> None:
        self.name = name
        self._folders, self._root, self._run = context.folders, context.root, context.run
        self._follow_roots = real_roots([context.root, *context.follow_roots])
        self._launcher = Launcher()

    def prepare(self) -> None:
        """Start the process that runners are forked from, so the first launch is fast. Raises OSError."""
        self._launcher.prepare()

    def resolve(self, spec: WorkloadSpec) -> WorkloadSpec:
        """Resolve `cwd` below the root and merge the server's environment. Raises SpecError (cwd, follow)."""
        cwd = os.path.join(self._root, spec.cwd)
        path = system_bytes(cwd)
        try:
            if not stat.S_ISDIR(os.stat(path).st_mode):
                raise SpecError("cwd", "is not a directory")
        except FileNotFoundError:
            raise SpecError("cwd", "does not exist") from None
        except OSError as error:
            raise SpecError("cwd", os.strerror(error.errno or 0)) from None
        if not os.access(path, os.X_OK):
            raise SpecError("cwd", "must not be entered by this user")
        follow = None if spec.follow is None else resolve_follow(spec.follow, cwd, self._follow_roots)
        return replace(spec, follow=follow, cwd=cwd, env=child_environment(os.environ, spec.env, tty=spec.tty))

    def plan(self, spec: WorkloadSpec) -> str:
        """The command line that the runner executes, in its directory."""
        return f"cd {shell_join([spec.cwd])} && {spec.command_line}"

    async def launch(self, workload_id: str, spec: WorkloadSpec) -> Handle:
        """Start a runner and wait until it accepts requests. Returns the boot id, with which a pid has a meaning."""
        folder = self._folder(workload_id)
        if not _was_launched(folder):
            try:
                folder.write_run(self._parameters(folder, spec))
            except OSError as error:
                raise CannotLaunch(error.errno, f"no process could be started: {error.strerror}") from error
            await self._launcher.launch(folder)
        return {"boot": boot_id()}

    async def watch(self, workload_id: str, handle: Handle) -> AsyncIterator[Sighting]:
        """Report the state in the runner's record after every change; `lost` if the runner ended without a record.

        A runner that only reads files is started again instead: it continues where it was.
        """
        folder = self._folder(workload_id)
        restarts = Restarts()
        seen: Status | None = None
        while True:
            connection = await runner_client.connect(folder)
            status = runner_client.recorded(folder)
            if connection is None and not status.final and not folder.is_locked():
                status = runner_client.recorded(folder)  # the runner may have ended in between
                if not status.final and _only_reads(folder) and restarts.allow(folder):
                    await self._launch_again(folder)
                    continue
                if not status.final:
                    yield Sighting("lost", _lost_reason(folder, status.boot or handle.get("boot")))
                    return
            if status != seen:
                seen = status
                yield Sighting(status.state, status.reason, status.node, status.exit_code)
            if status.final:
                if connection is not None:
                    connection[1].close()
                return
            if connection is None:  # the runner is starting or ending: both take milliseconds
                await asyncio.sleep(_RETRY_S)
                continue
            await runner_client.wait_for_change(connection, folder, status)

    async def _launch_again(self, folder: Folder) -> None:
        """Start a runner again. Raises CannotLaunch if the machine lacks something: the engine watches again later."""
        try:
            await self._launcher.launch(folder)
        except CannotLaunch as error:
            if error.errno is not None:
                raise  # else it ended while it started, as the next look finds

    async def log_complete(self, workload_id: str) -> None:
        """Return when the runner has ended, which may linger for the output of descendants."""
        folder = self._folder(workload_id)
        while (connection := await runner_client.connect(folder)) is not None:
            try:
                await runner_client.call(connection, request("watch"))
                await connection[0].read()
            except ConnectionError:
                pass  # it ended
            finally:
                connection[1].close()

    async def cancel(self, workload_id: str, handle: Handle, grace_s: float) -> None:  # noqa: ARG002 - the folder is enough
        """Request the end of the process tree from the runner. Raises CannotReach if it does not answer within 4 s."""
        folder = self._folder(workload_id)
        try:
            await asyncio.wait_for(self._cancel(folder, grace_s), _ANSWER_TIMEOUT_S)
        except asyncio.TimeoutError:
            raise CannotReach(f"the runner of {workload_id} does not answer") from None

    async def _cancel(self, folder: Folder, grace_s: float) -> None:
        while (connection := await runner_client.connect(folder)) is None:
            if runner_client.recorded(folder).final:
                return
            if not folder.is_locked() and not _only_reads(folder):  # its runner or its folder is gone
                if not _kill(folder):
                    raise CannotReach(f"no process of {folder.id} is left that could be stopped")
                return
            await asyncio.sleep(_RETRY_S)  # the runner is about to end, or to be started again
        try:
            await runner_client.call(connection, request("cancel", grace=grace_s))
        finally:
            connection[1].close()

    async def send(self, workload_id: str, handle: Handle, data: bytes, *, eof: bool = False) -> None:  # noqa: ARG002
        """Pass input to the runner, which answers when the child's pipe accepted all of it (back-pressure).

        Raises CannotReach if the runner does not answer within 4 s that it is alive.
        """
        folder = self._folder(workload_id)
        # Checked before sending, so that a runner that hung does not get input later that was refused.
        await runner_client.check_alive(folder, _ANSWER_TIMEOUT_S)
        sending = asyncio.ensure_future(runner_client.send(folder, request("input", size=len(data), eof=eof) + data))
        try:
            while not (await asyncio.wait([sending], timeout=_INPUT_CHECK_S))[0]:
                await runner_client.check_alive(folder, _ANSWER_TIMEOUT_S - _INPUT_CHECK_S)
            await sending
        finally:
            sending.cancel()

    async def forget(self, workload_id: str, handle: Handle) -> None:
        """Nothing to do: the registry deletes the folder, which is all there is."""

    async def check(self) -> list[Check]:
        """Whether processes can be started and logs can be stored."""
        folders = self._folders
        return await check_machine(folders if isinstance(folders, Path) else folders.own)

    def _parameters(self, folder: Folder, spec: WorkloadSpec) -> RunParameters:  # noqa: ARG002 - for subclasses
        """What the runner of a workload gets besides its spec. OSError."""
        return self._run

    def _folder(self, workload_id: str) -> Folder:
        return Folder(self._folders / workload_id)


def _was_launched(folder: Folder) -> bool:
    """Whether a runner was started in this folder, so that the command may have run: it must never run twice."""
    return folder.is_locked() or any(os.path.lexists(path) for path in (folder.control, folder.path / "status.json"))


def _only_reads(folder: Folder) -> bool:
    """Whether the runner follows files, so that another one can continue its work."""
    try:
        return folder.read_spec()[0].follow is not None
    except (OSError, ValueError):
        return False


def _lost_reason(folder: Folder, boot: str | None) -> str:
    """Why the runner ended without a record. Kills what is left of the process tree, which nothing can reach now."""
    same_boot = boot in (None, boot_id())
    if same_boot:
        _kill(folder)
    if problem := folder.last_error():  # the runner or its disk had a fault
        return f"its runner failed: {problem}"
    return "its runner was killed" if same_boot else "the machine was restarted while it ran"


def _kill(folder: Folder) -> int:
    """KILL the runner and every process with the workload's id in its environment (Linux); returns their number.

    They are found anew, since a stored pid could be reused by now. A runner's parent ends what has another environment.
    """
    cookie, argument = f"{WORKLOAD_VARIABLE}={folder.id}\0".encode(), b"\0" + os.fsencode(folder.path)
    killed = 0
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_bytes().rstrip(b"\0")
            is_runner = command.endswith(argument) and b"jupyter_logstream.runner" in command
            if is_runner or cookie in (process / "environ").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)
                killed += 1
    return killed
