"""The Kubernetes backend: workloads as Jobs of a cluster, started and reached by `kubectl`. Server.

`c.LogStream.backends = {"k8s": {"type": "kubernetes", "namespace": "ml", "image": "python:3.12"}}`; the other keys of
an entry are the arguments of `kubernetes_backend`. The runner comes in a Secret with the workload's specification; its
log comes by `kubectl exec`. The pod stays until the log is copied. Where an image has no Python, the pod's own log is
copied, and labelled so.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import os
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...model.workload import WorkloadSpec
from ...wire.delivery import Order
from ..delivery import Target, deliver
from ..mirror import Mirror
from ..protocol import CannotLaunch, CannotReach, Check, Handle, NotReached, Sighting
from ..remote import RemoteBackend
from .api import Kubectl, PodPlace
from .checks import check_kubernetes
from .fleet import Fleet
from .job import Jobs, job_name
from .manifest import OPTIONS, ROOT, checked_options
from .verdict import Verdict
from .watch import Watch

if TYPE_CHECKING:
    from ..context import BackendContext
    from ..pipe import Pipe

IMAGE_TIMEOUT_S = 300.0
"""Seconds after which a workload whose container cannot be created is given up."""

_STOP_MARGIN_S = 10.0  # for the rest of the log, after the grace time


class KubernetesBackend(RemoteBackend):
    """See the module. `options`: defaults of the options of each Job."""

    def __init__(
        self,
        name: str,
        context: BackendContext,
        kubectl: Kubectl,
        *,
        python: str,
        setup: str,
        options: Mapping[str, Any],
        image_timeout_s: float,
    ) -> None:
        super().__init__(name, context, Target(PodPlace(kubectl, "of the workload"), python, ROOT), setup)
        self._kubectl, self._options, self._image_timeout_s = kubectl, dict(options), image_timeout_s
        self._log_bytes = context.run.log_bytes
        owner = hashlib.sha256(f"{os.uname().nodename}:{self._folder('').path}".encode()).hexdigest()[:16]
        self._fleet = Fleet(kubectl, owner, self._folder)
        stop_s = math.ceil(context.run.grace_s + _STOP_MARGIN_S)
        self._jobs = Jobs(owner, python=python, setup=setup, defaults=self._options, stop_s=stop_s)

    supports = frozenset({"stdin", "tty", "timeout", "call", "files", *(f"options:{option}" for option in OPTIONS)})

    def resolve(self, spec: WorkloadSpec) -> WorkloadSpec:
        """See RemoteBackend. Raises SpecError (options, files)."""
        checked_options(spec.options, self._options)
        return super().resolve(spec)

    def plan(self, spec: WorkloadSpec) -> str:
        """The manifest of the Job, and the command that it runs."""
        command = super().plan(spec).replace("\n", "\n#   ")
        return f"{json.dumps(self._jobs.manifest('id', spec), indent=2)}\n# which runs:\n#   {command}"

    async def watch(self, workload_id: str, handle: Handle) -> AsyncIterator[Sighting]:
        """See Watch."""
        watch = Watch(
            self._fleet,
            workload_id,
            handle["job"],
            self._folder(workload_id),
            lambda: self._mirror(workload_id, handle),
            log_bytes=self._log_bytes,
            image_timeout_s=self._image_timeout_s,
        )
        async for sighting in watch.sightings():
            yield sighting

    async def cancel(self, workload_id: str, handle: Handle, grace_s: float) -> None:
        """Through the runner where it can be reached, else by deleting the Job. Raises CannotReach."""
        self._fleet.cancelled.add(workload_id)
        mirror = self._mirrors.get(workload_id)
        if mirror is not None and mirror.sighting.link == "up":
            await mirror.cancel(grace_s)
        else:
            await self._fleet.delete(handle["job"])

    async def log_complete(self, workload_id: str) -> None:
        """See HasLateOutput. Deletes the Job; if the server stops before, `forget` does."""
        await super().log_complete(workload_id)
        with suppress(CannotReach):
            await self._fleet.delete(job_name(workload_id))

    async def forget(self, workload_id: str, handle: Handle) -> None:
        """Delete the Job, its pod and its Secret. Raises CannotReach."""
        if not handle:  # never submitted
            return
        if mirror := self._mirrors.pop(workload_id, None):
            await mirror.close()
        self._fleet.cancelled.discard(workload_id)
        await self._fleet.delete(handle["job"])

    async def leftovers(self, known: Collection[str]) -> list[str]:
        """See HasLeftovers: Jobs of this store's workloads that this server does not know any more."""
        ours = {job_name(one) for one in known}
        return [f"job/{job}" for job in await self._fleet.jobs() if job not in ours]

    async def check(self) -> list[Check]:
        """Whether kubectl is there, the API server answers, and this login can create what is needed."""
        return await check_kubernetes(self._kubectl, self._jobs.probe())

    # --- parts --------------------------------------------------------------------------------------------------------

    async def _start(self, order: Order, spec: WorkloadSpec, before_sending: Callable[[], None]) -> Handle:
        """The Job first: its pod waits for the Secret, which Kubernetes deletes with the Job, whatever happens here."""
        try:
            content = await asyncio.to_thread(self._jobs.package, order, spec, self._folder(order.id).call)
        except OSError as error:
            raise CannotLaunch(None, f"{error.filename}: {error.strerror}") from error
        name = job_name(order.id)
        before_sending()
        uid = await self._kubectl.create(self._jobs.manifest(order.id, spec))
        try:
            uid = uid or await self._kubectl.uid(f"job/{name}")
            await self._kubectl.create(self._jobs.secret(order.id, content, uid))
        except CannotLaunch:
            with suppress(CannotReach):
                await self._fleet.delete(name)  # else its pod would wait for ever
            raise
        except NotReached as error:
            raise CannotReach(str(error)) from None  # the Job is there
        self._was_reached = True
        return {"root": ROOT, "job": name, "node": "", "delivers": "order.json" not in content}

    def _new_mirror(self, workload_id: str, handle: Handle) -> Mirror:
        mirror = super()._new_mirror(workload_id, handle)
        mirror.judge = Verdict(self._fleet, workload_id)
        return mirror

    async def _open(self, workload_id: str, handle: Handle) -> Pipe:
        report = self._fleet.report(workload_id)
        if not report.job or report.is_over:
            self._fleet.queue.poll_soon()
            raise CannotReach(report.problem or f"its pod is not there: {report.words_as_is or 'unknown'}")
        target = replace(self._target, place=PodPlace(self._kubectl, report.job))
        try:
            order, source = await asyncio.to_thread(self._order_to_send, workload_id, handle)
            found = await deliver(target, order, source)
        except CannotLaunch as error:
            raise CannotReach(str(error.strerror)) from None
        if not found.answer.get("found"):
            await found.pipe.close()
            raise CannotReach("its runner is starting")
        return found.pipe

    def _order_to_send(self, workload_id: str, handle: Handle) -> tuple[Order, Callable[[Any], Path]]:
        """The order by which the workload is found, or, with files that the Secret could not take, started. OSError."""
        folder = self._folder(workload_id)
        if not handle.get("delivers") or folder.path.joinpath("status.json").exists():
            return Order("find", workload_id), lambda file: Path(file.path)
        spec, _ = folder.read_spec()
        order = self._complete(self._order(workload_id, spec), spec, folder)
        return order, lambda file: folder.call if file is order.call else Path(spec.files_from) / file.path


def kubernetes_backend(
    name: str,
    server: BackendContext,
    /,
    *,
    namespace: str = "",
    image: str = "",
    context: str = "",
    kubeconfig: str = "",
    options: Mapping[str, Any] | None = None,
    python: str = "python3",
    setup: str = "",
    kubectl: str = "kubectl",
    image_timeout: float = IMAGE_TIMEOUT_S,
) -> KubernetesBackend:
    """The factory of type "kubernetes". ValueError for a value that cannot be used.

    `namespace`, `context`, `kubeconfig`: as in kubectl; default: kubectl's own.
    `image`, `options`: defaults of the options of each workload. `python`: the interpreter in the image. `setup`: shell
    commands before each command. `kubectl`: the program. `image_timeout`: seconds after which a workload is given up
    whose container cannot be created.
    """
    texts = {"namespace": namespace, "context": context, "kubeconfig": kubeconfig, "setup": setup}
    for setting, value in {**texts, "python": python, "kubectl": kubectl, "image": image}.items():
        if not isinstance(value, str) or "\0" in value or (setting in {"python", "kubectl"} and not value.strip()):
            raise ValueError(f"{setting} must be a string")
    if not isinstance(image_timeout, (int, float)) or not 1 <= image_timeout <= 86400:
        raise ValueError("image_timeout must be 1 to 86400 seconds")
    defaults = {**({"image": image} if image else {}), **(options or {})}
    checked_options({} if defaults.get("image") else {"image": "any"}, defaults)
    access = Kubectl(kubectl, context=context, kubeconfig=kubeconfig, namespace=namespace)
    return KubernetesBackend(
        name, server, access, python=python, setup=setup, options=defaults, image_timeout_s=float(image_timeout)
    )
