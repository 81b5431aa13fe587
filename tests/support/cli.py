"""Calls of `jupyter-logstream` as users make them: its own process, bytes of both outputs. Test support."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.private_home import Home, JupyterInHome, new_home
from support.pseudo_terminal import Terminal, on_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

PROGRAM = str(Path(sys.executable).with_name("jupyter-logstream"))


@dataclass
class Cli:
    """The command line in a home folder. `server`: the Jupyter server there; None: the private one."""

    home: Home
    server: JupyterInHome | None = None
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        """The environment of a login shell of the user."""
        return {**self.home.env, **self.extra}

    def __call__(self, *arguments: str, given: bytes = b"", **env: str) -> subprocess.CompletedProcess[bytes]:
        """Run it to its end, with pipes."""
        command = [PROGRAM, *arguments]
        return subprocess.run(
            command,
            input=given,
            env={**self.env, **env},
            cwd=self.home.folder,
            capture_output=True,
            timeout=100,
            check=False,
        )

    def out(self, *arguments: str, given: bytes = b"") -> str:
        """The text of its standard output; it must succeed."""
        done = self(*arguments, given=given)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def json(self, *arguments: str) -> list[dict[str, Any]]:
        """Its JSON lines."""
        return [json.loads(line) for line in self.out(*arguments, "--json").splitlines()]

    def started(self, *arguments: str) -> str:
        """The id of a workload that `run -d` starts."""
        return self.out("run", "-d", *arguments).strip()

    def shell(self, script: str, **env: str) -> subprocess.CompletedProcess[bytes]:
        """A script of the user's shell, bash, which has the command line on its PATH."""
        path = {"PATH": f"{Path(PROGRAM).parent}:{self.env['PATH']}"}
        command = ["bash", "-c", script]
        env = {**self.env, **path, **env}
        return subprocess.run(command, env=env, cwd=self.home.folder, capture_output=True, timeout=100, check=False)

    def on_terminal(self, *arguments: str, env: Mapping[str, str] | None = None) -> AbstractContextManager[Terminal]:
        """Run it on a pseudo-terminal."""
        return on_terminal([PROGRAM, *arguments], {**self.env, **(env or {})}, self.home.folder)


def with_private_server(folder: Path) -> Iterator[Cli]:
    """A home with a private server, for the time of a fixture."""
    for home in new_home(folder):
        assert home.command("server", "start").returncode == 0
        yield Cli(home)


def with_jupyter_server(folder: Path, **options: Any) -> Iterator[Cli]:
    """A home with a Jupyter server with token login and a base URL, for the time of a fixture."""
    for home in new_home(folder):
        server = JupyterInHome(home.folder / "jupyter", base_url="/a%40b/", **options)
        server.home = home
        server.folder.mkdir()
        try:
            server.start()
            yield Cli(home, server)
        finally:
            server.end_workloads()
            server.stop()
            server.http.close()
