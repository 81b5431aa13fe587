"""The Slurm backend: workloads as jobs, submitted by `sbatch` on this machine or on a login node. Server.

`c.LogStream.backends = {"cluster": {"type": "slurm", "partition": "gpu", "via": {"host": "login1"}}}`; the other keys
of an entry are the arguments of `slurm_backend`. The job runs the runner, which writes a folder on a file system that
login and compute nodes share; its log comes by `srun --overlap` from the compute node, or through that file system.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from ...model.workload import WorkloadSpec
from ...wire.delivery import Order
from ..archive import unpacked_name
from ..delivery import Target, deliver
from ..job_queue import Report
from ..mirror import Mirror
from ..places import Place, SshHost, ThisMachine, quoted_path
from ..programs import Ended, run_program
from ..protocol import CannotLaunch, CannotReach, Check, Handle, Sighting
from ..remote import RemoteBackend
from ..remote_checks import check_slurm, check_target
from ..ssh import DEFAULT_FOLDER
from .options import OPTIONS, sbatch_arguments
from .outcome import from_lost, from_record
from .queue import slurm_queue

if TYPE_CHECKING:
    from ..context import BackendContext
    from ..pipe import Pipe

_COMMAND_TIMEOUT_S = 15.0  # without a controller Slurm's commands fail after 9 s
_OVER_GRACE_S = 3.0  # a runner that ended with its job has written its record by then
_VERDICT_TIMEOUT_S = 10.0
# Unbuffered: else Slurm passes on whole lines only, and the mirror's bytes are none.
_STEP = (
    "srun", "--overlap", "--nodes=1", "--ntasks=1", "--gres=none", "--mem=0", "--mpi=none", "--quiet", "--unbuffered",
)  # fmt: skip


class JobPlace:
    """The compute node of a job, as a place for commands: a step within the job."""

    def __init__(self, login: Place, job: str, node: str) -> None:
        self._login = login
        self.name = node
        self._step = [*_STEP, f"--jobid={job}", f"--nodelist={node}"]

    @property
    def env(self) -> Mapping[str, str] | None:
        """See Place."""
        return self._login.env

    async def connect(self) -> None:
        """See Place."""
        await self._login.connect()

    def argv(self, command: str) -> list[str]:
        """See Place."""
        return self._login.argv(f"exec {shlex.join([*self._step, '/bin/sh', '-c', command])}")

    async def disconnect(self) -> None:
        """See Place."""
        await self._login.disconnect()


class SlurmBackend(RemoteBackend):
    """See the module. `options`: defaults of the options of each job; `pipe`: how its log comes."""

    def __init__(
        self,
        name: str,
        context: BackendContext,
        target: Target,
        *,
        setup: str,
        options: Mapping[str, Any],
        pipe: Literal["srun", "files"],
    ) -> None:
        super().__init__(name, context, target, setup)
        self._options, self._by_step = options, pipe == "srun"
        self._queue = slurm_queue(self._command)
        self._pipes: dict[str, Pipe] = {}
        self._cancelled: set[str] = set()

    @property
    def supports(self) -> frozenset[str]:
        """See Backend. Input needs a way to the compute node; on this machine jobs get the kernel's environment."""
        given = {"tty", "timeout", "call", "files", "options:sbatch", *(f"options:{option}" for option in OPTIONS)}
        given |= {"stdin"} if self._by_step else set()
        given |= {"kernel_environment"} if isinstance(self._target.place, ThisMachine) else set()
        return frozenset(given)

    def resolve(self, spec: WorkloadSpec) -> WorkloadSpec:
        """See RemoteBackend. Raises SpecError (options, files)."""
        sbatch_arguments(spec.options, self._options)
        resolved = super().resolve(spec)
        # A server that runs in a job itself has variables of that job, which would redirect the new one.
        env = {name: value for name, value in resolved.env.items() if not name.startswith(("SLURM_", "SBATCH_"))}
        return replace(resolved, env=env)

    def plan(self, spec: WorkloadSpec) -> str:
        """The submission, its script, and the command that this runs."""
        submit = shlex.join(self._submission("ID", spec))
        command = super().plan(spec).replace("\n", "\n#   ")
        plan = f"# {submit}\n{self._script()}# which runs:\n#   {command}"
        return plan.replace("@FOLDER@", f"{self._target.root}/jobs/ID")

    async def watch(self, workload_id: str, handle: Handle) -> AsyncIterator[Sighting]:
        """Report Slurm's state and reason until the job starts, then what the mirror of its log reports."""
        async with self._queue.watching(workload_id):
            report = Report()
            while report.is_waiting:
                report = await self._queue.change(workload_id, report)
                if report.is_waiting:
                    yield _waiting(report)
            supervisor = asyncio.get_running_loop().create_task(self._supervise(workload_id))
            try:
                async for sighting in self._mirror(workload_id, handle).watch():
                    yield await self._judged(workload_id, sighting)
            finally:
                supervisor.cancel()

    async def cancel(self, workload_id: str, handle: Handle, grace_s: float) -> None:  # noqa: ARG002 - its name is its id
        """Through the runner where it can be reached, else by `scancel`. Raises CannotReach."""
        mirror = self._mirrors.get(workload_id)
        self._cancelled.add(workload_id)
        if mirror is not None and mirror.sighting.link == "up" and self._by_step:
            await mirror.cancel(grace_s)
            return
        is_running = self._queue.report(workload_id).state == "RUNNING"
        how = ["--batch", "--signal=TERM"] if is_running else []  # the runner then ends the tree, with its grace time
        await self._slurm(["scancel", *how, f"--name={workload_id}"])
        self._queue.poll_soon()

    async def check(self) -> list[Check]:
        """Whether Python and the folder are there, Slurm answers, and a job's node can be reached."""
        checks = await check_target(self._target)
        return [*checks, *await check_slurm(self._command)] if checks[-1].ok else checks

    # --- parts --------------------------------------------------------------------------------------------------------

    def _order(self, workload_id: str, spec: WorkloadSpec) -> Order:
        lookup = ["squeue", "--noheader", "--states=all", f"--name={workload_id}", "--format=%i"]
        return replace(
            super()._order(workload_id, spec),
            submit=tuple(self._submission(workload_id, spec)),
            lookup=tuple(lookup),
            script=self._script(),
        )

    def _submission(self, workload_id: str, spec: WorkloadSpec) -> list[str]:
        ours = ["--parsable", "--no-requeue", f"--job-name={workload_id}", "--output=@FOLDER@/scheduler.log"]
        return ["sbatch", *ours, *sbatch_arguments(spec.options, self._options)]

    def _script(self) -> str:
        return f"#!/bin/sh\nexec {quoted_path(self._target.python)} -I @FOLDER@/../../{unpacked_name()} job @FOLDER@\n"

    def _new_mirror(self, workload_id: str, handle: Handle) -> Mirror:
        mirror = super()._new_mirror(workload_id, handle)
        mirror.judge = lambda status: self._verdict(workload_id, status)
        return mirror

    async def _open(self, workload_id: str, handle: Handle) -> Pipe:
        """A step on the job's node while it runs; after that, or with `pipe: files`, the shared file system."""
        report, target = self._queue.report(workload_id), self._target_of(handle)
        if self._by_step and not report.is_over and report.node:
            target = replace(target, place=JobPlace(target.place, report.job, report.node))
        try:
            found = await deliver(target, Order("find", workload_id, is_over=report.is_over))
        except CannotLaunch as error:
            self._queue.poll_soon()  # the job may have ended
            raise CannotReach(str(error.strerror)) from None
        self._pipes[workload_id] = found.pipe
        return found.pipe

    async def _supervise(self, workload_id: str) -> None:
        """When the job is over, let the mirror reconnect by the shared file system: its runner can be gone."""
        report = self._queue.report(workload_id)
        while not report.is_over:
            report = await self._queue.change(workload_id, report)
        await asyncio.sleep(_OVER_GRACE_S)
        if pipe := self._pipes.pop(workload_id, None):
            await pipe.close()

    async def _judged(self, workload_id: str, sighting: Sighting) -> Sighting:
        """A runner that ended without a record: Slurm knows why."""
        if sighting.link == "down":
            self._queue.poll_soon()
        if sighting.state != "lost":
            return sighting
        return from_lost(sighting, await self._end_of(workload_id), was_cancelled=workload_id in self._cancelled)

    async def _verdict(self, workload_id: str, status: dict[str, Any]) -> dict[str, Any]:
        """A command that was ended from outside: Slurm knows whether by its time limit, its memory, or a user."""
        if status.get("signal") is None and status["state"] != "cancelled":
            return status
        if workload_id in self._cancelled:
            return status
        return from_record(status, await self._end_of(workload_id))

    async def _end_of(self, workload_id: str) -> Report:
        """The report of the job's end, or the last one if that does not come in time."""
        self._queue.poll_soon()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._until_over(workload_id), _VERDICT_TIMEOUT_S)
        return self._queue.report(workload_id)

    async def _until_over(self, workload_id: str) -> None:
        report = self._queue.report(workload_id)
        while not report.is_over:
            report = await self._queue.change(workload_id, report)

    async def _slurm(self, command: Sequence[str]) -> Ended:
        """Run one of Slurm's commands. Raises CannotReach with its error text."""
        try:
            done = await self._command(list(command))
        except OSError as error:  # TimeoutError is one
            raise CannotReach(str(error)) from error
        if done.code:
            raise CannotReach(f"{command[0]}: {done.errors.strip() or f'exit code {done.code}'}")
        return done

    async def _command(self, command: list[str]) -> Ended:
        place = self._target.place
        await place.connect()
        return await run_program(place.argv(shlex.join(command)), _COMMAND_TIMEOUT_S, place.env)


def _waiting(report: Report) -> Sighting:
    if report.problem:
        return Sighting("queued", f"Slurm does not answer: {report.problem}", link="down")
    return Sighting("queued", report.words)


def slurm_backend(
    name: str,
    context: BackendContext,
    *,
    partition: str = "",
    via: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    pipe: str = "srun",
    python: str = "",
    folder: str = DEFAULT_FOLDER,
    setup: str = "",
) -> SlurmBackend:
    """The factory of type "slurm". ValueError for a value that cannot be used.

    `partition`: the default one. `via`: `{"host": ..., "ssh_options": [...]}`, the login node; default: this machine.
    `options`: defaults of the options of each job. `pipe`: "srun", or "files" where steps in a running job are refused.
    `python`: the interpreter on the nodes; default: this server's, with `via` python3. `folder`: where workloads are
    stored, on a file system that all nodes share. `setup`: shell commands before each command.
    """
    if pipe not in {"srun", "files"}:
        raise ValueError('pipe must be "srun" or "files"')
    if via is not None and (not isinstance(via, Mapping) or not {"host"} <= via.keys() <= {"host", "ssh_options"}):
        raise ValueError('via must be {"host": ..., "ssh_options": [...]}')
    place: Place = ThisMachine() if via is None else SshHost(via["host"], via.get("ssh_options", ()))
    defaults = {**({"partition": partition} if partition else {}), **(options or {})}
    sbatch_arguments({}, defaults)
    target = Target(place, python or ("python3" if via else sys.executable), folder)
    by_step: Literal["srun", "files"] = "srun" if pipe == "srun" else "files"
    return SlurmBackend(name, context, target, setup=setup, options=defaults, pipe=by_step)
