"""A real JupyterHub with its configurable-http-proxy: real single-user servers for real logins. Test support.

All users have the same password; their servers run as this user, those of one user share their folders, as a home.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
from support.browser_options import OPTIONS, quiet_news
from support.paths import ENGINE_PROGRAMS
from support.ports import free_port
from support.serving import NBCLASSIC, SOLARA, VOILA, Server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from playwright.sync_api import Page

PROXY = ENGINE_PROGRAMS / "configurable-http-proxy" / "bin" / "configurable-http-proxy"
PASSWORD = "a password of the tests"
ADMIN = "the-token-of-the-tests-0123456789"
_SCOPES = ["admin:users", "admin:servers", "tokens", "shares", "access:servers", "read:hub"]
_CONFIG = """
import json
given = json.loads({given!r})
c.JupyterHub.bind_url = given["bind"]
c.JupyterHub.hub_bind_url = given["hub"]
c.JupyterHub.public_url = given["public_url"]
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = given["password"]
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = given["folder"] + "/{{username}}/root"
c.JupyterHub.db_url = "sqlite:///" + given["folder"] + "/hub.sqlite"
c.JupyterHub.cookie_secret_file = given["folder"] + "/cookie_secret"
c.JupyterHub.allow_named_servers = True
c.JupyterHub.load_roles = [
    {{"name": "tests", "services": ["tests"], "scopes": given["scopes"]}},
    {{"name": "user", "scopes": ["self", "shares!user"]}},
    *given["roles"],
]
c.JupyterHub.services = [{{"name": "tests", "api_token": given["token"]}}, *given["services"]]
c.ConfigurableHTTPProxy.command = ["node", given["proxy"]]
c.ConfigurableHTTPProxy.api_url = given["api"]
c.ConfigurableHTTPProxy.pid_file = given["folder"] + "/proxy.pid"
c.Spawner.cmd = [given["python"], "-m", "jupyterhub.singleuser"]
c.Spawner.args = given["args"]
c.Spawner.start_timeout = c.Spawner.http_timeout = 120
def _folder(name):
    return lambda spawner: "/".join([given["folder"], spawner.user.name, name])
c.Spawner.environment = {{
    "JUPYTERHUB_ACTIVITY_INTERVAL": "1",
    **{{f"JUPYTER_{{name.upper()}}_DIR": _folder(name) for name in ("config", "data", "runtime")}},
}}
"""


class SingleUser(Server):
    """The server of one user behind the Hub's proxy. It is started and ended by the Hub, not from here."""

    def __init__(self, hub: JupyterHub, user: str, name: str = "") -> None:
        place = f"user/{quote(user)}/" + (f"{quote(name)}/" if name else "")
        super().__init__(hub.folder / user, kind="lab", auth="hub", base_url=f"{hub.base_url}{place}", port=hub.port)
        self.http.headers["Authorization"] = f"token {ADMIN}"
        self.hub, self.user, self.name = hub, user, name
        self.origin = ""  # of a proxy in front of the Hub's

    @property
    def page_url(self) -> str:
        """As in Server."""
        return f"{self.origin}{self.base_url}" if self.origin else self.url

    @property
    def log(self) -> str:
        """The Hub's log, which has the output of the servers."""
        return self.hub.log

    def start(self, port: int | None = None) -> None:  # noqa: ARG002 - the Hub decides
        """Let the Hub start it unless it runs, and wait until it answers."""
        self.root.mkdir(parents=True, exist_ok=True)
        if not (self.folder / "config").exists():
            quiet_news(self.folder)
        if not self.is_running:
            started = self.hub.api("POST", self._place)
            assert started.status_code in {201, 202}, started.text
        self.hub.eventually(lambda: self.http.get(f"{self.url}logstream/v1/info").is_success, f"server of {self.user}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:  # noqa: ARG002 - the Hub decides
        """Let the Hub stop it, as its control panel and the culler do."""
        assert self.hub.api("DELETE", self._place).status_code in {202, 204}
        self.hub.eventually(lambda: not self.is_running, f"end of the server of {self.user}")

    @property
    def is_running(self) -> bool:
        servers = self.hub.api("GET", f"users/{self.user}").json()["servers"]
        return self.name in servers

    @property
    def _place(self) -> str:
        return f"users/{self.user}/servers/{self.name}" if self.name else f"users/{self.user}/server"

    def end_workloads(self) -> None:
        """Cancel what still runs, as its owner: the service of the tests is only a visitor."""
        owner = self.hub.client(self.user)
        for workload in self.get("workloads", state="running", limit=100)["workloads"]:
            owner.post(f"{self.url}logstream/v1/workloads/{workload['id']}/cancel")

    def end_kernels(self) -> None:
        """End all kernels, and the sessions that notebooks have with them."""
        for session in self.http.get(f"{self.url}api/sessions").json():
            self.http.delete(f"{self.url}api/sessions/{session['id']}")


class JupyterHub:
    """`base_url`: of the Hub, with slashes; `options`: of every single-user server; `services`, `roles`: of the Hub.

    `public_url`: by which others than users' browsers reach it, if that is configured.
    """

    def __init__(
        self,
        folder: Path,
        *,
        base_url: str = "/",
        options: Sequence[str] = (),
        services: Sequence[Mapping[str, Any]] = (),
        roles: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.folder, self.base_url, self.port = folder, base_url, free_port()
        self._options, self._services, self._roles = options, services, roles
        self.public_url = ""
        self._hub_port, self._api_port = free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._http = httpx.Client(trust_env=False, timeout=60, headers={"Authorization": f"token {ADMIN}"})

    @property
    def url(self) -> str:
        """What users open."""
        return f"http://127.0.0.1:{self.port}{self.base_url}"

    @property
    def log(self) -> str:
        return (self.folder / "hub.log").read_text(errors="replace")

    def start(self) -> None:
        """Start Hub and proxy, and wait until they answer."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "config.py"
        config.write_text(_CONFIG.format(given=json.dumps(self._given())))
        env = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "JPY_"))}
        env |= {"CONFIGPROXY_AUTH_TOKEN": "the-token-of-the-proxy-0123456789"}
        env.pop("PYTHONUNBUFFERED", None)  # set on some machines, and it would hide what is tested
        with (self.folder / "hub.log").open("ab") as log:
            command = [sys.executable, "-m", "jupyterhub", "-f", str(config)]
            self._process = subprocess.Popen(command, cwd=self.folder, env=env, stdout=log, stderr=log)
        self.eventually(lambda: self.api("GET", "info").is_success, "the Hub")

    def stop(self) -> None:
        """End the Hub, its proxy and the single-user servers."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(60)
        self._http.close()

    def _given(self) -> dict[str, Any]:
        args = ["--allow-root", "--LabApp.expose_app_in_browser=True"]
        args += [f"--ServerApp.jpserver_extensions={name}=False" for name in (VOILA, NBCLASSIC, SOLARA)]
        return {
            "bind": f"http://127.0.0.1:{self.port}{self.base_url}",
            "hub": f"http://127.0.0.1:{self._hub_port}",
            "public_url": self.public_url,
            "api": f"http://127.0.0.1:{self._api_port}",
            "folder": str(self.folder),
            "password": PASSWORD,
            "proxy": str(PROXY),
            "python": sys.executable,
            "scopes": _SCOPES,
            "token": ADMIN,
            "services": [*self._services],
            "roles": [*self._roles],
            "args": [*args, OPTIONS[1], *self._options],
        }

    def api(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """A request of the Hub's REST API, as a service that is allowed to do what the tests do."""
        return self._http.request(method, f"{self.url}hub/api/{path}", json=body)

    def create(self, *users: str) -> None:
        """Create users, as their first login does."""
        for user in users:
            assert self.api("POST", f"users/{user}").status_code in {201, 409}

    def server(self, user: str, name: str = "") -> SingleUser:
        """The running server of a user, who is created if missing."""
        self.create(user)
        server = SingleUser(self, user, name)
        server.start()
        return server

    def client(self, user: str) -> httpx.Client:
        """A client with a token of this user."""
        token = self.api("POST", f"users/{user}/tokens", {"note": "tests"}).json()["token"]
        return httpx.Client(trust_env=False, timeout=60, headers={"Authorization": f"token {token}"})

    def log_in(self, page: Page, user: str, url: str = "") -> None:
        """Log in with the Hub's form and come to `url` of the Hub, as a person does."""
        page.goto(f"{url or self.url}hub/login")
        page.locator("input[name=username]").fill(user)
        page.locator("input[name=password]").fill(PASSWORD)
        page.locator("#login_submit").click()
        page.wait_for_url(lambda where: "/login" not in where, timeout=60_000)

    def eventually(self, true: Any, what: str, timeout_s: float = 120) -> None:
        """Wait until a condition holds; on a timeout fail with the end of the log."""
        deadline = time.monotonic() + timeout_s
        while True:
            assert self._process is None or self._process.poll() is None, self.log
            try:
                if true():
                    return
            except (httpx.TransportError, KeyError):
                pass
            assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}\n{self.log[-4000:]}"
            time.sleep(0.1)


@contextmanager
def jupyterhub(folder: Path, **settings: Any) -> Iterator[JupyterHub]:
    """A Hub for the time of the block; `settings` are those of `JupyterHub`."""
    hub = JupyterHub(folder, **settings)
    try:
        hub.start()
        yield hub
    finally:
        hub.stop()
