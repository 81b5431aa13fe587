"""Jobs on Ray whose processes are killed, and a flood of lines: the end is as it was, and no line is missing."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.process_table import with_argument
from support.ray_server import ray_server, use
from support.waiting import until

from jupyter_logstream import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.ray_cluster import RayCluster
    from support.serving import Server

pytestmark = [pytest.mark.ray, pytest.mark.large, pytest.mark.timeout(300)]
LINES = 1_000_000
LINE_BYTES = len("line ") + 90 + 1
MAX_MIB = 60
"""Of memory: what the connection holds is less than the log, which has 96 MB."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, ray: RayCluster) -> Iterator[Server]:
    with ray_server(tmp_path_factory.mktemp("server"), ray) as server:
        yield server


@pytest.fixture(autouse=True)
def client(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    use(server, monkeypatch)


def peak_mib(pid: int) -> float:
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def test_command_that_the_system_kills_for_memory_failed_by_signal_9(ray: RayCluster) -> None:
    job = run("echo up; sleep 4722.5", backend="ray")
    until(lambda: "up" in job.text())
    (pid,) = [pid for pid in with_argument("sleep 4722.5") if b"sh" not in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(pid, signal.SIGKILL)
    job.wait(timeout=60)
    assert (job.state, job.exit_code) == ("failed", 137)
    until(lambda: ray.job(job.id)["driver_exit_code"] == 137)


def test_job_s_process_that_is_killed_ends_the_tree_and_failed_by_signal_9(ray: RayCluster) -> None:
    job = run("echo up; sleep 4723.5 & sleep 4723.5", backend="ray")
    until(lambda: "up" in job.text())
    os.kill(ray.entrypoint(job.id), signal.SIGKILL)
    job.wait(timeout=100)
    assert (job.state, job.exit_code) == ("failed", 137), (job.state, job.exit_code, job.error)
    assert "killed by signal 9" in (job.error or "")
    assert job.text().splitlines()[0] == "up"
    assert "the end of this log is missing" in job.logs()[-1].message
    until(lambda: with_argument("sleep 4723.5") == [])


def test_a_million_lines_for_a_server_that_hangs_arrive_in_bounded_memory(
    ray: RayCluster, server: Server, tmp_path: Path
) -> None:
    assert server.process is not None
    wait = f"while [ ! -e {tmp_path}/%s ]; do sleep 0.1; done"
    job = run(f"{wait % 'go'}; seq -f 'line %090.0f' {LINES}; {wait % 'end'}", backend="ray", tty=False)
    until(lambda: job.state == "running")
    (there,) = server.folder.glob(f"there/jobs/{job.id}")
    before = peak_mib(server.process.pid)
    os.kill(server.process.pid, signal.SIGSTOP)
    (tmp_path / "go").touch()
    until(lambda: sum(path.stat().st_size for path in there.glob("stdout.*")) == LINES * LINE_BYTES, patience=60)
    os.kill(server.process.pid, signal.SIGCONT)
    until(lambda: job.info["lines"] == LINES, patience=120)
    grown = {"runner": peak_mib(ray.entrypoint(job.id)), "server": peak_mib(server.process.pid) - before}
    print(grown)  # noqa: T201 - for the benchmarks
    (tmp_path / "end").touch()
    assert job.wait(timeout=60).state == "succeeded"
    with server.http.stream("GET", f"{server.url}logstream/v1/workloads/{job.id}/log.txt") as log:
        assert list(log.iter_lines()) == [f"line {i:090}" for i in range(1, LINES + 1)]
    assert max(grown.values()) < MAX_MIB, grown
