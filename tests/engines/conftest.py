"""Real engines: an ssh server of its own per file, a Slurm cluster of one node, a Ray cluster in its own network."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.container_engines import box, docker, in_box, in_docker, in_podman, podman
from support.container_images import PYTHON_IMAGE
from support.elsewhere import Elsewhere
from support.environment import own_environment
from support.kubernetes_client import CONTEXT, HOST_NETWORK, ExistingCluster
from support.kubernetes_cluster import kubernetes_cluster
from support.process_table import kill_with_argument
from support.ray_cluster import can_run, ray_cluster
from support.slurm_cluster import PROGRAMS, slurm_cluster
from support.sshd import SSHD, sshd

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from support.kubernetes_cluster import KubernetesCluster
    from support.ray_cluster import RayCluster
    from support.slurm_cluster import SlurmCluster
    from support.sshd import Sshd

__all__ = ["box", "docker", "in_box", "in_docker", "in_podman", "own_environment", "podman"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("engines")


@pytest.fixture(scope="module")
def gpu1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A machine that `ssh gpu1` reaches, with the client configuration `gpu1.config`."""
    if not Path(SSHD).exists():
        pytest.skip("OpenSSH's server is not installed: workloads over ssh are not tested")
    folder = tmp_path_factory.mktemp("gpu1")
    with sshd(folder) as server:
        yield server
    kill_with_argument(str(folder))


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    """A Slurm cluster of one node, with the partitions `main` and `down`."""
    if not all(Path(program).exists() for program in PROGRAMS) or os.geteuid():
        pytest.skip("Slurm is not installed, or this user is not root: workloads in Slurm are not tested")
    folder = Path(tempfile.mkdtemp(prefix="jls-slurm-"))  # munge's socket needs a short path that others can enter
    with slurm_cluster(folder) as cluster:
        yield cluster
    kill_with_argument(str(folder))
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def kubernetes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesCluster | ExistingCluster]:
    """A Kubernetes cluster of one node, or an existing one; its images are those of support/container_images.py."""
    if CONTEXT:
        yield ExistingCluster(tmp_path_factory.mktemp("kubernetes"))
        return
    folder = Path(tempfile.mkdtemp(prefix="jlsk"))  # Docker's sockets need short paths
    with kubernetes_cluster(folder) as cluster:
        yield cluster


@pytest.fixture
def in_kubernetes(
    kubernetes: KubernetesCluster, tmp_path: Path, jp_asyncio_loop: asyncio.AbstractEventLoop
) -> Iterator[Callable[..., Elsewhere]]:
    """`in_kubernetes(image=...)`: an engine whose backend `cluster` is that cluster."""
    started: list[Elsewhere] = []

    def start(**settings: Any) -> Elsewhere:
        entry = {"type": "kubernetes", "kubeconfig": str(kubernetes.kubeconfig), "image": PYTHON_IMAGE}
        server = Elsewhere(tmp_path / "store", "cluster", {**entry, "options": {"manifest": HOST_NETWORK}, **settings})
        started.append(server)
        return server

    yield start
    for server in started:
        jp_asyncio_loop.run_until_complete(server.stop())
    kubernetes.kubectl("delete", "jobs,secrets", "-l", "jupyter-logstream/owner", "--wait=false")


@pytest.fixture(scope="module")
def ray() -> Iterator[RayCluster]:
    """A Ray cluster of one node."""
    if problem := can_run():
        pytest.skip(f"Ray cannot run here: {problem}")
    with ray_cluster() as cluster:
        yield cluster


@pytest.fixture
def in_slurm(
    slurm: SlurmCluster, tmp_path: Path, jp_asyncio_loop: asyncio.AbstractEventLoop
) -> Iterator[Callable[..., Any]]:
    """`in_slurm(pipe=...)`: an engine whose backend `cluster` is that cluster; further settings are the backend's."""
    started: list[Elsewhere] = []
    os.environ.update(slurm.env)

    def start(**settings: Any) -> Elsewhere:
        entry = {"type": "slurm", "partition": "main", "options": {"mem": "50"}, "folder": str(tmp_path / "there")}
        server = Elsewhere(tmp_path / "store", "cluster", {**entry, **settings})
        started.append(server)
        return server

    yield start
    for server in started:
        jp_asyncio_loop.run_until_complete(server.stop())
    slurm.end_jobs()
    kill_with_argument(str(tmp_path))
    shutil.rmtree(tmp_path / "there", ignore_errors=True)


@pytest.fixture
def over_ssh(gpu1: Sshd, tmp_path: Path, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[Callable[..., Any]]:
    """`over_ssh(python=...)`: an engine whose backend `gpu1` is that machine; further settings are the backend's."""
    started: list[Elsewhere] = []

    def start(**settings: Any) -> Elsewhere:
        entry = {"type": "ssh", "host": "gpu1", "folder": str(tmp_path / "there"), "ssh_options": gpu1.options}
        server = Elsewhere(tmp_path / "store", "gpu1", {**entry, **settings})
        started.append(server)
        return server

    yield start
    for server in started:
        jp_asyncio_loop.run_until_complete(server.stop())
    kill_with_argument(str(tmp_path))
    shutil.rmtree(tmp_path / "there", ignore_errors=True)
