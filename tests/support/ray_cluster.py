"""A Ray cluster in a network namespace of its own, from a virtual environment of its own. Test support.

Ray listens on all addresses and without a login, so it gets a network where only this machine is. Its processes are
killed by the namespace that they are in, never by name: `ray stop` would end every Ray of the machine.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from support.process_table import parents
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES = ("ray[default]", "cloudpickle")
_START_TIMEOUT_S = 180


def environment() -> Path:
    """The virtual environment with Ray, for the Python that runs the tests; installed once per user (380 MB)."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jupyter-logstream-tests"
    name = f"ray-{sys.version_info[0]}.{sys.version_info[1]}"
    folder = base / name
    if not (folder / "complete").exists():
        base.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *PACKAGES]
        subprocess.run(install, check=True)
        (folder / "complete").touch()
    return folder


def can_run() -> str:
    """Why Ray cannot run here; "" if it can."""
    if os.geteuid() or not shutil.which("ip"):
        return "a network namespace needs root and the command `ip`"
    return ""


@dataclass
class RayCluster:
    """`address`: of its dashboard; `here`: this machine's address as the cluster sees it; `token`: for its login."""

    folder: Path
    number: int
    token: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        return f"jlsray{self.number}"

    @property
    def python(self) -> str:
        return str(environment() / "bin" / "python")

    @property
    def head(self) -> str:
        return f"10.213.{self.number}.2"

    @property
    def worker(self) -> str:
        """The address of its second node, if it has one."""
        return f"10.213.{self.number}.3"

    @property
    def here(self) -> str:
        return f"10.213.{self.number}.1"

    @property
    def address(self) -> str:
        return f"http://{self.head}:8265"

    def build_network(self) -> None:
        _ip("netns", "add", self.name)
        _ip("link", "add", f"{self.name}a", "type", "veth", "peer", "name", f"{self.name}b")
        _ip("link", "set", f"{self.name}b", "netns", self.name)
        _ip("addr", "add", f"{self.here}/29", "dev", f"{self.name}a")
        _ip("link", "set", f"{self.name}a", "up")
        for address in self.head, self.worker:
            _ip("-n", self.name, "addr", "add", f"{address}/29", "dev", f"{self.name}b")
        for device in f"{self.name}b", "lo":
            _ip("-n", self.name, "link", "set", device, "up")

    def start(self) -> None:
        """Start the head and wait until its dashboard lists jobs."""
        self._ray_start(
            "--head", f"--node-ip-address={self.head}", f"--dashboard-host={self.head}", "--dashboard-port=8265",
            f"--temp-dir={self.folder}", "--disable-usage-stats", "--num-cpus=4",
        )  # fmt: skip
        self.wait()

    def start_worker(self) -> None:
        """Start a second node, with the resource `worker`, and wait until jobs can run on it."""
        self._ray_start(
            f"--address={self.head}:6379", f"--node-ip-address={self.worker}", "--num-cpus=2",
            '--resources={"worker": 4}', "--dashboard-agent-listen-port=52465",
        )  # fmt: skip
        until(lambda: any(node["nodeManagerAddress"] == self.worker for node in self.nodes()), _START_TIMEOUT_S)

    def nodes(self) -> list[dict[str, Any]]:
        """Its nodes that live, as the dashboard shows them."""
        answer = self.get("nodes?view=summary").json()
        return [node["raylet"] for node in answer["data"]["summary"] if node["raylet"]["state"] == "ALIVE"]

    def _ray_start(self, *options: str) -> None:
        command = ["ip", "netns", "exec", self.name, str(environment() / "bin" / "ray"), "start"]
        private = ("JUPYTER", "JPY_", "PYTHON")
        env = {name: value for name, value in os.environ.items() if not name.startswith(private)}
        login = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token} if self.token else {}
        with (self.folder / "start.log").open("ab") as log:
            subprocess.run(
                [*command, "--object-store-memory=100000000", *options],
                env={**env, **login}, stdout=log, stderr=log, check=True,
            )  # fmt: skip

    def wait(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            with suppress(httpx.TransportError):
                if self.get("api/jobs/").is_success:
                    return
            assert time.monotonic() < deadline, (self.folder / "start.log").read_text()
            time.sleep(0.1)

    @property
    def headers(self) -> dict[str, str]:
        """The login of its API."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def get(self, path: str) -> httpx.Response:
        """GET from its API."""
        return httpx.get(f"{self.address}/{path}", headers=self.headers, trust_env=False, timeout=30)

    def job(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"api/jobs/{job_id}").json()
        return found

    def job_log(self, job_id: str) -> str:
        return str(self.get(f"api/jobs/{job_id}/logs").json()["logs"])

    def entrypoint(self, job_id: str) -> int:
        """The process that it has started for a job."""
        found = [pid for pid in self.pids("runner.pyz dial") if job_id in os.readlink(f"/proc/{pid}/cwd")]
        (first,) = (pid for pid in found if parents()[pid] not in found)
        return first

    def pids(self, *words: str) -> list[int]:
        """Its processes, or those with all these words in their command line."""
        listed = _ip("netns", "pids", self.name).split()
        found = []
        for pid in map(int, listed):
            with suppress(OSError):
                line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if all(word in line for word in words):
                    found.append(pid)
        return found

    def kill(self, *words: str) -> None:
        """Kill its processes, or those with all these words in their command line."""
        for pid in self.pids(*words):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """Kill everything, jobs included."""
        while self.pids():
            self.kill()
            time.sleep(0.05)

    def remove_network(self) -> None:
        _ip("link", "del", f"{self.name}a", check=False)
        _ip("netns", "del", self.name, check=False)


@contextmanager
def ray_cluster(token: str = "") -> Iterator[RayCluster]:
    """A cluster for the time of the block."""
    folder = Path(tempfile.mkdtemp(prefix="jls-ray-"))  # sockets need a short path
    cluster = RayCluster(folder, 1 + os.getpid() % 250, token)
    cluster.build_network()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        cluster.remove_network()
        shutil.rmtree(folder, ignore_errors=True)


def _ip(*arguments: str, check: bool = True) -> str:
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=check).stdout
