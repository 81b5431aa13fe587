"""Workloads in Kubernetes: the contract of all backends, and what only a cluster can do to them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.backend_contract import BackendContract
from support.container_images import BARE_IMAGE, PYTHON_IMAGE
from support.kubernetes_client import HOST_NETWORK, with_paths
from support.paths import ROOT
from support.process_table import kill_with_argument
from support.waiting import eventually
from support.workbench import Workbench

from jupyter_logstream.backends.configured import make_backends

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from support.elsewhere import Elsewhere
    from support.kubernetes_cluster import KubernetesCluster

    from jupyter_logstream.backends.context import BackendContext
    from jupyter_logstream.backends.protocol import Backend

pytestmark = [pytest.mark.kubernetes, pytest.mark.slow, pytest.mark.timeout(300)]


class TestInKubernetes(BackendContract):
    """As Jobs of a cluster of one node, whose files and processes are this machine's."""

    @pytest.fixture
    def bench(
        self, kubernetes: KubernetesCluster, tmp_path: Path, jp_asyncio_loop: asyncio.AbstractEventLoop
    ) -> Iterator[Workbench]:
        manifest = with_paths(tmp_path, ROOT, Path(sys.base_prefix))
        entry = {"type": "kubernetes", "kubeconfig": str(kubernetes.kubeconfig), "image": PYTHON_IMAGE}

        def make(context: BackendContext) -> Backend:
            backends, problems = make_backends({"there": {**entry, "options": {"manifest": manifest}}}, context)
            assert not problems, problems
            return backends["there"]

        made = Workbench(tmp_path, make)
        yield made
        jp_asyncio_loop.run_until_complete(made.close())
        kubernetes.kubectl("delete", "jobs,secrets", "-l", "jupyter-logstream/owner", "--wait=false")
        kill_with_argument(str(tmp_path))
        shutil.rmtree(tmp_path / "there", ignore_errors=True)


async def test_job_and_secret_go_when_the_log_is_copied(
    kubernetes: KubernetesCluster, in_kubernetes: Callable[..., Elsewhere]
) -> None:
    server = in_kubernetes()
    workload = await server.run("echo a; echo b >&2; exit 7")
    status = server.engine.get(workload).status
    assert (status.state, status.exit_code, sorted(server.lines(workload))) == ("failed", 7, ["a", "b"])
    await eventually(lambda: kubernetes.workloads() == [])


async def test_environment_and_files_arrive_and_no_value_is_in_the_manifest(
    kubernetes: KubernetesCluster, in_kubernetes: Callable[..., Elsewhere], tmp_path: Path
) -> None:
    (tmp_path / "small.txt").write_text("small")
    server = in_kubernetes()
    workload = await server.start(
        "cat small.txt; echo $PLACE; while [ ! -e end ]; do sleep 0.1; done",
        env={"PLACE": "a-value-of-the-environment"},
        files=["small.txt"],
        files_from=str(tmp_path),
    )
    await eventually(lambda: "a-value-of-the-environment" in server.text(workload))
    assert "small" in server.text(workload)
    assert "a-value-of-the-environment" not in kubernetes.kubectl("get", "jobs,pods", "-o", "json")
    await server.engine.cancel(workload)
    assert (await server.end(workload)).state == "cancelled"


async def test_files_that_no_secret_can_take_are_delivered_into_the_pod(
    in_kubernetes: Callable[..., Elsewhere], tmp_path: Path
) -> None:
    (tmp_path / "large.bin").write_bytes(bytes(range(256)) * 16384)
    server = in_kubernetes()
    workload = await server.run("wc -c < large.bin", files=["large.bin"], files_from=str(tmp_path))
    assert server.lines(workload) == ["4194304"]


async def test_user_without_privileges_can_run_in_the_container(in_kubernetes: Callable[..., Elsewhere]) -> None:
    user = {"hostNetwork": True, "securityContext": {"runAsUser": 1234, "runAsGroup": 1234}}
    server = in_kubernetes(options={"manifest": {"spec": {"template": {"spec": user}}}})
    workload = await server.run("id -u")
    assert server.lines(workload) == ["1234"]


async def test_image_without_python_runs_the_command_and_its_log_is_labelled(
    in_kubernetes: Callable[..., Elsewhere],
) -> None:
    server = in_kubernetes(image=BARE_IMAGE)
    workload = await server.run("for i in 1 2 3; do echo line $i; sleep 0.5; done; exit 5")
    status = server.engine.get(workload).status
    assert (status.state, status.exit_code) == ("failed", 5)
    label, *lines = server.lines(workload)
    assert "engine log: may miss or repeat lines" in label
    assert lines == ["line 1", "line 2", "line 3"]


async def test_out_of_memory_is_reported_as_the_reason(in_kubernetes: Callable[..., Elsewhere]) -> None:
    server = in_kubernetes()
    workload = await server.run(
        ["python3", "-c", "print('begin', flush=True); x = bytearray(500_000_000); print(len(x))"],
        options={"memory": "100Mi"},
    )
    status = server.engine.get(workload).status
    assert (status.state, status.signal) == ("failed", 9)
    assert "out of memory" in str(status.reason)


async def test_deadline_of_the_job_is_a_timeout(in_kubernetes: Callable[..., Elsewhere]) -> None:
    manifest = {"spec": {**HOST_NETWORK["spec"], "activeDeadlineSeconds": 4}}
    server = in_kubernetes(options={"manifest": manifest})
    workload = await server.run("echo begin; sleep 600")
    assert server.engine.get(workload).status.state == "timed_out"
    assert "begin" in server.lines(workload)


async def test_deleted_pod_ends_the_workload_and_keeps_what_was_copied(
    kubernetes: KubernetesCluster, in_kubernetes: Callable[..., Elsewhere]
) -> None:
    server = in_kubernetes()
    workload = await server.start("echo begin; sleep 600")
    await eventually(lambda: "begin" in server.lines(workload))
    kubernetes.kubectl("delete", "pods", "--all", "--grace-period=0", "--force")
    status = await server.end(workload)
    assert status.state in {"lost", "cancelled"}
    assert "deleted" in str(status.reason)
    assert "begin" in server.lines(workload)


async def test_documented_permissions_are_enough_and_the_doctor_names_what_is_missing(
    kubernetes: KubernetesCluster, in_kubernetes: Callable[..., Elsewhere]
) -> None:
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    manifest = page.partition("```yaml\n")[2].partition("```")[0].replace("namespace: ml", "namespace: default")
    server = in_kubernetes(kubeconfig=str(kubernetes.limited_kubeconfig("jupyter")))
    *_, last = await server.backend.check()
    assert not last.ok
    assert "not allowed: create jobs" in last.found
    kubernetes.kubectl("apply", "-f", "-", stdin=manifest)
    *_, last = await server.backend.check()
    assert last.ok, last.found
    workload = await server.run("echo hi; exit 3")
    assert (server.lines(workload), server.engine.get(workload).status.exit_code) == (["hi"], 3)
    await eventually(lambda: kubernetes.workloads() == [])
