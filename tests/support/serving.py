"""Real Jupyter servers as subprocesses, and kernels of theirs, for tests that must see what users get.

Every server has a folder of its own for configuration, data and runtime files, so that nothing of the machine's shows.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from jupyter_client.blocking import BlockingKernelClient
from support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "a-token-of-the-tests"
PASSWORD = "a password of the tests"
MODULES = {"server": "jupyter_server", "lab": "jupyterlab", "notebook": "notebook"}
VOILA, NBCLASSIC, SOLARA = "voila.server_extension", "nbclassic", "solara.server.jupyter.server_extension"
OURS = "jupyter_logstream"
LAB = frozenset({"jupyterlab", "jupyter_lsp", "notebook", "notebook_shim"})
"""Extensions without which a server starts in two thirds of the processor time; only the kinds with pages need them."""


@dataclass
class Server:
    """One Jupyter server. `root`: the folder it serves; `url`: with its base URL and a slash at the end.

    `page_host`: what browsers call this machine. `page_port`: the port that they use, if not the server's (a proxy's).
    `prefix`: a command that starts it in another way, as another user for one. `front_ends`: server extensions of other
    front ends that it loads; each takes a second. `ours`: whether it loads this project's extension.
    `log_server`: another server that its kernels use for logs. `python`: the interpreter, if not that
    of the tests; `path`: the `PATH` of server and kernels.
    """

    folder: Path
    kind: str = "server"
    auth: str = "token"
    base_url: str = "/"
    port: int = 0
    options: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()
    front_ends: tuple[str, ...] = ()
    ours: bool = True
    log_server: Server | None = None
    python: str = sys.executable
    path: str | None = None
    process: subprocess.Popen[bytes] | None = None
    page_host: str = "127.0.0.1"
    page_port: int = 0
    http: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False, timeout=30))

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.base_url}"

    @property
    def page_url(self) -> str:
        """`url` as a browser is to call it."""
        return f"http://{self.page_host}:{self.page_port or self.port}{self.base_url}"

    @property
    def log(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")

    def start(self, port: int | None = None) -> None:
        """Start on a free port (again: on another one), or on that port, and wait until it answers."""
        self.port = port or free_port()
        self.root.mkdir(parents=True, exist_ok=True)
        command = [
            *self.prefix,
            self.python,
            "-m",
            MODULES[self.kind],
            "--no-browser",
            "--allow-root",
            f"--port={self.port}",
        ]
        command += ["--ServerApp.port_retries=0"]  # the page expects this port
        command += [f"--ServerApp.base_url={self.base_url}", f"--ServerApp.root_dir={self.root}", *_login(self.auth)]
        off = {VOILA, NBCLASSIC, SOLARA, *(() if self.ours else (OURS,)), *self._needless} - set(self.front_ends)
        command += [f"--ServerApp.jpserver_extensions={name}=False" for name in sorted(off)]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen([*command, *self.options], env=self._env(), stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log
            try:
                if self.http.get(f"{self.url}api").is_success:
                    break
            except httpx.TransportError:
                time.sleep(0.05)
        else:
            raise AssertionError(self.log)
        self._log_in()
        info = self.http.get(f"{self.url}logstream/v1/info")
        assert info.is_success == self.ours, f"the extension {'does not run' if self.ours else 'runs'}\n{self.log}"

    @property
    def _needless(self) -> frozenset[str]:
        return LAB if self.kind == "server" and not self.front_ends else frozenset()

    def _env(self) -> dict[str, str]:
        own = {f"JUPYTER_{name}_DIR": str(self.folder / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
        env = {**os.environ, **own, "IPYTHONDIR": str(self.folder / "ipython")}
        # Set on some machines, and it would hide what is tested: lines that arrive as they are written.
        for name in (
            "PYTHONUNBUFFERED",
            *(name for name in os.environ if name.startswith(("JUPYTER_LOGSTREAM", "JPY_"))),
        ):
            env.pop(name, None)
        if self.path is not None:
            env["PATH"] = self.path
        if self.log_server is not None:
            env["JUPYTER_LOGSTREAM_SERVER"] = str(self.log_server.address_file)
        return env

    @property
    def address_file(self) -> Path:
        """The file by which kernels find this server."""
        with self.kernel() as kernel:
            return Path(str(kernel.json("__import__('os').environ['JUPYTER_LOGSTREAM_SERVER']")))

    def _log_in(self) -> None:
        self.http.cookies.clear()
        if self.auth == "token":
            self.http.headers["Authorization"] = f"token {TOKEN}"
            return
        self.http.get(f"{self.url}login" if self.auth == "password" else f"{self.url}tree")
        if self.auth == "password":
            form = {"password": PASSWORD, "_xsrf": self.http.cookies["_xsrf"]}
            assert self.http.post(f"{self.url}login", data=form).status_code == 302
        self.http.headers["X-XSRFToken"] = self.http.cookies["_xsrf"]

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the server alone; SIGKILL leaves it no time for anything."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)

    def get(self, path: str, **params: Any) -> Any:
        """GET JSON from `logstream/v1/{path}`."""
        response = self.http.get(f"{self.url}logstream/v1/{path}", params=params)
        assert response.is_success, f"{response.status_code} {response.text}"
        return response.json()

    def end_workloads(self) -> None:
        """Cancel what still runs: it would outlive the server, and the test."""
        if self.process is None or self.process.poll() is not None or not self.ours:
            return
        running = self.http.get(f"{self.url}logstream/v1/workloads", params={"state": "running", "limit": 100})
        for workload in running.json()["workloads"] if running.is_success else []:
            self.http.post(f"{self.url}logstream/v1/workloads/{workload['id']}/cancel")

    @contextmanager
    def kernel(self, name: str = "python3") -> Iterator[Kernel]:
        """A kernel that this server has started."""
        response = self.http.post(f"{self.url}api/kernels", json={"name": name, "path": "kernel.ipynb"})
        assert response.is_success, f"{response.status_code} {response.text}\n{self.log}"
        kernel_id = response.json()["id"]
        kernel = Kernel(self.folder / "runtime" / f"kernel-{kernel_id}.json")
        try:
            yield kernel
        finally:
            kernel.client.stop_channels()
            if self.process is not None and self.process.poll() is None:
                self.http.delete(f"{self.url}api/kernels/{kernel_id}")


class Kernel:
    """Runs code in a kernel, as cells of a notebook do."""

    def __init__(self, connection_file: Path) -> None:
        self.name = connection_file.stem.removeprefix("kernel-")
        self.client = BlockingKernelClient(connection_file=str(connection_file))
        self.client.load_connection_file()
        self.client.start_channels()
        _wait_until_ready(self.client)

    def run(self, code: str, cell: str | None = None, timeout: float = 60, *, as_lab: bool = False) -> str:
        """Run one cell and return what it printed; raises AssertionError with its traceback.

        `as_lab`: with the metadata that JupyterLab sends. `published` then has the type of each message about outputs
        and comms, and of displays the media types.
        """
        # Like a page; what does not allow input runs a notebook without one.
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": True}
        content["stop_on_error"] = False  # else it would leave out what comes next
        message = self.client.session.msg("execute_request", content, metadata=_cell_metadata(cell, as_lab=as_lab))
        self.client.shell_channel.send(message)
        printed, failed, msg_id = [], "", message["header"]["msg_id"]
        self.published: list[tuple[str, frozenset[str]]] = []
        self.warned = ""
        while True:
            got = self.client.get_iopub_msg(timeout=timeout)
            if got["parent_header"].get("msg_id") != msg_id:
                continue
            kind, content = got["msg_type"], got["content"]
            if kind.startswith("comm_") or "display" in kind:
                self.published.append((kind, frozenset() if kind.startswith("comm_") else frozenset(content["data"])))
            if kind == "stream" and content["name"] == "stdout":
                printed.append(content["text"])
            elif kind == "stream":
                self.warned += content["text"]
            elif kind == "error":
                failed = "\n".join(content["traceback"])
            elif kind in {"execute_result", "display_data"}:
                self.shown = content["data"]
            elif kind == "status" and content["execution_state"] == "idle":
                assert not failed, failed  # only now: a failing kernel drops requests
                return "".join(printed)

    def json(self, expression: str) -> Any:
        """The value of an expression, by way of JSON."""
        return json.loads(self.run(f"import json\nprint(json.dumps({expression}))"))


def _cell_metadata(cell: str | None, *, as_lab: bool) -> dict[str, Any]:
    return {**({"cellId": cell} if cell else {}), **({"deletedCells": [], "recordTiming": False} if as_lab else {})}


def _wait_until_ready(client: BlockingKernelClient) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            return client.wait_for_ready(timeout=60)
        except RuntimeError:  # it takes one missed heartbeat for death: on a busy machine that is nothing
            if time.monotonic() > deadline:
                raise


def _login(auth: str) -> list[str]:
    if auth == "token":
        return [f"--IdentityProvider.token={TOKEN}"]
    if auth == "password":
        from jupyter_server.auth import passwd  # noqa: PLC0415 - slow, and only here

        return [f"--PasswordIdentityProvider.hashed_password={passwd(PASSWORD)}"]
    return ["--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=False"]


@contextmanager
def jupyter(folder: Path, **options: Any) -> Iterator[Server]:
    """A server for the time of the block."""
    server = Server(folder, **options)
    try:
        server.start()
        yield server
    finally:
        try:
            server.end_workloads()
        finally:
            server.stop()
            server.http.close()
