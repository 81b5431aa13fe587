"""Faults of a real Ray cluster: what it reports is mapped honestly, and no line is missing, double or invented."""

from __future__ import annotations

import os
import re
import signal
import time
from typing import TYPE_CHECKING

import httpx
import pytest
from support.ports import free_port
from support.process_table import with_argument
from support.ray_server import ray_server, use
from support.waiting import until

from jupyter_logstream import Rejected, WorkloadFailed, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.ray_cluster import RayCluster
    from support.serving import Server

pytestmark = [pytest.mark.ray, pytest.mark.large, pytest.mark.timeout(240)]
LABEL = "engine log: may miss or repeat lines"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, ray: RayCluster) -> Iterator[Server]:
    """A server that jobs reach."""
    with ray_server(tmp_path_factory.mktemp("server"), ray) as server:
        yield server


@pytest.fixture(scope="module")
def unreachable(tmp_path_factory: pytest.TempPathFactory, ray: RayCluster) -> Iterator[Server]:
    """A server that jobs do not reach."""
    url = f"http://{ray.here}:{free_port()}/"
    with ray_server(tmp_path_factory.mktemp("server"), ray, public_url=url, connect_timeout=4) as server:
        yield server


@pytest.fixture(autouse=True)
def cluster_works(ray: RayCluster) -> None:
    """Each test begins with a cluster that answers."""
    try:
        httpx.get(f"{ray.address}/api/jobs/", trust_env=False, timeout=10)
    except httpx.TransportError:
        ray.stop()
        ray.start()


def test_server_that_jobs_cannot_reach_shows_ray_s_log_labelled(
    unreachable: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(unreachable, monkeypatch)
    gate = tmp_path / "gate"
    command = (
        f"for i in $(seq 300); do echo line $i; done; while [ ! -e {gate} ]; do sleep 0.1; done; echo last; exit 6"
    )
    job = run(command, backend="ray", tty=False)
    until(lambda: "line 300" in job.text(), patience=60)  # while it runs
    gate.touch()
    assert job.wait(timeout=100).exit_code == 6
    texts = [record.message for record in job.logs()]
    assert texts[0].startswith(f"{LABEL}. The runner in the job did not connect to this server at http://")
    assert [text for text in texts if re.fullmatch(r"line \d+|last", text)] == [
        *(f"line {i}" for i in range(1, 301)),
        "last",
    ]
    assert any("Connection refused; the output follows" in text for text in texts)
    assert job.state == "failed"


def test_short_job_that_cannot_reach_the_server_has_its_log_and_state(
    unreachable: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(unreachable, monkeypatch)
    job = run("echo only; echo err >&2", backend="ray", tty=False).wait(timeout=100)
    assert (job.state, job.exit_code) == ("succeeded", 0)
    assert {"only", "err"} < {record.message for record in job.logs()}
    function = run(lambda: 3, backend="ray")
    missing = r"gave no result: Done \(exit code 0, its result is missing: its runner did not connect to this server"
    with pytest.raises(WorkloadFailed, match=missing):
        function.result(timeout=100)


def test_input_for_a_job_that_cannot_reach_the_server_is_refused(
    unreachable: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(unreachable, monkeypatch)
    job = run("echo up; read x", backend="ray", stdin=True)
    until(lambda: "up" in job.text(), patience=60)
    with pytest.raises(Rejected, match="its runner did not connect to this server, so it accepts no input"):
        job.send("x\n")
    job.cancel()
    assert job.wait(timeout=100).state == "cancelled"


def test_server_that_listens_on_localhost_shows_ray_s_log_at_once_and_names_the_setting(
    ray: RayCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with ray_server(tmp_path, ray, ip="127.0.0.1") as server:
        use(server, monkeypatch)
        job = run("echo up; sleep 4724.5", backend="ray", tty=False)
        until(lambda: "up" in job.text())
        setting = "Other machines cannot reach this server: set c.LogStream.public_url to its URL for them."
        assert job.logs()[0].message == f"{LABEL}. {setting}"
        for spec, words in ({"stdin": True}, "it could get no input"), ({}, "its result could not come back"):
            needy = run(lambda: 3, backend="ray") if not spec else run("cat", backend="ray", **spec)
            assert needy.wait(timeout=60).state == "failed"
            assert needy.error == f"{words}: {setting[0].lower()}{setting[1:-1]}"
        with pytest.raises(WorkloadFailed, match=r"set c\.LogStream.public_url"):
            run(lambda: 3, backend="ray").result(timeout=60)
        doctor = server.http.post(f"{server.url}logstream/v1/backends/ray/check").json()
        assert doctor["checks"][-1]["found"] == "none: the server listens where other machines do not reach it"
        job.cancel()
        assert job.wait(timeout=60).state == "cancelled"


def test_cancel_of_a_job_that_cannot_reach_the_server_stops_it_in_ray(
    unreachable: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(unreachable, monkeypatch)
    job = run("echo up; sleep 4715.5", backend="ray")
    until(lambda: "up" in job.text(), patience=60)
    job.cancel()
    assert job.wait(timeout=100).state == "cancelled"
    until(lambda: with_argument("sleep 4715.5") == [])


def test_server_that_is_restarted_continues_ray_s_log_without_double_lines(
    unreachable: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(unreachable, monkeypatch)
    job = run("for i in $(seq 200); do echo line $i; sleep 0.1; done", backend="ray", tty=False)
    until(lambda: "line 30" in job.text(), patience=60)
    unreachable.stop(signal.SIGKILL)
    unreachable.start(unreachable.port)
    assert job.wait(timeout=100).state == "succeeded"
    texts = [record.message for record in job.logs()]
    assert [text for text in texts if text.startswith("line ")] == [f"line {i}" for i in range(1, 201)]
    assert sum(text.startswith(LABEL) for text in texts) == 1


def test_command_that_ray_cannot_start_fails_with_the_reason(
    server: Server, ray: RayCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(server, monkeypatch)
    job = run("true", backend="ray", options={"pip": ["no-such-package-of-the-tests==9"]}).wait(timeout=200)
    assert job.state == "failed"
    assert "Ray could not set up its runtime environment" in (job.error or "")


def test_supervisor_that_is_killed_ends_the_processes_and_the_workload_is_lost(
    server: Server, ray: RayCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(server, monkeypatch)
    job = run("echo up; sleep 4716.5", backend="ray")
    until(lambda: "up" in job.text())
    ray.kill("ray::JobSupervisor")
    job.wait(timeout=200)
    assert job.state == "lost", (job.state, job.error)
    assert "Ray lost its job" in (job.error or "")
    assert job.text().splitlines()[0] == "up"
    until(lambda: with_argument("sleep 4716.5") == [])


def test_dashboard_that_is_killed_stops_neither_job_nor_log(
    server: Server, ray: RayCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(server, monkeypatch)
    job = run("for i in $(seq 100); do echo line $i; sleep 0.1; done; read x; exit 5", backend="ray", stdin=True)
    until(lambda: "line 5" in job.text())
    ray.kill("dashboard/dashboard.py")
    until(lambda: "line 100" in job.text())
    assert (job.state, job.info["link"]) == ("running", None)
    job.send("\n")
    assert job.wait(timeout=60).exit_code == 5
    assert job.text().splitlines()[:100] == [f"line {i}" for i in range(1, 101)]


def test_head_that_hangs_for_a_while_stops_neither_job_nor_log(
    server: Server, ray: RayCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(server, monkeypatch)
    job = run("for i in $(seq 120); do echo line $i; sleep 0.1; done; exit 5", backend="ray")
    until(lambda: "line 5" in job.text())
    hanging = [*ray.pids("gcs_server"), *ray.pids("dashboard/dashboard.py")]
    assert hanging
    for pid in hanging:
        os.kill(pid, signal.SIGSTOP)
    until(lambda: "line 60" in job.text())
    for pid in hanging:
        os.kill(pid, signal.SIGCONT)
    assert job.wait(timeout=60).exit_code == 5
    assert job.text().splitlines() == [f"line {i}" for i in range(1, 121)]


def test_head_that_is_killed_is_a_lost_link_and_a_new_one_makes_the_job_lost(
    server: Server, ray: RayCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(server, monkeypatch)
    job = run("echo up; sleep 4717.5", backend="ray")
    until(lambda: "up" in job.text())
    ray.stop()  # the head and all its processes
    until(lambda: job.info["link"] is not None)
    time.sleep(1)
    assert job.state == "running"  # what does not answer has no state
    other = run("echo later", backend="ray")
    ray.start()
    job.wait(timeout=200)
    assert job.state == "lost"
    assert "Ray does not know its job any more" in (job.error or "")
    assert other.wait(timeout=100).state == "succeeded"
    assert "later" in other.text()
    for pid in with_argument("sleep 4717.5"):
        os.kill(pid, signal.SIGKILL)
