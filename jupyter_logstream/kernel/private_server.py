"""Start and stop of the private log server of this user. Runs in kernels, scripts and the command line.

One server per user and store: a lock serializes starts, the store's own lock decides. The server is a daemon
(server/private.py), so it outlives this process. Its socket lies in a folder that only this user can enter.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import select
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from .discovery import (
    ADDRESS_FILE,
    ServerAddress,
    find_server,
    find_shared,
    is_served,
    may_start,
    read_address,
    shared_store,
    stores_folder,
)
from .errors import NoServer

if TYPE_CHECKING:
    from collections.abc import Iterator

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
POLL_INTERVAL_S = 0.02
MAX_SOCKET_PATH_BYTES = 103
"""The shortest limit of the supported systems (macOS); Linux has 107."""

FALLBACK_FOLDER = "/tmp"  # noqa: S108 - our folder in it is checked for owner and mode
_SOCKET_NAME_BYTES = 25
_QUOTED_LINES = 8
_NOT_INHERITED = ("JUPYTER_LOGSTREAM_", "JPY_")
"""Prefixes of variables that describe the starting process: its server, its workload, its kernel."""

_starting = threading.Lock()


def ensure_server(*, quiet: bool = False) -> ServerAddress:
    """Find a server, or start a private one and, unless `quiet`, report that on stderr.

    Blocks; raises NoServer with the reason.
    """
    try:
        return find_server()
    except NoServer:
        if not may_start():
            raise
    address, started = start()
    if started and not quiet:
        sys.stderr.write(
            "jupyter-logstream: found no Jupyter server with it, so a private log server was started; it ends after "
            f"{_idle_text()} without use. Stop it: jupyter logstream server stop\n"
        )
        sys.stderr.flush()
    return address


def start() -> tuple[ServerAddress, bool]:
    """Start the private server unless the store has a server. Returns its address and whether it was started here.

    Raises NoServer, with the last lines that the server wrote.
    """
    stores = stores_folder()
    try:
        stores.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _starting, _locked(stores / "start.lock"):
            return (found, False) if (found := find_shared()) else (_start(stores), True)
    except OSError as error:
        raise NoServer(
            f"No Jupyter server was found, and a private log server cannot be started: {error.strerror}: "
            f"{error.filename or stores}. Make that writable, or set JUPYTER_DATA_DIR to a folder that is."
        ) from error


def private_pid() -> int | None:
    """The process of the private server of this user; None if none runs."""
    store = shared_store()
    address = read_address(store / ADDRESS_FILE) if store is not None and is_served(store) else None
    return int(address["pid"]) if address and address.get("private") else None


def stop() -> bool:
    """Stop the private server; its workloads continue. Returns whether there was one. Raises NoServer if it hangs."""
    pid, store = private_pid(), shared_store()
    if pid is None or store is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while private_pid() == pid:
        if time.monotonic() > deadline:
            raise NoServer(f"The private log server (process {pid}) does not end. Its log: {log_file()}")
        time.sleep(POLL_INTERVAL_S)
    return True


def log_file() -> Path:
    """Where the private server writes its own messages; replaced at each start. Raises NoServer."""
    return socket_folder() / f"{_key(stores_folder())}.log"


def socket_folder() -> Path:
    """A folder that only this user can enter, with a path short enough for sockets. Raises NoServer."""
    bases = [os.environ.get("XDG_RUNTIME_DIR", ""), FALLBACK_FOLDER]
    names = ["jupyter-logstream", f"jupyter-logstream-{os.getuid()}"]
    problems = []
    for base, name in zip(bases, names, strict=True):
        folder = os.path.join(base, name)
        if not os.path.isabs(base) or len(os.fsencode(folder)) + _SOCKET_NAME_BYTES > MAX_SOCKET_PATH_BYTES:
            continue
        if not (problem := _make_private(folder)):
            return Path(folder)
        problems.append(problem)
    raise NoServer(
        f"No folder for the socket of a private log server: {'; '.join(problems)}. Set XDG_RUNTIME_DIR to a folder of "
        "yours that has a short path and that only you can enter."
    )


def _make_private(folder: str) -> str:
    """Create a folder for this user only; returns what is wrong with it."""
    try:
        with suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        found = os.lstat(folder)
    except OSError as error:
        return f"{folder}: {error.strerror}"
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        return f"{folder} is not a folder of this user"
    if found.st_mode & 0o077:
        return f"{folder} is open to other users"
    return ""


def _start(stores: Path) -> ServerAddress:
    folder, key = socket_folder(), _key(stores)
    _remove_stale(folder, key)
    path, log = folder / f"{key}.{secrets.token_hex(3)}.sock", folder / f"{key}.log"
    env = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
    if idle := os.environ.get("JUPYTER_LOGSTREAM_IDLE_S"):
        env["JUPYTER_LOGSTREAM_IDLE_S"] = idle
    ready, write_end = os.pipe()
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW
        with open(os.open(log, flags, 0o600), "wb") as output:
            command = [sys.executable, "-m", "jupyter_logstream.server.private", str(path), str(write_end)]
            try:
                subprocess.run(
                    command,
                    env=env,
                    cwd=folder,  # empty: a module of the user's folder must not hide the server's
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=[write_end],
                    start_new_session=True,
                    check=False,
                )
            finally:
                os.close(write_end)
        is_ready = bool(select.select([ready], [], [], START_TIMEOUT_S)[0]) and os.read(ready, 1) != b""
    finally:
        os.close(ready)
    if address := find_shared():  # also if a Jupyter server was faster
        return address
    state = "did not start" if not is_ready else "ended at once"
    raise NoServer(f"No Jupyter server was found, and a private log server {state}. Its last lines:\n{_tail(log)}")


def _remove_stale(folder: Path, key: str) -> None:
    for path in folder.glob(f"{key}.*.sock"):
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except OSError:
                path.unlink(missing_ok=True)


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-_QUOTED_LINES:]
    return "\n".join(f"  {line}" for line in lines) or "  (none)"


def _key(stores: Path) -> str:
    return sha256(os.fsencode(os.path.realpath(stores))).hexdigest()[:12]


def _idle_text() -> str:
    seconds = os.environ.get("JUPYTER_LOGSTREAM_IDLE_S", "")
    return f"{seconds} s" if seconds else "10 minutes"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a file's exclusive lock; blocks while another process starts a server."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
