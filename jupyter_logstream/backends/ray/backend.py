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
import ssl
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..._version import __version__
from ...model.workload import WorkloadSpec, shell_join
from ...wire.delivery import Order
from ..delivery import Target
from ..dialed import NO_URL, DialedBackend
from ..engine_log import EngineLog
from ..places import ThisMachine
from ..protocol import CannotSend, Check, Handle, Sighting
from ..ssh import DEFAULT_FOLDER
from .api import RayApi
from .checks import check_ray
from .jobs import OWNER, RayJobs
from .options import OPTIONS, submission_fields
from .package import BOX, build_package, package_name
from .watch import RayWatch

if TYPE_CHECKING:
    from ..context import BackendContext

CONNECT_TIMEOUT_S = 45.0
"""Seconds after which a job that runs and whose runner has never connected is followed by Ray's log instead."""

_STOP_MARGIN_S = 10.0  # for the rest of the log, after the grace time


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
        super().__init__(name, context, target, setup, peer=api.host, ca=api.ca)
        self._jobs, self._options, self._connect_timeout_s = RayJobs(api), options, connect_timeout_s
        self._log_bytes, self._stop_s = context.run.log_bytes, math.ceil(context.run.grace_s + _STOP_MARGIN_S)
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
        return f"# POST {self._jobs.api.address}/api/jobs/\n{job}\n# which runs:\n#   {command}"

    async def cancel(self, workload_id: str, handle: Handle, grace_s: float) -> None:  # noqa: ARG002 - its id is its name
        """Through the runner's connection where there is one, else by stopping the job. Raises CannotReach."""
        self._jobs.mark_cancelled(workload_id)
        mirror = self._mirrors.get(workload_id)
        if mirror is not None and mirror.sighting.link == "up":
            await mirror.cancel(grace_s)
            return
        await self._jobs.api.stop(workload_id)
        if self._jobs.is_cancelled_unstarted(workload_id) and not self.dial_in.has_arrived(workload_id):
            self.dial_in.end(workload_id)  # Ray does not stop it before it starts: its runner then starts nothing
        self._jobs.poll_soon()

    async def send(self, workload_id: str, handle: Handle, data: bytes, *, eof: bool = False) -> None:
        """See RemoteBackend. Raises CannotSend where Ray's log is shown: there is no connection to the runner."""
        if EngineLog.is_used(self._folder(workload_id)):
            raise CannotSend("no_connection")
        await super().send(workload_id, handle, data, eof=eof)

    async def forget(self, workload_id: str, handle: Handle) -> None:
        """Delete what Ray stores about the job, its log included. Raises CannotReach."""
        if not handle:  # never submitted
            return
        if mirror := self._mirrors.pop(workload_id, None):
            await mirror.close()
        await self._jobs.delete(workload_id)

    async def leftovers(self, known: Collection[str]) -> list[str]:
        """See HasLeftovers: jobs of this store's workloads that this server does not know any more."""
        return [f"ray job delete {job}" for job in await self._jobs.owned_by(self._owner) if job not in known]

    async def check(self) -> list[Check]:
        """Whether Ray answers, lists its jobs, and can be given a URL by which runners reach this server."""
        return await check_ray(self._jobs.api, await self._public_url())

    # --- start --------------------------------------------------------------------------------------------------------

    async def _start(self, order: Order, spec: WorkloadSpec, before_sending: Callable[[], None]) -> Handle:
        api = self._jobs.api
        if await api.job(order.id) is None:
            plan = replace(await self._dial_plan(order, spec), echo_after_s=self._connect_timeout_s / 2)
            base, call = Path(spec.files_from), self._folder(order.id).call
            with await asyncio.to_thread(build_package, plan, base, call) as package:
                name = await asyncio.to_thread(package_name, order.id, package)
                await api.upload(name, package)
            self._was_reached = True
            before_sending()
            await api.submit(self._submission(order.id, f"gcs://{name}", spec))
        return {"root": self._target.root, "job": order.id, "node": ""}

    def _submission(self, workload_id: str, package: str, spec: WorkloadSpec) -> dict[str, Any]:
        """The body of the submission. The environment is in the package: Ray's dashboard shows this to everybody."""
        fields = submission_fields(spec.options, self._options)
        variables = {**fields.pop("env_vars", {}), "RAY_JOB_STOP_WAIT_TIME_S": str(self._stop_s)}
        runtime_env = {"working_dir": package, "env_vars": variables}
        if pip := fields.pop("pip", None):
            runtime_env["pip"] = pip
        return {
            "entrypoint": f"exec {shell_join([self._target.python, '-I', f'{BOX}/runner.pyz', 'dial', BOX])}",
            "submission_id": workload_id,
            "metadata": {OWNER: self._owner, f"{OWNER}_version": __version__},
            "runtime_env": runtime_env,
            **fields,
        }

    # --- watch --------------------------------------------------------------------------------------------------------

    async def _watch(self, workload_id: str, handle: Handle) -> AsyncIterator[Sighting]:
        """Report Ray's state until the runner connects, then what the mirror reports, or what Ray's log shows."""
        folder, url = self._folder(workload_id), await self._public_url()
        watch = RayWatch(workload_id, folder, self._jobs, self.dial_in, url, self._log_bytes)
        async with self._jobs.watching(workload_id):
            if not self._was_connected(workload_id) and not EngineLog.is_used(folder):
                async for sighting in watch.until_connected(self._connect_timeout_s if url else 0):
                    yield sighting
            if self._jobs.is_cancelled_unstarted(workload_id):
                yield Sighting("cancelled")
                return
            if self._was_connected(workload_id):
                source = watch.mirrored(self._mirror(workload_id, handle))
            else:
                source = watch.from_engine_log(_why_unconnected(url))
            async for sighting in source:
                yield sighting

    def _was_connected(self, workload_id: str) -> bool:
        """Whether the runner has connected to this server, or to an earlier one: the log here is then the runner's."""
        folder = self._folder(workload_id)
        if EngineLog.is_used(folder):  # its state is stored here, too
            return False
        return self.dial_in.has_arrived(workload_id) or (folder.path / "status.json").exists()


def _why_unconnected(url: str) -> str:
    if not url:
        return f"{NO_URL[0].upper()}{NO_URL[1:]}."
    return (
        f"The runner in the job did not connect to this server at {url}: "
        "set c.LogStream.public_url to a URL of this server that the cluster reaches."
    )


def ray_backend(
    name: str,
    context: BackendContext,
    *,
    address: str,
    headers: Mapping[str, str] | None = None,
    ca: str = "",
    options: Mapping[str, Any] | None = None,
    python: str = "python3",
    folder: str = DEFAULT_FOLDER,
    setup: str = "",
    connect_timeout: float = CONNECT_TIMEOUT_S,
) -> RayBackend:
    """The factory of type "ray". ValueError for a value that cannot be used.

    `address`: of the dashboard, such as http://head:8265. `headers`: sent with each request to it, such as
    `{"Authorization": "Bearer ..."}`. `ca`: a file of certificates (PEM) to trust besides the system's, for `address`
    here and for this server there. `options`: defaults of the options of each job. `python`: the interpreter on the
    nodes. `folder`: where a job writes its log on its node. `setup`: shell commands before each command.
    `connect_timeout`: seconds for which a job can run before Ray's log is used, since its runner has not connected.
    """
    defaults = dict(options or {})
    submission_fields({}, defaults)
    if not isinstance(connect_timeout, (int, float)) or not 1 <= connect_timeout <= 3600:
        raise ValueError("connect_timeout must be 1 to 3600 seconds")
    _check_texts(python=python, folder=folder, setup=setup)
    api = RayApi(address, headers or {}, _certificates(ca) if ca else "")
    target = Target(RayPlace(name), python, folder)
    return RayBackend(
        name, context, api, target, setup=setup, options=defaults, connect_timeout_s=float(connect_timeout)
    )


def _check_texts(**settings: Any) -> None:
    """Only `setup` can be empty. ValueError."""
    for name, value in settings.items():
        if not isinstance(value, str) or "\0" in value or (name != "setup" and not value.strip()):
            raise ValueError(f"{name} must be a string")


def _certificates(path: str) -> str:
    """The content of a file of certificates. ValueError if it has none."""
    try:
        text = Path(path).expanduser().read_text()
        ssl.create_default_context(cadata=text)
    except (OSError, TypeError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ValueError(f"ca must be a file of certificates (PEM): {error}") from None
    return text
