"""The Ray backend: workloads as jobs of a Ray cluster, submitted over its HTTP API. Server.

`c.LogStream.backends = {"ray": {"type": "ray", "address": "http://head:8265"}}`; the other keys of an entry are the
arguments of `ray_backend`. The job runs the runner, which connects to this server (`c.LogStream.public_url`). If it
cannot, Ray's own log of the job is copied, and labelled so.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import os
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..model.workload import WorkloadSpec, shell_join
from ..wire.delivery import Order
from .delivery import Target
from .dialed import DialedBackend
from .engine_log import EngineLog
from .job_queue import JobQueue, Report
from .places import ThisMachine
from .protocol import CannotReach, Check, Handle, Sighting
from .ray_api import RayApi
from .ray_checks import check_ray
from .ray_log import follow_job_log
from .ray_options import OPTIONS, submission_fields
from .ray_outcome import is_certain, to_report, to_sighting
from .ray_package import BOX, build_package, package_name
from .ssh import DEFAULT_FOLDER

if TYPE_CHECKING:
    from .context import BackendContext

CONNECT_TIMEOUT_S = 45.0
"""Seconds after which a job that runs and whose runner has never connected is followed by Ray's log instead."""

_OVER_GRACE_S, _UNCERTAIN_GRACE_S = 3.0, 30.0  # in which a runner can reconnect after its job is over, as Ray reports
_STOP_MARGIN_S = 10.0  # for the rest of the log, after the grace time
_DELETE_TIMEOUT_S = 3.0
_CHECK_S = 0.5  # for a cancel meanwhile
_OWNER = "jupyter_logstream"  # in a job's metadata: the store that it belongs to


class RayPlace(ThisMachine):
    """The cluster, for messages."""

    def __init__(self, name: str) -> None:
        self.name = name


class RayBackend(DialedBackend):
    """See the module. `options`: defaults of the options of each job; `connect_timeout_s`: as CONNECT_TIMEOUT_S."""

    def __init__(
        self,
        name: str,
        context: BackendContext,
        api: RayApi,
        target: Target,
        *,
        setup: str,
        options: Mapping[str, Any],
        connect_timeout_s: float,
    ) -> None:
        super().__init__(name, context, target, setup)
        self._api, self._options, self._connect_timeout_s = api, options, connect_timeout_s
        self._log_bytes, self._stop_s = context.log_bytes, math.ceil(context.grace_s + _STOP_MARGIN_S)
        self._queue = JobQueue(self._reports)
        self._cancelled: set[str] = set()
        self._owner = hashlib.sha256(f"{os.uname().nodename}:{self._folder('').path}".encode()).hexdigest()[:16]

    supports = frozenset({"stdin", "tty", "timeout", "call", "files", *(f"options:{option}" for option in OPTIONS)})

    def resolve(self, spec: WorkloadSpec) -> WorkloadSpec:
        """See RemoteBackend. Raises SpecError (options, files)."""
        submission_fields(spec.options, self._options)
        return super().resolve(spec)

    def plan(self, spec: WorkloadSpec) -> str:
        """The job that is submitted, the content of its package, and the command that it runs."""
        job = json.dumps(self._submission("ID", "gcs://PACKAGE.zip", spec), indent=2)
        command = super().plan(spec).replace("\n", "\n#   ")
        return f"# POST {self._api.address}/api/jobs/\n{job}\n# which runs:\n#   {command}"

    async def cancel(self, workload_id: str, handle: Handle, grace_s: float) -> None:  # noqa: ARG002 - its id is its name
        """Through the runner's connection where there is one, else by stopping the job. Raises CannotReach."""
        self._cancelled.add(workload_id)
        mirror = self._mirrors.get(workload_id)
        if mirror is not None and mirror.sighting.link == "up":
            await mirror.cancel(grace_s)
        else:
            await self._api.stop(workload_id)
            self._cancel_before_start(workload_id)
            self._queue.poll_soon()

    def _cancel_before_start(self, workload_id: str) -> None:
        """A job that waits for resources is not stopped by Ray until it starts: let its runner start nothing."""
        report = self._queue.report(workload_id)
        if report.state and report.is_waiting and not self.dial_in.has_arrived(workload_id):
            self.dial_in.end(workload_id)

    async def forget(self, workload_id: str, handle: Handle) -> None:
        """Delete what Ray stores about the job, its log included. Raises CannotReach."""
        if not handle:  # never submitted
            return
        if mirror := self._mirrors.pop(workload_id, None):
            await mirror.close()
        self._cancelled.discard(workload_id)
        deadline = asyncio.get_running_loop().time() + _DELETE_TIMEOUT_S
        while (job := await self._api.job(workload_id)) is not None:
            if to_report(job).is_waiting:  # cancelled before its start: Ray ends it when it starts
                return
            if to_report(job).is_over:
                await self._api.delete(workload_id)
                return
            if asyncio.get_running_loop().time() > deadline:
                raise CannotReach("its Ray job has not ended yet: try again")
            await asyncio.sleep(0.2)

    async def leftovers(self, known: Collection[str]) -> list[str]:
        """See HasLeftovers: jobs of this store's workloads that this server does not know any more."""
        mine = [job for job in await self._api.jobs() if (job.get("metadata") or {}).get(_OWNER) == self._owner]
        return [f"ray job delete {job['submission_id']}" for job in mine if job["submission_id"] not in known]

    async def check(self) -> list[Check]:
        """Whether Ray answers, lists its jobs, and can be given a URL by which runners reach this server."""
        return await check_ray(self._api, self._public_url())

    # --- start --------------------------------------------------------------------------------------------------------

    async def _start(self, order: Order, spec: WorkloadSpec, before_sending: Callable[[], None]) -> Handle:
        if await self._api.job(order.id) is None:
            self._was_reached = True
            plan = replace(self._dial_plan(order), echo_after_s=self._connect_timeout_s / 2)
            base, call = Path(spec.files_from), self._folder(order.id).call
            with await asyncio.to_thread(build_package, plan, base, call) as package:
                name = await asyncio.to_thread(package_name, order.id, package)
                await self._api.upload(name, package)
            before_sending()
            await self._api.submit(self._submission(order.id, f"gcs://{name}", spec))
        return {"root": self._target.root, "job": order.id, "node": ""}

    def _submission(self, workload_id: str, package: str, spec: WorkloadSpec) -> dict[str, Any]:
        """The body of the submission. The environment is in the package: Ray's dashboard shows this to everybody."""
        fields = submission_fields(spec.options, self._options)
        runtime_env = {"working_dir": package, "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(self._stop_s)}}
        if pip := fields.pop("pip", None):
            runtime_env["pip"] = pip
        return {
            "entrypoint": shell_join([self._target.python, "-I", f"{BOX}/runner.pyz", "dial", BOX]),
            "submission_id": workload_id,
            "metadata": {_OWNER: self._owner, f"{_OWNER}_version": __version__},
            "runtime_env": runtime_env,
            **fields,
        }

    # --- watch --------------------------------------------------------------------------------------------------------

    async def _watch(self, workload_id: str, handle: Handle) -> AsyncIterator[Sighting]:
        """Report Ray's state until the runner connects, then what the mirror reports, or what Ray's log shows."""
        async with self._queue.watching(workload_id):
            if not self._was_connected(workload_id) and not EngineLog.is_used(self._folder(workload_id)):
                async for sighting in self._until_connected(workload_id):
                    yield sighting
            if workload_id in self._cancelled and self._queue.report(workload_id).is_waiting:
                yield Sighting("cancelled")  # Ray can't stop it before it starts; its runner then starts nothing
                return
            if self._was_connected(workload_id):
                source = self._mirrored(workload_id, handle)
            else:
                source = self._from_engine_log(workload_id)
            async for sighting in source:
                yield sighting

    def _was_connected(self, workload_id: str) -> bool:
        """Whether the runner has connected to this server, or to an earlier one: the log here is then the runner's."""
        folder = self._folder(workload_id)
        if EngineLog.is_used(folder):  # its state is stored here, too
            return False
        return self.dial_in.has_arrived(workload_id) or (folder.path / "status.json").exists()

    async def _until_connected(self, workload_id: str) -> AsyncIterator[Sighting]:
        """Report Ray's state until the runner connects, its job is over, or CONNECT_TIMEOUT_S after the job's start."""
        loop = asyncio.get_running_loop()
        seen, deadline = None, math.inf
        while not self.dial_in.has_arrived(workload_id) and loop.time() < deadline:
            report = self._queue.report(workload_id)
            if report.is_over or (report.state and report.is_waiting and workload_id in self._cancelled):
                return
            if not report.is_waiting and deadline == math.inf:
                deadline = loop.time() + self._connect_timeout_s
            if (sighting := _waiting(report)) != seen:
                seen = sighting
                yield sighting
            await self._news(workload_id, report, min(_CHECK_S, max(deadline - loop.time(), 0)))

    async def _news(self, workload_id: str, report: Report, timeout_s: float) -> None:
        """Return when a runner has connected, the report has changed, or after some time."""
        tasks = [
            asyncio.ensure_future(self.dial_in.arrival(workload_id)),
            asyncio.ensure_future(self._queue.change(workload_id, report)),
        ]
        try:
            await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _mirrored(self, workload_id: str, handle: Handle) -> AsyncIterator[Sighting]:
        """What the mirror reports; Ray's final state if the job is over and its runner does not come back."""
        mirror = self._mirror(workload_id, handle)
        supervisor = asyncio.get_running_loop().create_task(self._give_up(workload_id, handle))
        is_final = False
        try:
            async for sighting in mirror.watch():
                is_final = sighting.state == "lost" or self._folder(workload_id).read_status()[0].final
                if sighting.link == "down":
                    self._queue.poll_soon()
                yield sighting
        finally:
            supervisor.cancel()
        if not is_final:
            await self._note_missing_end(workload_id)
            yield self._final(workload_id)

    async def _give_up(self, workload_id: str, handle: Handle) -> None:
        """Close the mirror of a job that is over when its runner has had time to reconnect."""
        mirror = self._mirror(workload_id, handle)
        report = self._queue.report(workload_id)
        while True:
            while not report.is_over:
                report = await self._queue.change(workload_id, report)
            await asyncio.sleep(_OVER_GRACE_S if is_certain(report) else _UNCERTAIN_GRACE_S)
            report = self._queue.report(workload_id)
            if report.is_over and mirror.sighting.link == "down":
                await mirror.close()
                return

    async def _from_engine_log(self, workload_id: str) -> AsyncIterator[Sighting]:
        """Copy Ray's log until the job is over; its state is Ray's, never the end of the log."""
        await self.dial_in.release(workload_id)
        self.dial_in.end(workload_id, replaced=True)
        report, seen = self._queue.report(workload_id), None
        log = EngineLog(self._folder(workload_id), self._log_bytes)
        await log.open(f"The runner in the job did not connect to this server at {self._public_url()}.")
        copying = asyncio.get_running_loop().create_task(
            follow_job_log(self._api, workload_id, lambda: self._queue.report(workload_id), log)
        )
        try:
            while not report.is_over and not copying.done():
                if (sighting := _running(report)) != seen:
                    seen = sighting
                    yield sighting
                await asyncio.wait(
                    {copying, change := asyncio.ensure_future(self._queue.change(workload_id, report))},
                    return_when=asyncio.FIRST_COMPLETED,
                )
                change.cancel()
                report = self._queue.report(workload_id)
            await copying  # it ends with the job, or by a fault of this server
        finally:
            copying.cancel()
            await asyncio.wait({copying})
            log.close()
        yield self._final(workload_id)

    def _final(self, workload_id: str) -> Sighting:
        return to_sighting(self._queue.report(workload_id), was_cancelled=workload_id in self._cancelled)

    async def _note_missing_end(self, workload_id: str) -> None:
        """Report in the log that its end was not copied."""
        log = EngineLog(self._folder(workload_id), self._log_bytes)
        await log.open()
        log.note(
            "error",
            f"the end of this log is missing: the job is over, and its runner did not reconnect; "
            f"`ray job logs {workload_id}` can have it",
        )
        log.close()

    async def _reports(self, known: Collection[str]) -> dict[str, Report]:
        """One request for all jobs."""
        found = {str(job.get("submission_id")): to_report(job) for job in await self._api.jobs()}
        return {one: found[one] for one in known if one in found}


def _waiting(report: Report) -> Sighting:
    if report.problem:
        return Sighting("queued", f"Ray does not answer: {report.problem}", link="down")
    if report.is_waiting:
        return Sighting("queued", f"Pending: {report.reason}" if report.reason else "Pending")
    return Sighting("queued", "started by Ray; its runner has not connected yet", report.node)


def _running(report: Report) -> Sighting:
    if report.problem:
        return Sighting("running", f"Ray does not answer: {report.problem}", report.node, link="down")
    return Sighting("running", "", report.node)


def ray_backend(
    name: str,
    context: BackendContext,
    *,
    address: str,
    headers: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
    python: str = "python3",
    folder: str = DEFAULT_FOLDER,
    setup: str = "",
    connect_timeout: float = CONNECT_TIMEOUT_S,
) -> RayBackend:
    """The factory of type "ray". ValueError for a value that cannot be used.

    `address`: of the dashboard, such as http://head:8265. `headers`: sent with each request to it, such as
    `{"Authorization": "Bearer ..."}`. `options`: defaults of the options of each job. `python`: the interpreter on the
    nodes. `folder`: where a job writes its log on its node. `setup`: shell commands before each command.
    `connect_timeout`: seconds for which a job can run before Ray's log is used, since its runner has not connected.
    """
    defaults = dict(options or {})
    submission_fields({}, defaults)
    if not isinstance(connect_timeout, (int, float)) or not 1 <= connect_timeout <= 3600:
        raise ValueError("connect_timeout must be 1 to 3600 seconds")
    for setting, value in {"python": python, "folder": folder, "setup": setup}.items():
        if not isinstance(value, str) or "\0" in value or (setting != "setup" and not value.strip()):
            raise ValueError(f"{setting} must be a string")
    api = RayApi(address, headers or {})
    target = Target(RayPlace(name), python, folder)
    return RayBackend(
        name, context, api, target, setup=setup, options=defaults, connect_timeout_s=float(connect_timeout)
    )
