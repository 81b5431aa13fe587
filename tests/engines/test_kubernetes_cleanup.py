"""A command runs once, and what it left in Kubernetes goes away, also if no server ever comes back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.container_images import BARE_IMAGE
from support.kubernetes_client import with_paths
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.elsewhere import Elsewhere
    from support.kubernetes_cluster import KubernetesCluster

pytestmark = [pytest.mark.kubernetes, pytest.mark.slow, pytest.mark.timeout(300)]


def pods(kubernetes: KubernetesCluster) -> list[dict[str, Any]]:
    listed = kubernetes.kubectl("get", "pods", "-l", "jupyter-logstream/owner", "-o", "json")
    return list(json.loads(listed)["items"])


async def test_secret_of_a_workload_that_waits_goes_with_its_job(
    kubernetes: KubernetesCluster, in_kubernetes: Callable[..., Elsewhere]
) -> None:
    server = in_kubernetes()
    await server.start("true", options={"gpus": 8})
    await eventually(lambda: [one.partition("/")[0] for one in kubernetes.workloads()] == ["job.batch", "secret"])
    await server.stop()
    kubernetes.kubectl("delete", "jobs", "--all")
    await eventually(lambda: kubernetes.workloads() == [])


async def test_job_that_no_server_comes_back_for_is_deleted_by_kubernetes(
    kubernetes: KubernetesCluster, in_kubernetes: Callable[..., Elsewhere]
) -> None:
    manifest = {"spec": {"ttlSecondsAfterFinished": 2, "template": {"spec": {"hostNetwork": True}}}}
    server = in_kubernetes(image=BARE_IMAGE, options={"manifest": manifest})
    workload = await server.start("echo begin; sleep 3")
    await eventually(lambda: "begin" in server.lines(workload))
    await server.stop()
    await eventually(lambda: kubernetes.workloads() == pods(kubernetes) == [], 60)


async def test_secret_goes_as_soon_as_the_command_runs(
    kubernetes: KubernetesCluster, in_kubernetes: Callable[..., Elsewhere]
) -> None:
    server = in_kubernetes()
    workload = await server.start("echo begin; sleep 600")
    await eventually(lambda: "begin" in server.lines(workload))
    await eventually(lambda: [one.partition("/")[0] for one in kubernetes.workloads()] == ["job.batch"])
    await server.engine.cancel(workload)
    await server.end(workload)


async def test_command_of_a_deleted_pod_runs_in_no_other(
    kubernetes: KubernetesCluster, in_kubernetes: Callable[..., Elsewhere], tmp_path: Path
) -> None:
    server = in_kubernetes(options={"manifest": with_paths(tmp_path)})
    workload = await server.start(f"echo run >> {tmp_path}/runs; echo begin; sleep 600")
    await eventually(lambda: "begin" in server.lines(workload))
    await server.stop()
    (first,) = pods(kubernetes)
    kubernetes.kubectl("delete", "pods", "--all", "--grace-period=0", "--force")
    # This version of Kubernetes replaces it; newer ones count it as failed.
    await eventually(lambda: [one for one in pods(kubernetes) if one["metadata"]["uid"] != first["metadata"]["uid"]])
    await eventually(lambda: "FailedMount" in kubernetes.kubectl("get", "events"), 60)
    second = in_kubernetes(options={"manifest": with_paths(tmp_path)})
    await second.engine.recover()
    status = await second.end(workload)
    assert (status.state, "its pod was deleted" in status.reason) == ("lost", True)
    assert "begin" in second.lines(workload)
    assert (tmp_path / "runs").read_text() == "run\n"
    await eventually(lambda: kubernetes.workloads() == [])


async def test_doctor_lists_jobs_that_no_workload_knows(
    kubernetes: KubernetesCluster, in_kubernetes: Callable[..., Elsewhere]
) -> None:
    server = in_kubernetes()
    workload = await server.start("true", options={"gpus": 8})
    await eventually(kubernetes.workloads)
    assert await server.backend.leftovers([workload]) == []
    assert await server.backend.leftovers([]) == [f"job/jls-{workload.lower()}"]
    await server.engine.cancel(workload)
    await server.end(workload)
