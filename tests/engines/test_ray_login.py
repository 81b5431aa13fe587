"""A Ray cluster with Ray's own token login: with the token everything works, without it nothing is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.ports import free_port
from support.ray_cluster import can_run, ray_cluster
from support.ray_server import ray_server, use

from jupyter_logstream import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.ray_cluster import RayCluster

pytestmark = [pytest.mark.ray, pytest.mark.large, pytest.mark.timeout(240)]
TOKEN = "canary-token-of-the-cluster-0123456789"


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    if problem := can_run():
        pytest.skip(f"Ray cannot run here: {problem}")
    with ray_cluster(TOKEN) as cluster:
        yield cluster


@pytest.mark.parametrize("is_reached", [True, False], ids=["by-its-runner", "by-ray-s-log"])
def test_token_in_headers_gives_the_log_and_the_end(
    tmp_path: Path, cluster: RayCluster, monkeypatch: pytest.MonkeyPatch, *, is_reached: bool
) -> None:
    way = {} if is_reached else {"public_url": f"http://{cluster.here}:{free_port()}/", "connect_timeout": 4}
    with ray_server(tmp_path, cluster, headers=cluster.headers, **way) as server:
        use(server, monkeypatch)
        job = run("echo out; exit 3", backend="ray", tty=False).wait(timeout=100)
        assert (job.state, job.exit_code) == ("failed", 3)
        assert "out" in job.text().splitlines()
        for text in server.log, job.text(), str(job.info), str(cluster.job(job.id)):
            assert TOKEN not in text


def test_missing_token_fails_a_launch_with_ray_s_answer(
    tmp_path: Path, cluster: RayCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ray_server(tmp_path, cluster) as server:
        use(server, monkeypatch)
        job = run("true", backend="ray").wait(timeout=60)
        assert job.state == "failed"
        assert f"Ray at {cluster.address} answered 401" in (job.error or "")
