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
import re
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..model.workload import WorkloadSpec
from ..wire.delivery import Order
from .delivery import Target, deliver
from .engine_log import EngineLog
from .job_queue import JobQueue, Report
from .kubernetes_api import Kubectl
from .kubernetes_checks import check_kubernetes
from .kubernetes_job import Jobs, job_name
from .kubernetes_log import PodLog
from .kubernetes_manifest import HELD, NO_PYTHON, OPTIONS, OWNER_LABEL, ROOT, checked_options, secret_manifest
from .kubernetes_outcome import IMAGE_PROBLEMS, RUNNING, needs_events, to_reports, to_sighting
from .mirror import Mirror
from .places import ThisMachine
from .protocol import CannotLaunch, CannotReach, Check, Handle, Sighting
from .remote import RemoteBackend

if TYPE_CHECKING:
    from .context import BackendContext
    from .pipe import Pipe

IMAGE_TIMEOUT_S = 300.0
"""Seconds after which a workload whose container cannot be created is given up."""

_OVER_GRACE_S = 3.0  # for the rest of the log of a pod that has ended
_STOP_MARGIN_S = 10.0  # for the rest of the log, after the grace time
_START_POLL_S = 0.3
_VERDICT_TIMEOUT_S = 10.0
_OOM_KILLS = re.compile(r"^oom_kill ([1-9]\d*)", re.MULTILINE)
_OOM_FILES = "/sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control"


class PodPlace(ThisMachine):
    """The container of a workload, as a place for commands."""

    def __init__(self, kubectl: Kubectl, pod: str) -> None:
        self._kubectl, self.name = kubectl, f"the pod {pod}"
        self._pod = pod

    def argv(self, command: str) -> list[str]:
        """See Place."""
        return self._kubectl.exec_argv(self._pod, command)


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
        self._log_bytes = context.log_bytes
        self._queue = JobQueue(self._reports)
        self._cancelled: set[str] = set()
        self._pipes: dict[str, Pipe] = {}
        owner = hashlib.sha256(f"{os.uname().nodename}:{self._folder('').path}".encode()).hexdigest()[:16]
        self._selector = f"{OWNER_LABEL}={owner}"
        stop_s = math.ceil(context.grace_s + _STOP_MARGIN_S)
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

    async def cancel(self, workload_id: str, handle: Handle, grace_s: float) -> None:
        """Through the runner where it can be reached, else by deleting the Job. Raises CannotReach."""
        self._cancelled.add(workload_id)
        mirror = self._mirrors.get(workload_id)
        if mirror is not None and mirror.sighting.link == "up":
            await mirror.cancel(grace_s)
        else:
            await self._kubectl.delete(f"job/{handle['job']}")
            self._queue.poll_soon()

    async def log_complete(self, workload_id: str) -> None:
        """See HasLateOutput. Deletes the Job and its Secret; if the server stops before, `forget` does."""
        await super().log_complete(workload_id)
        with suppress(CannotReach):
            await self._delete(job_name(workload_id))

    async def forget(self, workload_id: str, handle: Handle) -> None:
        """Delete the Job, its pod and its Secret. Raises CannotReach."""
        if not handle:  # never submitted
            return
        if mirror := self._mirrors.pop(workload_id, None):
            await mirror.close()
        self._cancelled.discard(workload_id)
        await self._delete(handle["job"])

    async def leftovers(self, known: Collection[str]) -> list[str]:
        """See HasLeftovers: Jobs of this store's workloads that this server does not know any more."""
        jobs = await self._kubectl.get("jobs", "-l", self._selector)
        ours = {job_name(one) for one in known}
        return [f"job/{job['metadata']['name']}" for job in jobs if job["metadata"]["name"] not in ours]

    async def check(self) -> list[Check]:
        """Whether kubectl is there, the API server answers, and this login has the permissions that are needed."""
        return await check_kubernetes(self._kubectl)

    # --- start --------------------------------------------------------------------------------------------------------

    async def _start(self, order: Order, spec: WorkloadSpec, before_sending: Callable[[], None]) -> Handle:
        try:
            content = await asyncio.to_thread(self._jobs.package, order, spec, self._folder(order.id).call)
        except OSError as error:
            raise CannotLaunch(None, f"{error.filename}: {error.strerror}") from error
        name = job_name(order.id)
        before_sending()
        await self._kubectl.create(secret_manifest(name, self._jobs.labels(order.id), content))
        try:
            await self._kubectl.create(self._jobs.manifest(order.id, spec))
        except CannotLaunch:
            with suppress(CannotReach):
                await self._kubectl.delete(f"secret/{name}")  # else nothing would find it again
            raise
        self._was_reached = True
        return {"root": ROOT, "job": name, "node": "", "delivers": "order.json" not in content}

    async def _delete(self, name: str) -> None:
        await self._kubectl.delete(f"job/{name}", f"secret/{name}")

    # --- watch --------------------------------------------------------------------------------------------------------

    async def watch(self, workload_id: str, handle: Handle) -> AsyncIterator[Sighting]:
        """Report Kubernetes' state until the container runs, then what the mirror or the pod's own log shows."""
        async with self._queue.watching(workload_id):
            if not self._folder(workload_id).path.joinpath("status.json").exists():
                async for sighting in self._until_started(workload_id, handle):
                    yield sighting
                    if sighting.state != "queued":
                        return
            if await self._has_python(workload_id):
                source = self._mirrored(workload_id, handle)
            else:
                source = self._from_pod_log(workload_id)
            async for sighting in source:
                yield sighting

    async def _until_started(self, workload_id: str, handle: Handle) -> AsyncIterator[Sighting]:
        """Report why the workload waits, until its container runs or has ended. Gives up if it cannot be created."""
        report, loop = self._queue.report(workload_id), asyncio.get_running_loop()
        since: float | None = None
        while report.is_waiting:
            since = (since or loop.time()) if report.state in IMAGE_PROBLEMS else None
            if since is not None and loop.time() - since > self._image_timeout_s:
                await self._kubectl.delete(f"job/{handle['job']}")
                yield Sighting("failed", report.reason)
                return
            yield _waiting(report)
            left_s = None if since is None else since + self._image_timeout_s - loop.time() + 0.1
            with suppress(asyncio.TimeoutError):
                report = await asyncio.wait_for(self._queue.change(workload_id, report), left_s)

    async def _has_python(self, workload_id: str) -> bool:
        """Whether the runner runs in the container, as soon as that is known."""
        folder = self._folder(workload_id)
        while True:
            report = self._queue.report(workload_id)
            if EngineLog.is_used(folder) or NO_PYTHON in report.reason:
                return False
            if report.is_over or folder.path.joinpath("status.json").exists():
                return True
            look = f"cat /dev/termination-log; [ ! -e {ROOT}/{HELD} ] || echo runner"
            with suppress(CannotReach):
                found = await self._kubectl.output(report.job, ["/bin/sh", "-c", look])
                if NO_PYTHON in found or "runner" in found.splitlines():
                    return NO_PYTHON not in found
            self._queue.poll_soon()
            await asyncio.sleep(_START_POLL_S)

    async def _mirrored(self, workload_id: str, handle: Handle) -> AsyncIterator[Sighting]:
        """What the mirror reports; Kubernetes' final state if the pod is gone."""
        mirror = self._mirror(workload_id, handle)
        supervisor = asyncio.get_running_loop().create_task(self._give_up(workload_id, mirror))
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

    async def _give_up(self, workload_id: str, mirror: Mirror) -> None:
        """Close the mirror of a pod that is gone: nothing can be copied from it."""
        report = self._queue.report(workload_id)
        while True:
            while not report.is_over:
                report = await self._queue.change(workload_id, report)
            await asyncio.sleep(_OVER_GRACE_S)
            report = self._queue.report(workload_id)
            if report.is_over:
                await mirror.close()
                return

    async def _from_pod_log(self, workload_id: str) -> AsyncIterator[Sighting]:
        """Copy the pod's log until the pod has ended; its state is Kubernetes', never the end of the log."""
        report = self._queue.report(workload_id)
        log = EngineLog(self._folder(workload_id), self._log_bytes)
        await log.open("The image has no Python, in which the runner could run.")
        copy = PodLog(self._kubectl, report.job, log)
        copying = asyncio.get_running_loop().create_task(copy.follow(lambda: self._queue.report(workload_id).is_over))
        try:
            while not report.is_over and not copying.done():
                yield _running(report)
                change = asyncio.ensure_future(self._queue.change(workload_id, report))
                await asyncio.wait({copying, change}, return_when=asyncio.FIRST_COMPLETED)
                change.cancel()
                report = self._queue.report(workload_id)
            await copying  # it ends with the pod, or by a fault of this server
        finally:
            copying.cancel()
            await asyncio.wait({copying})
            log.close()
        yield self._final(workload_id)

    async def _open(self, workload_id: str, handle: Handle) -> Pipe:
        report = self._queue.report(workload_id)
        if not report.job or report.is_over:
            self._queue.poll_soon()
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
        if not handle.get("delivers") or self._folder(workload_id).path.joinpath("status.json").exists():
            return Order("find", workload_id), lambda file: Path(file.path)
        folder = self._folder(workload_id)
        spec, _ = folder.read_spec()
        order = self._complete(self._order(workload_id, spec), spec, folder)
        return order, lambda file: folder.call if file is order.call else Path(spec.files_from) / file.path

    # --- ends ---------------------------------------------------------------------------------------------------------

    def _new_mirror(self, workload_id: str, handle: Handle) -> Mirror:
        mirror = super()._new_mirror(workload_id, handle)
        mirror.judge = lambda status: self._verdict(workload_id, status)
        return mirror

    async def _verdict(self, workload_id: str, status: dict[str, Any]) -> dict[str, Any]:
        """A command that was ended from outside: Kubernetes knows whether by a limit, an eviction, or a user."""
        if workload_id in self._cancelled:
            return status
        if status.get("signal") == 9 and await self._was_out_of_memory(workload_id):
            return {**status, "reason": "out of memory: the container's limit was reached"}
        if status["state"] != "cancelled":
            return status
        self._queue.poll_soon()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._until_it_stops(workload_id), _VERDICT_TIMEOUT_S)
        report = self._queue.report(workload_id)
        if report.state == "DeadlineExceeded":
            return {**status, "state": "timed_out", "reason": "its Job's deadline (activeDeadlineSeconds)"}
        if report.state == "Evicted":
            return {**status, "state": "failed", "reason": report.words_as_is}
        return {**status, "reason": "its pod was deleted in Kubernetes"}

    async def _was_out_of_memory(self, workload_id: str) -> bool:
        with suppress(CannotReach):
            read = ["/bin/sh", "-c", f"cat {_OOM_FILES} 2>/dev/null; true"]
            return bool(_OOM_KILLS.search(await self._kubectl.output(self._queue.report(workload_id).job, read)))
        return self._queue.report(workload_id).state == "OOMKilled"

    async def _until_it_stops(self, workload_id: str) -> None:
        """Return when Kubernetes reports why the pod ends, or that it has ended."""
        report = self._queue.report(workload_id)
        while report.state == RUNNING:
            report = await self._queue.change(workload_id, report)

    def _final(self, workload_id: str) -> Sighting:
        return to_sighting(self._queue.report(workload_id), was_cancelled=workload_id in self._cancelled)

    async def _note_missing_end(self, workload_id: str) -> None:
        """Report in the log that its end was not copied."""
        log = EngineLog(self._folder(workload_id), self._log_bytes)
        await log.open()
        log.note("error", "the end of this log can be missing: its pod was gone before all was copied")
        log.close()

    async def _reports(self, known: Collection[str]) -> dict[str, Report]:
        """One request for all workloads; a second one if one waits for a reason that only events have."""
        items = await self._kubectl.get("jobs,pods", "-l", self._selector)
        reports = to_reports(items)
        if needs_events(reports.values()):
            with suppress(CannotReach):
                reports = to_reports(items, await self._kubectl.get("events"))
        return {one: reports[one] for one in known if one in reports}


def _waiting(report: Report) -> Sighting:
    if report.problem:
        return Sighting("queued", f"Kubernetes does not answer: {report.problem}", link="down")
    return Sighting("queued", f"Pending: {report.reason}" if report.reason else "Pending")


def _running(report: Report) -> Sighting:
    if report.problem:
        return Sighting("running", f"Kubernetes does not answer: {report.problem}", report.node, link="down")
    return Sighting("running", "", report.node)


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
