"""Discovery of the log server: environment, Jupyter parent process, private server of this user. Runs in kernels.

A process that no Jupyter server with jupyter-logstream started uses this user's first log store, served by whichever
server holds the store's lock: a Jupyter server, or a private one (private_server.py). Each store names its server in
`server.json`, which is read anew at every request, so clients move when another server takes over.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ..model.protocol import RUNNER_VARIABLE
from .errors import NoServer

PRIVATE_VARIABLE = "JUPYTER_LOGSTREAM_PRIVATE"
"""Environment variable; `0`: never use or start a private server; `existing`: use one that runs, but start none."""

ADDRESS_FILE = "server.json"
_MAX_STORES = 1000


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """The server's URL, without a trailing slash, and the secret that authorizes requests to `/logstream`.

    `socket`: path of the Unix socket that the server listens on; then the host in `url` has no meaning. `file`: the
    `server.json` that a later server of the same store replaces; None where only environment variables are known.
    `shared`: found without the environment, so while it does not answer another server can be taking over.
    """

    url: str
    secret: str
    socket: str | None = None
    file: Path | None = None
    shared: bool = False

    @classmethod
    def parse(cls, url: str, secret: str, file: Path | None = None, *, shared: bool = False) -> ServerAddress:
        """From the URL as the server publishes it: `http+unix://%2Fpath/base/` stands for a Unix socket."""
        scheme, _, rest = url.rstrip("/").partition("://")
        if scheme != "http+unix":
            return cls(url.rstrip("/"), secret, None, file, shared)
        host, slash, path = rest.partition("/")
        return cls(f"http://localhost{slash}{path}", secret, unquote(host), file, shared)


def find_server() -> ServerAddress:
    """Find the server; read anew at every request, since a restarted server can have another port. Raises NoServer.

    The server keeps the file named by JUPYTER_LOGSTREAM_SERVER up to date. Where that file cannot be read (on another
    machine), JUPYTER_LOGSTREAM_URL and JUPYTER_LOGSTREAM_SECRET hold the values from the start of the kernel.
    """
    env = os.environ
    ended = False  # the private server that started this workload
    if path := env.get("JUPYTER_LOGSTREAM_SERVER"):
        file = Path(path)
        if address := read_address(file):
            ended = bool(address.get("private")) and not is_served(file.parent)
            if not ended:
                return _parse(address, file, shared=bool(address.get("private")))
    if not ended and (url := env.get("JUPYTER_LOGSTREAM_URL")) and (secret := env.get("JUPYTER_LOGSTREAM_SECRET")):
        return ServerAddress.parse(url, secret)
    if found := _find_parents() or find_shared():
        return found
    raise NoServer(
        "No log server found: this Python was not started by a Jupyter server that has jupyter-logstream, and "
        f"{_why_not_private()} Or install jupyter-logstream where Jupyter Server runs (`jupyter server extension list` "
        "there must show it as enabled), restart the server, then this kernel."
    )


def _why_not_private() -> str:
    if find_runner() is not None:
        return "a workload on another machine starts none there."
    if may_start():
        return "no private server runs: start it by `jupyter logstream server start`."
    return f"the variable {PRIVATE_VARIABLE} forbids a private one: unset it."


def may_use() -> bool:
    """Whether this process uses private servers."""
    return os.environ.get(PRIVATE_VARIABLE) != "0"


def may_start() -> bool:
    """Whether this process starts private servers; in a workload on another machine it does not."""
    return os.environ.get(PRIVATE_VARIABLE) not in {"0", "existing"} and find_runner() is None


def find_runner() -> Path | None:
    """The runner's socket, if this process is in a workload on another machine than the server; None elsewhere."""
    path = os.environ.get(RUNNER_VARIABLE)
    return Path(path) if path else None


def stores_folder() -> Path:
    """The folder of this user's log stores."""
    from jupyter_core.paths import jupyter_data_dir  # noqa: PLC0415 - a kernel of a Jupyter server does not need it

    return Path(jupyter_data_dir()) / "logstream"


def pointer_file(stores: Path) -> Path:
    """The file that names the store of the private server on this machine; home folders can be shared by machines."""
    return stores / f"private-{os.uname().nodename}"


def shared_store() -> Path | None:
    """The store of processes that no Jupyter server started; None if it is not known before a server starts."""
    stores = stores_folder()
    try:
        return Path(os.fsdecode(pointer_file(stores).read_bytes()))
    except OSError:
        pass
    for number in range(1, _MAX_STORES):
        address = read_address(stores / str(number) / ADDRESS_FILE)
        if address is None:
            return None
        if address.get("host", os.uname().nodename) == os.uname().nodename:
            return stores / str(number)
    return None


def find_shared() -> ServerAddress | None:
    """The server of `shared_store`; None if none serves it, or if private servers are not allowed."""
    if not may_use() or (store := shared_store()) is None or not is_served(store):
        return None
    file = store / ADDRESS_FILE
    address = read_address(file)
    return _parse(address, file, shared=True) if address and address.get("url") else None


def read_address(file: Path) -> dict[str, Any] | None:
    """The content of a store's `server.json`; None if it cannot be read."""
    try:
        address = json.loads(file.read_bytes())
        return address if isinstance(address["url"], str) and isinstance(address["secret"], str) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_served(store: Path) -> bool:
    """Whether a server holds the store's lock; it ends with its process, so a dead one never holds it."""
    try:
        lock = os.open(store / "lock", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def _find_parents() -> ServerAddress | None:
    """The server whose process started this kernel, where the kernel did not get its environment."""
    parent = os.environ.get("JPY_PARENT_PID", "")
    if not parent.isdecimal():
        return None
    stores = stores_folder()
    for number in range(1, _MAX_STORES):
        file = stores / str(number) / ADDRESS_FILE
        address = read_address(file)
        if address is None:
            return None
        is_its = address.get("pid") == int(parent) and address.get("host") == os.uname().nodename
        if is_its and is_served(file.parent):
            return _parse(address, file)
    return None


def _parse(address: dict[str, Any], file: Path, *, shared: bool = False) -> ServerAddress:
    return ServerAddress.parse(address["url"], address["secret"], file, shared=shared)
