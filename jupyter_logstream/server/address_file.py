"""Address file of a log store: where processes of this machine find the store's server. Server.

Kernels get the server's address in their environment. Workloads outlive the server that started them, so they read the
address of the present one from this file of their store.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, MutableMapping
from pathlib import Path

from jupyter_server.serverapp import ServerApp  # noqa: TC002 - as our own values

from ..model.protocol import RUNNER_VARIABLE
from ..store.disk.files import read_file, read_json, replace_file, write_json
from .addresses import local_url

_NAME = "server.json"
_MIN_SECRET_CHARS = 32


def load_secret(store: Path) -> str:
    """The kernels' secret: stable across restarts, because workloads outlive the server that gave it to them.

    That of a new store is created and written. OSError.
    """
    try:
        secret = read_json(store / _NAME)["secret"]
        if isinstance(secret, str) and len(secret) >= _MIN_SECRET_CHARS:
            return secret
    except (OSError, ValueError, KeyError):
        pass  # a new store
    secret = secrets.token_urlsafe(32)
    write_json(store / _NAME, {"url": "", "secret": secret})
    return secret


def read_host(store: Path) -> str:
    """The machine of a store's server; "" if it is not recorded."""
    try:
        return str(read_json(store / _NAME)["host"])
    except (OSError, ValueError, KeyError):
        return ""


class ServerAddress:
    """The address and the secret of a server, once it listens. `private`: it gives its store to a Jupyter server."""

    def __init__(self, server: ServerApp, secret: str, *, private: bool) -> None:
        self._server, self._secret, self._private = server, secret, private

    def write(self, store: Path) -> None:
        """Let workloads of a store find this server. OSError."""
        address = {"url": local_url(self._server), "secret": self._secret, "private": self._private}
        write_json(store / _NAME, {**address, "pid": os.getpid(), "host": os.uname().nodename})

    def lend(self, store: Path) -> Callable[[], None]:
        """Let workloads of a store whose server is gone find this one. Returns what restores the file. OSError."""
        try:
            before = read_file(store / _NAME)
        except (FileNotFoundError, ValueError):
            return lambda: None
        self.write(store)
        return lambda: replace_file(store / _NAME, before)

    def export(self, store: Path, environ: MutableMapping[str, str]) -> None:
        """Let kernels that get this environment find this server, and its address file in `store`."""
        environ["JUPYTER_LOGSTREAM_SERVER"] = str(store / _NAME)
        environ["JUPYTER_LOGSTREAM_URL"] = local_url(self._server)
        environ["JUPYTER_LOGSTREAM_SECRET"] = self._secret
        environ.pop(RUNNER_VARIABLE, None)  # of a workload that this server is part of
