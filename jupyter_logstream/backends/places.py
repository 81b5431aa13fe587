"""Places where a backend's commands run: this machine, or one that `ssh` reaches. Server; stdlib.

The system's `ssh` is used, so the user's configuration, keys, agents, jump hosts and tickets apply. All sessions of a
host share one connection (ControlMaster), which stays for KEEP_CONNECTION_S after the last one, also for the next
server: opening a session then takes milliseconds.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import re
import shlex
import socket
import stat
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from .protocol import NotReached

KEEP_CONNECTION_S = 600
_CONNECT_TIMEOUT_S = 10
_MASTER_TIMEOUT_S = 40.0  # with jump hosts, each of which can take the time of one connection
_KEEP_ALIVE_S, _MAX_UNANSWERED = 5, 3
_MAX_ERROR_LINES, _MAX_ERROR_CHARS = 4, 500
_SSH_FAILED = 255
# These override the user's configuration: no question, no terminal, no forwarding that could fail.
_OURS = (
    "-T", "-o", "BatchMode=yes", "-o", "RemoteCommand=none", "-o", "ClearAllForwardings=yes",
    "-o", "PermitLocalCommand=no", "-o", "StdinNull=no",
)  # fmt: skip
_DEFAULTS = (
    "-o", f"ConnectTimeout={_CONNECT_TIMEOUT_S}",
    "-o", f"ServerAliveInterval={_KEEP_ALIVE_S}", "-o", f"ServerAliveCountMax={_MAX_UNANSWERED}",
)  # fmt: skip


class Place(Protocol):
    """Where commands run."""

    @property
    def name(self) -> str:
        """The machine, for messages."""
        ...

    @property
    def env(self) -> Mapping[str, str] | None:
        """The environment of commands that are started here; None: this process's."""
        ...

    async def connect(self) -> None:
        """Make sure that `argv` will reach it. Raises NotReached with the cause."""
        ...

    def argv(self, command: str) -> list[str]:
        """The arguments that run a command of a shell there."""
        ...

    async def disconnect(self) -> None:
        """Drop a connection that hangs, so that the next `connect` makes a new one."""
        ...


class ThisMachine:
    """The server's machine."""

    name = "this machine"

    @property
    def env(self) -> Mapping[str, str]:
        """This server's, without its own credentials, and without the Slurm job that it may run in."""
        private = ("JUPYTER_", "JPY_", "JUPYTERHUB_", "SLURM_", "SBATCH_", "SRUN_")
        return {
            name: value for name, value in os.environ.items() if name == "SLURM_CONF" or not name.startswith(private)
        }

    async def connect(self) -> None:
        """Nothing to do."""

    def argv(self, command: str) -> list[str]:
        """See Place."""
        return ["/bin/sh", "-c", command]

    async def disconnect(self) -> None:
        """Nothing to do."""


class SshHost:
    """A machine that `ssh` reaches. `host`: as on its command line; `options`: further arguments of `ssh`.

    Raises ValueError for a host that `ssh` would take for an option.
    """

    def __init__(self, host: str, options: Sequence[str] = ()) -> None:
        if not isinstance(host, str) or not host or host.startswith("-") or re.search(r"[\s\0]", host):
            raise ValueError("host must be a name as `ssh` takes it")
        if isinstance(options, str) or not all(isinstance(option, str) for option in options):
            raise ValueError("ssh_options must be a list of strings")
        self.name = host
        self._options = list(options)
        key = hashlib.sha256(repr([host, self._options]).encode()).hexdigest()[:16]
        self._control = _private_folder() / key
        self._connecting = asyncio.Lock()

    @property
    def env(self) -> None:
        """See Place."""

    async def connect(self) -> None:
        """Start the shared connection, if there is none. Raises NotReached with the text of `ssh`."""
        if self._is_connected():
            return
        async with self._connecting:
            await asyncio.to_thread(self._start_master)

    def argv(self, command: str) -> list[str]:
        """See Place."""
        return ["ssh", *self._arguments(), "-o", "ControlMaster=no", "--", self.name, command]

    async def disconnect(self) -> None:
        """See Place."""
        await asyncio.to_thread(self._stop_master)

    def _arguments(self) -> list[str]:
        return [*_OURS, "-o", f"ControlPath={self._control}", *self._options, *_DEFAULTS]

    def _is_connected(self) -> bool:
        """Whether the shared connection accepts sessions."""
        with suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1)
            probe.connect(str(self._control))
            return True
        return False

    def _start_master(self) -> None:
        """Start the process of the shared connection, once for all servers of this user."""
        lock = os.open(f"{self._control}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self._is_connected():
                return
            master = ["-M", "-N", "-f", "-o", f"ControlPersist={KEEP_CONNECTION_S}"]
            with tempfile.TemporaryFile() as errors:  # not a pipe: the process in the background can keep it open
                try:
                    code = subprocess.run(
                        ["ssh", *master, *self._arguments(), "--", self.name],
                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
                        timeout=_MASTER_TIMEOUT_S, start_new_session=True, check=False,
                    ).returncode  # fmt: skip
                except subprocess.TimeoutExpired:
                    raise NotReached(f"{self.name} did not answer within {_MASTER_TIMEOUT_S:g} s") from None
                except OSError as error:
                    raise NotReached(f"ssh could not be started: {error.strerror}") from error
                if code:
                    errors.seek(0)
                    text = errors.read().decode(errors="replace")
                    raise NotReached(f"ssh {self.name}: {last_lines(text) or f'exit code {code}'}")
        finally:
            os.close(lock)

    def _stop_master(self) -> None:
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(
                ["ssh", *self._arguments(), "-O", "exit", "--", self.name],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=5, check=False,
            )  # fmt: skip
        with suppress(OSError):
            self._control.unlink()  # a process that hangs: its sessions end with their time-outs


def last_lines(text: str) -> str:
    """The last lines of a program's errors, as one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(lines[-_MAX_ERROR_LINES:])[-_MAX_ERROR_CHARS:]


def quoted_path(path: str) -> str:
    """A path for a shell's command line; a leading `~` stays special."""
    home, slash, rest = path.partition("/")
    return f"{home}{slash}{shlex.quote(rest)}" if re.fullmatch(r"~[\w.-]*", home) and slash else shlex.quote(path)


def _private_folder() -> Path:
    """The folder of the connections' sockets, for this user only: short, as a socket's path has 104 bytes at most."""
    for base in os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp":  # noqa: S108 - checked below
        path = Path(base or "/", f"jls-{os.getuid()}")
        if not base or len(os.fsencode(path)) > 60 or not os.access(base, os.W_OK):
            continue
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid():
            path.chmod(0o700)
            return path
    raise ValueError("there is no folder for the sockets of ssh: set XDG_RUNTIME_DIR to one of your own")
