"""A real OpenSSH server on a loopback port with keys and a configuration of its own. Test support.

It runs in the foreground of a process of its own, without systemd; its connections can be killed apart from it.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from support.ports import free_port
from support.process_table import children_of

if TYPE_CHECKING:
    from collections.abc import Iterator

SSHD = "/usr/sbin/sshd"
HOST = "gpu1"


class Sshd:
    """`config`: the client's configuration, in which this server is the host `gpu1`. `port`: where it listens."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.config = folder / "ssh_config"
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        for name in "host_key", "user_key":
            _make_key(folder / name)
        shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
        (folder / "sshd_config").write_text(self._server_config())
        self.connect_to(self.port)

    @property
    def options(self) -> list[str]:
        """What `ssh` needs to reach it."""
        return ["-F", str(self.config)]

    def connect_to(self, port: int, *, known: bool = True, key: str = "user_key") -> None:
        """Write the client's configuration; `port` can be a proxy's. Without `known` its host key is unknown."""
        host_key = " ".join((self.folder / "host_key.pub").read_text().split()[:2])
        (self.folder / "known_hosts").write_text(f"{HOST} {host_key}\n" if known else "")
        self.config.write_text(
            f"Host {HOST}\n  HostName 127.0.0.1\n  Port {port}\n  HostKeyAlias {HOST}\n  User {_user()}\n"
            f"  IdentityFile {self.folder / key}\n  IdentitiesOnly yes\n  GlobalKnownHostsFile /dev/null\n"
            f"  UserKnownHostsFile {self.folder / 'known_hosts'}\n"
        )

    def start(self) -> None:
        """Start it on the same port as before, and wait until it accepts connections."""
        Path("/run/sshd").mkdir(exist_ok=True)  # its compiled-in folder for separated privileges
        self._process = subprocess.Popen([SSHD, "-D", "-e", "-f", self.folder / "sshd_config"], stderr=self._log())
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            assert self._process.poll() is None, self.log
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.02)
        raise AssertionError(self.log)

    def ensure_running(self) -> None:
        if self._process is None:
            self.start()

    def stop(self) -> None:
        """Stop listening and kill all connections."""
        if self._process is not None:
            connections = children_of(self._process.pid)
            self._process.kill()
            self._process.wait(30)
            self._process = None
            _kill(connections)

    def kill_connections(self) -> int:
        """Kill the connections that are open; how many they were. The programs that they started get a hang-up."""
        assert self._process is not None
        return _kill(children_of(self._process.pid))

    @property
    def log(self) -> str:
        return (self.folder / "sshd.log").read_text(errors="replace")

    def _log(self) -> int:
        return os.open(self.folder / "sshd.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def _server_config(self) -> str:
        return (
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.folder / 'host_key'}\n"
            f"AuthorizedKeysFile {self.folder / 'authorized_keys'}\nPidFile none\nUsePAM no\nStrictModes no\n"
            "PermitRootLogin prohibit-password\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            "PrintMotd no\nMaxStartups 100\nUseDNS no\n"
        )


def _make_key(path: Path) -> None:
    if not path.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)


def _user() -> str:
    import getpass  # noqa: PLC0415 - only here

    return getpass.getuser()


def _kill(pids: list[int]) -> int:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(pids)


@contextmanager
def sshd(folder: Path) -> Iterator[Sshd]:
    """A server for the time of the block."""
    server = Sshd(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
