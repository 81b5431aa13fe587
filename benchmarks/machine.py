"""Servers for the benchmarks, and a reader that only counts. Everything runs on loopback, in temporary folders."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

HERE = Path(__file__).parent
TOKEN = "benchmark"


@dataclass(frozen=True, slots=True)
class Server:
    """A running Jupyter server with the extension."""

    port: int
    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """A call to the server; the JSON that it answers."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {TOKEN}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as reply:
            data = reply.read()
        return json.loads(data) if data else None


def free_port() -> int:
    """A port that is free at the moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def plain_environment() -> dict[str, str]:
    """Ours without what hides block buffering."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}


def wait_for(port: int, limit: float = 30) -> None:
    """Wait until the port accepts connections."""
    end = time.monotonic() + limit
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


@contextmanager
def jupyter(*arguments: str, app: str = "server") -> Iterator[Server]:
    """A Jupyter server (or `lab`) with the extension, in folders of its own."""
    with TemporaryDirectory() as temporary:
        folder, port = Path(temporary), free_port()
        names = {"JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime", "JUPYTER_CONFIG_DIR": "config"}
        (folder / "root").mkdir()
        command = [
            sys.executable, "-m", "jupyter", app, "--allow-root", "--no-browser", f"--port={port}",
            "--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}/root", f"--IdentityProvider.token={TOKEN}",
            *arguments,
        ]  # fmt: skip
        environment = {**plain_environment(), **{name: str(folder / sub) for name, sub in names.items()}}
        with (folder / "server.log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            try:
                wait_for(port)
                server = Server(port, process, folder)
                server.call("GET", "logstream/v1/info")
                yield server
            finally:
                process.terminate()
                process.wait(20)


@contextmanager
def script(name: str, *arguments: str) -> Iterator[int]:
    """One of our own scripts that takes a port first; yields the port."""
    port = free_port()
    process = subprocess.Popen([sys.executable, str(HERE / name), str(port), *arguments], env=plain_environment())
    try:
        wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def read_to_end(port: int, path: str, marker: bytes = b"event: done") -> tuple[bytes, float]:
    """GET a stream and read until `marker`; its bytes and when (Unix s) the last came. Parses nothing: peers alike."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: token {TOKEN}\r\n\r\n"
        sock.sendall(head.encode())
        pieces: list[bytes] = []
        tail = b""
        while marker not in tail:
            piece = sock.recv(1 << 18)
            if not piece:
                break
            pieces.append(piece)
            tail = tail[-len(marker) :] + piece
        end = time.time()
    return b"".join(pieces), end
