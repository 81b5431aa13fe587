"""What a user reads when Kubernetes refuses a workload or cannot be reached, as its error and from the doctor."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.elsewhere import Elsewhere
    from support.kubernetes_cluster import KubernetesCluster

pytestmark = [pytest.mark.kubernetes, pytest.mark.slow, pytest.mark.timeout(300)]


async def error_of(server: Elsewhere) -> str:
    """Why a workload cannot be started."""
    workload = await server.run("true")
    status = server.engine.get(workload).status
    assert status.state == "failed"
    return f"{status.error} {status.reason}"


async def last_check(server: Elsewhere) -> tuple[str, str, str]:
    """The doctor's last check, which failed: what, found, advice."""
    *_, last = await server.backend.check()
    assert not last.ok
    return last.what, last.found, last.advice


async def test_missing_kubectl_is_named(in_kubernetes: Callable[..., Elsewhere]) -> None:
    server = in_kubernetes(kubectl="/no/kubectl")
    assert "/no/kubectl is not installed on this server's machine" in await error_of(server)
    what, found, advice = await last_check(server)
    assert (what, "is not installed" in found, "install kubectl" in advice) == ("run kubectl", True, True)


async def test_context_that_does_not_exist_is_named(in_kubernetes: Callable[..., Elsewhere]) -> None:
    server = in_kubernetes(context="nope")
    assert 'context "nope" does not exist' in await error_of(server)
    what, found, advice = await last_check(server)
    assert what == "reach the API server"
    assert '"nope" does not exist' in found
    assert "check `context`" in advice


async def test_namespace_that_does_not_exist_is_named(in_kubernetes: Callable[..., Elsewhere]) -> None:
    server = in_kubernetes(namespace="nope")
    assert 'namespaces "nope" not found' in await error_of(server)
    what, found, advice = await last_check(server)
    assert what == "create a Job (dry run)"
    assert 'namespaces "nope" not found' in found
    assert "check `namespace`" in advice


async def test_api_server_that_never_answered_is_an_error_and_not_waited_for(
    kubernetes: KubernetesCluster, in_kubernetes: Callable[..., Elsewhere], tmp_path: Path
) -> None:
    config = json.loads(kubernetes.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    (tmp_path / "closed.conf").write_text(json.dumps(config))
    server = in_kubernetes(kubeconfig=str(tmp_path / "closed.conf"))
    assert "refused" in await error_of(server)
    what, found, _ = await last_check(server)
    assert (what, "refused" in found) == ("reach the API server", True)


async def test_login_without_permissions_is_refused_with_kubernetes_words(
    kubernetes: KubernetesCluster, in_kubernetes: Callable[..., Elsewhere]
) -> None:
    server = in_kubernetes(kubeconfig=str(kubernetes.limited_kubeconfig("visitor")))
    assert 'cannot create resource "jobs"' in await error_of(server)
    what, found, advice = await last_check(server)
    assert what == "use Jobs, Secrets, pods and events"
    assert "not allowed: create jobs, get jobs" in found
    assert "docs/kubernetes.md" in advice


@pytest.mark.parametrize(
    ("container", "reason"), [({"imagePullPolicy": "Never"}, "ErrImageNeverPull"), ({}, "ImagePull")]
)
async def test_image_that_is_not_there_fails_with_the_reason_after_the_deadline(
    container: dict[str, Any], reason: str, in_kubernetes: Callable[..., Elsewhere]
) -> None:
    manifest = {"spec": {"template": {"spec": {"hostNetwork": True, "containers": [container]}}}}
    server = in_kubernetes(image="127.0.0.1:1/none:1", image_timeout=8, options={"manifest": manifest})
    workload = await server.start("true")
    await eventually(lambda: reason in server.engine.get(workload).status.reason)
    assert server.engine.get(workload).status.reason.startswith("Pending: ")
    status = await server.end(workload)
    assert (status.state, reason in status.reason) == ("failed", True)


async def test_reason_of_a_pod_that_no_node_can_run_is_reported(in_kubernetes: Callable[..., Elsewhere]) -> None:
    server = in_kubernetes()
    workload = await server.start("true", options={"gpus": 8})
    await eventually(lambda: "nvidia.com/gpu" in server.engine.get(workload).status.reason)
    assert server.engine.get(workload).status.reason.startswith("Pending: 0/1 nodes are available")
    await server.engine.cancel(workload)
    assert (await server.end(workload)).state == "cancelled"
    assert server.lines(workload) == []


async def test_a_job_that_is_refused_leaves_nothing(
    kubernetes: KubernetesCluster, in_kubernetes: Callable[..., Elsewhere]
) -> None:
    server = in_kubernetes(options={"manifest": {"spec": {"completions": "many"}}})
    assert "completions" in await error_of(server)
    assert kubernetes.workloads() == []


async def test_a_secret_that_is_refused_takes_its_job_with_it(
    kubernetes: KubernetesCluster, in_kubernetes: Callable[..., Elsewhere]
) -> None:
    config = kubernetes.limited_kubeconfig("jobs-only")
    kubernetes.kubectl("create", "role", "jobs-only", "--verb=create,get,list,delete", "--resource=jobs,pods")
    kubernetes.kubectl("create", "rolebinding", "jobs-only", "--role=jobs-only", "--serviceaccount=default:jobs-only")
    server = in_kubernetes(kubeconfig=str(config))
    assert 'cannot create resource "secrets"' in await error_of(server)
    await eventually(lambda: kubernetes.workloads() == [])
