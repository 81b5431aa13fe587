"""A home folder without any Jupyter server, and scripts that run in it. Test support."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from support.running import kill_runners
from support.serving import Server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass
class Home:
    """`folder`: the home; `runtime`: its XDG_RUNTIME_DIR, whose path is short enough for sockets."""

    folder: Path
    runtime: Path

    @property
    def env(self) -> dict[str, str]:
        """The environment of a process that no Jupyter server started."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER_", "JPY_"))}
        return {**kept, "HOME": str(self.folder), "XDG_RUNTIME_DIR": str(self.runtime)}

    @property
    def store(self) -> Path:
        """The first log store."""
        return self.folder / ".local/share/jupyter/logstream/1"

    def python(self, code: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a script to its end."""
        return self._run([sys.executable, "-c", code, *arguments], env)

    def command(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m jupyter_logstream ...`."""
        return self._run([sys.executable, "-m", "jupyter_logstream", *arguments], env)

    def _run(self, command: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env={**self.env, **env}, cwd=self.folder, capture_output=True, text=True, timeout=100, check=False
        )

    def close(self) -> None:
        """Stop its private server and its workloads."""
        kill_runners(self.folder)
        self.command("server", "stop")


class JupyterInHome(Server):
    """A Jupyter server of the same user."""

    home: Home

    def _env(self) -> dict[str, str]:
        return self.home.env


def new_home(folder: Path) -> Iterator[Home]:
    """A home for the time of a fixture."""
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ls") as runtime:
        home = Home(folder, Path(runtime))
        try:
            yield home
        finally:
            home.close()


def stop_private_server(folder: Path, env: Mapping[str, str]) -> None:
    """Stop the private server that kernels of a Jupyter server in this folder have started, and its workloads."""
    kill_runners(folder)
    command = [sys.executable, "-m", "jupyter_logstream", "server", "stop"]
    subprocess.run(command, env=dict(env), capture_output=True, timeout=100, check=False)
