"""A Jupyter server that is killed in any phase of a workload elsewhere: it runs once, and its log is complete."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from support.serving import jupyter
from support.tcp_proxy import proxied
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.serving import Server
    from support.tcp_proxy import TcpProxy

COUNTED = (
    "echo ran >> {runs}; for i in $(seq 1 200); do echo line $i; done; "
    "while [ ! -e {go} ]; do sleep 0.05; done; echo end"
)


class Run:
    """One counted workload, which ends when `go` is called. `options`: of its backend."""

    def __init__(self, folder: Path, server: Server, backend: str, **options: str) -> None:
        folder.mkdir()
        self._server, self._runs, self._go = server, folder / "runs", folder / "go"
        command = COUNTED.format(runs=self._runs, go=self._go)
        self._spec = {"command": command, "backend": backend, "name": folder.name, "options": options}

    def submit(self) -> None:
        response = self._server.http.post(f"{self._server.url}logstream/v1/workloads", json=self._spec)
        assert response.is_success, response.text

    @property
    def workload(self) -> Any:
        """As the server lists it; None before."""
        found = self._server.get("workloads")["workloads"]
        return next((one for one in found if one["name"] == self._spec["name"]), None)

    @property
    def has_run(self) -> bool:
        return self._runs.exists()

    def go(self) -> None:
        self._go.touch()

    def check(self) -> None:
        """It has run once, and its log is complete."""
        until(lambda: self.workload["state"] not in {"queued", "running"}, 60)
        final = self.workload
        assert (final["state"], final["exit_code"]) == ("succeeded", 0)
        assert self._runs.read_text() == "ran\n"
        page = self._server.http.get(f"{self._server.url}logstream/v1/workloads/{final['id']}/logs").text
        lines = [line.removeprefix("data: ") for line in page.splitlines() if line.startswith("data: ")]
        assert lines[:201] == [*(f"line {i}" for i in range(1, 201)), "end"]
        assert final["lines"] == 201


@pytest.fixture(scope="module")
def server(gpu1, slurm, tmp_path_factory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    backends = {
        "gpu1": {"type": "ssh", "host": "gpu1", "folder": str(folder / "there"), "ssh_options": gpu1.options},
        "cluster": {"type": "slurm", "partition": "main", "folder": str(folder / "shared"), "options": {"mem": "50"}},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", slurm.env["SLURM_CONF"])
        with jupyter(folder, options=(f"--LogStream.backends={backends}",)) as made:
            yield made


@pytest.fixture
def proxy(gpu1) -> Iterator[TcpProxy]:
    with proxied(gpu1.port) as made:
        gpu1.connect_to(made.port)
        gpu1.kill_connections()
        yield made
    gpu1.connect_to(gpu1.port)
    gpu1.kill_connections()


def test_workloads_of_a_killed_server_run_once_and_lose_no_line(server, proxy, slurm, tmp_path):
    running = [Run(tmp_path / f"running-{one}", server, one) for one in ("gpu1", "cluster")]
    ending = [Run(tmp_path / f"ending-{one}", server, one) for one in ("gpu1", "cluster")]
    waiting = Run(tmp_path / "waiting", server, "cluster", partition="down")
    answered_late = Run(tmp_path / "answered-late", server, "gpu1")
    not_submitted = Run(tmp_path / "not-submitted", server, "gpu1")
    for run in [*running, *ending, waiting]:
        run.submit()
    for run in [*running, *ending]:
        until(lambda: run.workload["lines"] == 200)  # noqa: B023 - called at once
    until(lambda: waiting.workload["reason"] == "Pending: PartitionDown")
    proxy.behave(delay=2.0)
    with ThreadPoolExecutor(2) as pool:
        pool.submit(answered_late.submit)
        until(lambda: answered_late.has_run)  # its answer is under way
        pool.submit(not_submitted.submit)
        until(lambda: not_submitted.workload)
        server.stop(signal.SIGKILL)
    assert not not_submitted.has_run
    for run in ending:
        run.go()
    slurm.command("scontrol", "update", "PartitionName=down", "State=UP")
    proxy.behave()
    server.start()
    for run in [*running, waiting, answered_late, not_submitted]:
        run.go()
    for run in [*running, *ending, waiting, answered_late, not_submitted]:
        run.check()
