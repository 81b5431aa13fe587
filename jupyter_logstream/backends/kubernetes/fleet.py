"""All workloads of one store in a cluster: their Jobs, with one request for all of them. Server."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress

from ...store.disk.files import read_file, replace_file
from ...store.disk.folder import Folder
from ..job_queue import JobQueue, Report
from ..protocol import CannotReach
from .api import Kubectl
from .job import job_name
from .manifest import OWNER_LABEL
from .outcome import needs_events, to_reports

_POD_FILE = "pod"


class Fleet:
    """`owner`: the store, in labels; `folder`: of a workload, here.

    `cancelled`: workloads that were cancelled here. Bound: one report per workload that is watched.
    """

    def __init__(self, kubectl: Kubectl, owner: str, folder: Callable[[str], Folder]) -> None:
        self.kubectl, self.queue = kubectl, JobQueue(self._reports)
        self.cancelled: set[str] = set()
        self._folder, self._selector = folder, f"{OWNER_LABEL}={owner}"

    def report(self, workload_id: str) -> Report:
        """What Kubernetes reported last."""
        return self.queue.report(workload_id)

    async def jobs(self) -> list[str]:
        """The names of the store's Jobs. Raises CannotReach."""
        return [job["metadata"]["name"] for job in await self.kubectl.get("jobs", "-l", self._selector)]

    async def delete(self, job: str) -> None:
        """Delete a Job; Kubernetes deletes its pod and its Secret. Raises CannotReach."""
        await self.kubectl.delete(f"job/{job}")
        self.queue.poll_soon()

    def pod(self, workload_id: str) -> str:
        """The pod in which the command runs or ran; "" before it was seen there."""
        with suppress(FileNotFoundError):
            return read_file(self._folder(workload_id).path / _POD_FILE).decode()
        return ""

    async def pin(self, workload_id: str) -> None:
        """Note the pod in which the command runs, so that it runs in no other. OSError: of the folder here.

        Kubernetes before 1.22 replaces a pod that was deleted; without its Secret the new one cannot start.
        """
        if self.pod(workload_id):
            return
        replace_file(self._folder(workload_id).path / _POD_FILE, self.report(workload_id).job.encode(), sync=False)
        with suppress(CannotReach):
            await self.kubectl.delete(f"secret/{job_name(workload_id)}")

    async def _reports(self, known: Collection[str]) -> dict[str, Report]:
        """One request for all workloads; a second one if one waits for a reason that only events have."""
        items = await self.kubectl.get("jobs,pods", "-l", self._selector)
        pods = {one: self.pod(one) for one in known}
        reports = to_reports(items, pods=pods)
        if needs_events(reports.values()):
            with suppress(CannotReach):
                reports = to_reports(items, await self.kubectl.get("events"), pods=pods)
        return {one: reports[one] for one in known if one in reports}
