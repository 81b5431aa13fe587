"""Two users of one machine cannot reach each other's private server. A real second user tries, which needs root."""

from __future__ import annotations

import os
import pwd
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.private_home import Home, new_home

from jupyter_logstream import NoServer
from jupyter_logstream.kernel import private_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be a second user")

REFUSED, REACHED = 10, 11


def as_other_user(attempt: Callable[[], object]) -> int:
    """REFUSED if the user `nobody` gets a PermissionError, else REACHED."""
    other = pwd.getpwnam("nobody")
    if (pid := os.fork()) == 0:
        code = REACHED
        try:
            os.setgroups([])
            os.setresgid(other.pw_gid, other.pw_gid, other.pw_gid)
            os.setresuid(other.pw_uid, other.pw_uid, other.pw_uid)
            attempt()
        except PermissionError:
            code = REFUSED
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def connect(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


@pytest.fixture
def home() -> Iterator[Home]:
    with tempfile.TemporaryDirectory(prefix="ls-home") as folder:  # not tmp_path, which other users cannot enter
        for found in new_home(Path(folder)):
            for path in found.folder, found.runtime:
                path.chmod(0o755)
            yield found


def test_another_user_can_neither_connect_nor_read_the_address(home: Home) -> None:
    assert home.command("server", "start").returncode == 0
    folder = home.runtime / "jupyter-logstream"
    (sock,) = folder.glob("*.sock")
    assert as_other_user(lambda: os.listdir(home.folder)) == REACHED
    assert as_other_user(lambda: os.listdir(folder)) == REFUSED
    assert as_other_user(lambda: connect(sock)) == REFUSED
    assert as_other_user((home.store / "server.json").read_bytes) == REFUSED
    folder.chmod(0o755)  # each mode protects on its own
    assert as_other_user(lambda: os.listdir(folder)) == REACHED
    assert as_other_user(lambda: connect(sock)) == REFUSED
    assert as_other_user(next(folder.glob("*.log")).read_bytes) == REFUSED
    connect(sock)


@pytest.mark.parametrize("trap", ["another user's folder", "a link", "open to others"])
def test_a_socket_folder_that_others_control_is_not_used(
    trap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bases = []
    for base in tmp_path / "run", tmp_path / "tmp":
        base.mkdir()
        for name in "jupyter-logstream", f"jupyter-logstream-{os.getuid()}":
            folder = base / name
            if trap == "a link":
                folder.symlink_to(tmp_path)
                continue
            folder.mkdir(mode=0o700)
            if trap == "open to others":
                folder.chmod(0o770)
            else:
                os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)
        bases.append(str(base))
    monkeypatch.setattr(private_server, "MAX_SOCKET_PATH_BYTES", 1000)
    monkeypatch.setattr(private_server, "FALLBACK_FOLDER", bases[1])
    monkeypatch.setenv("XDG_RUNTIME_DIR", bases[0])
    with pytest.raises(NoServer, match="Set XDG_RUNTIME_DIR") as refused:
        private_server.socket_folder()
    assert all(base in str(refused.value) for base in bases)
