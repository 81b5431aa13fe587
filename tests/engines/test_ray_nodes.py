"""A Ray cluster of two nodes: options choose the node, the log comes from it, and its loss is reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.ports import free_port
from support.process_table import with_argument
from support.ray_server import ray_server, use
from support.waiting import until

from jupyter_logstream import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.ray_cluster import RayCluster
    from support.serving import Server

pytestmark = [pytest.mark.ray, pytest.mark.large, pytest.mark.timeout(300)]
ON_WORKER = {"resources": {"worker": 1}, "num_cpus": 1}
MARK = "4721.5"


@pytest.fixture(scope="module")
def cluster(ray: RayCluster) -> RayCluster:
    ray.start_worker()
    return ray


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, cluster: RayCluster) -> Iterator[Server]:
    with ray_server(tmp_path_factory.mktemp("server"), cluster) as server:
        yield server


def node_of(cluster: RayCluster, job_id: str) -> str:
    """The address of the node that runs a job."""
    return str(cluster.job(job_id)["driver_agent_http_address"]).partition("://")[2].partition(":")[0]


def test_resources_choose_the_node_and_the_runner_there_connects(
    server: Server, cluster: RayCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(server, monkeypatch)
    there = run(
        "for i in $(seq 50); do echo line $i; done; read x; exit 3", backend="ray", options=ON_WORKER, stdin=True
    )
    head = run("echo up; read x", backend="ray", stdin=True)
    until(lambda: "line 50" in there.text() and "up" in head.text())
    assert (node_of(cluster, there.id), node_of(cluster, head.id)) == (cluster.worker, cluster.head)
    for job in there, head:
        job.send("\n")
    assert there.wait(timeout=60).exit_code == 3
    assert there.text().splitlines()[:50] == [f"line {i}" for i in range(1, 51)]
    assert head.wait(timeout=60).state == "succeeded"


def test_ray_s_log_of_a_job_on_another_node_is_shown_if_its_runner_cannot_connect(
    tmp_path_factory: pytest.TempPathFactory, cluster: RayCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://{cluster.here}:{free_port()}/"
    folder = tmp_path_factory.mktemp("unreachable")
    with ray_server(folder, cluster, public_url=url, connect_timeout=4) as unreachable:
        use(unreachable, monkeypatch)
        job = run("echo from the worker; exit 6", backend="ray", options=ON_WORKER, tty=False).wait(timeout=100)
        assert job.exit_code == 6
        assert "from the worker" in job.text().splitlines()
        assert job.info["node"] == node_of(cluster, job.id) == cluster.worker


def test_node_that_dies_makes_its_jobs_lost_and_no_other(
    server: Server, cluster: RayCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(server, monkeypatch)
    there = run(f"echo up; sleep {MARK}", backend="ray", options=ON_WORKER)
    head = run("echo up; read x", backend="ray", stdin=True)
    until(lambda: "up" in there.text() and "up" in head.text())
    cluster.kill("raylet/raylet", f"--node_ip_address={cluster.worker}")
    there.wait(timeout=200)
    assert there.state == "lost", (there.state, there.error)
    assert "Ray lost its job" in (there.error or "")
    until(lambda: with_argument(f"sleep {MARK}") == [])
    head.send("\n")
    assert head.wait(timeout=60).state == "succeeded"
