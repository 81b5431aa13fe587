"""Ray behind a proxy: a login by header and a private certificate, and a server that dies before Ray's answer."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest
from support.certificates import certificate
from support.ray_front import ray_front
from support.ray_server import ray_server, use
from support.waiting import until

from jupyter_logstream import run

if TYPE_CHECKING:
    from pathlib import Path

    from support.ray_cluster import RayCluster

pytestmark = [pytest.mark.ray, pytest.mark.large, pytest.mark.timeout(240)]
LOGIN = ("X-Ray-Key", "canary-of-the-login")


def test_login_by_header_over_tls_works_and_appears_nowhere(
    tmp_path: Path, ray: RayCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, both = certificate(tmp_path / "ca", "127.0.0.1")
    url = f"http://{ray.here}:{{port}}/base/"
    with (
        ray_front(ray.address, login=LOGIN, certificate=both) as front,
        ray_server(tmp_path, ray, public_url=url, address=front.url, headers=dict([LOGIN]), ca=str(own)) as server,
    ):
        use(server, monkeypatch)
        job = run("echo by header; exit 3", backend="ray").wait(timeout=100)
        assert (job.exit_code, job.text()) == (3, "by header\n")
        front.login = (LOGIN[0], "another key")
        command = [sys.executable, "-m", "jupyter_logstream", "backends", "--check", "ray"]
        doctor = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert f"Ray at {front.url} answered 401 Unauthorized" in doctor.stdout
        plan = run("true", backend="ray", dry_run=True)
        ours = [server.log, str(server.get("info")), str(job.info), job.text(), plan, doctor.stdout, doctor.stderr]
        for text in [*ours, ray.job_log(job.id), str(ray.job(job.id))]:
            assert LOGIN[1] not in text


def test_job_whose_server_was_killed_before_ray_s_answer_runs_once(
    tmp_path: Path, ray: RayCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://{ray.here}:{{port}}/base/"
    with ray_front(ray.address) as front, ray_server(tmp_path, ray, public_url=url, address=front.url) as server:
        use(server, monkeypatch)
        front.is_silent = True
        job = run(f"echo ran >> {tmp_path}/ran; echo out; exit 3", backend="ray")
        until(front.submitted.is_set)
        assert job.state == "queued"
        server.stop(signal.SIGKILL)
        front.is_silent = False
        server.start(server.port)
        assert job.wait(timeout=100).exit_code == 3
        assert job.text() == "out\n"
        assert (tmp_path / "ran").read_text() == "ran\n"
        jobs = httpx.get(f"{ray.address}/api/jobs/", trust_env=False, timeout=30).json()
        assert [one["submission_id"] for one in jobs].count(job.id) == 1
