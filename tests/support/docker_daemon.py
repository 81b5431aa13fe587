"""A Docker daemon of its own with a local image, and podman's configuration for this machine. Test support; root.

No registry is needed: the image has empty folders, and this machine's programs are mounted read-only, Python included.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.container_images import bare_root
from support.paths import ROOT
from support.process_table import kill_with_argument

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_START_TIMEOUT_S = 60.0

IMAGE = "logstream-test:1"
BARE = "logstream-bare:1"
"""An image without any program but busybox."""

_PODMAN_CONF = """\
[containers]
default_ulimits = ["nofile=10000:10000", "nproc=10000:10000"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
"""


def missing(program: str) -> str:
    """What containers lack here; "" if they should run."""
    if os.geteuid():
        return "this user is not root"
    needed = ("docker", "dockerd", "containerd", "busybox") if program == "docker" else ("podman", "runc", "busybox")
    absent = [one for one in needed if shutil.which(one) is None]
    return f"{', '.join(absent)} not installed" if absent else ""


class CannotRun(RuntimeError):
    """The engine does not start here; the text says why."""


class Docker:
    """`env`: the variables with which docker's client finds the daemon. `entry`: the backend's configuration."""

    program = "docker"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._daemon: subprocess.Popen[bytes] | None = None

    @property
    def path(self) -> str:
        """Where the engine's program is."""
        return str(shutil.which(self.program))

    @property
    def env(self) -> Mapping[str, str]:
        return {"DOCKER_HOST": f"unix://{self.folder}/sock"}

    @property
    def entry(self) -> dict[str, Any]:
        python = {path for path in (str(ROOT), sys.prefix, sys.base_prefix) if not path.startswith("/usr")}
        volumes = [f"{path}:{path}:ro" for path in sorted({"/usr", *python})]
        return {"type": "docker", "program": self.program, "image": IMAGE, "network": "none", "volumes": volumes,
                "python": sys.executable}  # fmt: skip

    def start(self) -> None:
        """Start the daemon, unless it runs, and wait until it answers. Raises CannotRun."""
        if self._daemon is not None and self._daemon.poll() is None:
            return
        f = self.folder
        log = (f / "log").open("ab")
        with log:
            self._daemon = subprocess.Popen(
                ["dockerd", f"--data-root={f}/data", f"--exec-root={f}/exec", f"--pidfile={f}/pid", f"--host=unix://{f}/sock",
                 "--iptables=false", "--ip6tables=false", "--bridge=none", "--live-restore"],
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + _START_TIMEOUT_S
        while self.command("version", check=False).returncode:
            if self._daemon.poll() is not None or time.monotonic() > deadline:
                raise CannotRun(f"dockerd: {_last_line(f / 'log')}")
            time.sleep(0.05)

    def open_to(self, group: int) -> None:
        """Let the users of a group use the daemon's socket."""
        os.chown(self.folder, -1, group)
        self.folder.chmod(0o710)
        os.chown(self.folder / "sock", -1, group)

    def kill(self) -> None:
        """Kill the daemon, as a crash would; containers continue. Its containerd ends with it.

        The next daemon must not find containerd's number: it would wait for a dying process instead of starting one.
        """
        assert self._daemon is not None
        self._daemon.send_signal(signal.SIGKILL)
        self._daemon.wait(_START_TIMEOUT_S)
        for path in self.folder / "pid", self.folder / "exec/containerd/containerd.pid":
            path.unlink(missing_ok=True)

    def stop(self) -> None:
        """End every container and the daemon, also one that was killed."""
        self.end_containers()
        if self._daemon is not None and self._daemon.poll() is None:
            self._daemon.terminate()
            self._daemon.wait(_START_TIMEOUT_S)
        kill_with_argument(str(self.folder))  # its containerd and shims, if it was killed

    def containers(self) -> list[str]:
        """The names of all containers."""
        return self.command("ps", "--all", "--format={{.Names}}").stdout.split()

    def is_running(self, name: str) -> bool:
        """Whether the engine knows that a container runs."""
        return "true" in self.command("container", "inspect", "--format={{.State.Running}}", name, check=False).stdout

    def end_containers(self) -> None:
        """Remove all containers, if the engine answers."""
        listed = self.command("ps", "--all", "--format={{.Names}}", check=False)
        if names := listed.stdout.split():
            self.command("kill", *names, check=False)  # podman's rm would wait 10 s between TERM and KILL
            self.command("rm", "--force", *names, check=False)

    def repair(self) -> None:
        """Start the daemon if a test has killed it, and remove what is left."""
        self.start()
        self.end_containers()

    def make_images(self) -> None:
        """Import IMAGE and BARE, and run a container. Raises CannotRun."""
        for image, data in (IMAGE, _image()), (BARE, bare_root()):
            self._try("import", "-", image, data=data)
        self._try("run", "--rm", "--network=none", BARE, "/bin/sh", "-c", "true")

    def _try(self, *arguments: str, data: bytes = b"") -> None:
        if (done := self.command(*arguments, check=False, data=data)).returncode:
            raise CannotRun(
                f"{self.program} {arguments[0]}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}"
            )

    def command(self, *arguments: str, check: bool = True, data: bytes = b"") -> subprocess.CompletedProcess[str]:
        """Run the engine's program."""
        done = subprocess.run(
            [self.program, *arguments], env={**os.environ, **self.env}, input=data, capture_output=True, check=False,
            timeout=120,
        )  # fmt: skip
        text = subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
        assert not check or done.returncode == 0, text
        return text


class Podman(Docker):
    """The same with podman, which has no daemon."""

    program = "podman"

    @property
    def env(self) -> Mapping[str, str]:
        return {
            "CONTAINERS_CONF": f"{self.folder}/containers.conf",
            "CONTAINERS_STORAGE_CONF": f"{self.folder}/storage.conf",
        }

    def start(self) -> None:
        f = self.folder
        (f / "containers.conf").write_text(_PODMAN_CONF)
        (f / "storage.conf").write_text(f'[storage]\ndriver = "overlay"\ngraphroot = "{f}/data"\nrunroot = "{f}/run"\n')


def _image() -> bytes:
    """A root file system as a tar archive; this machine's /usr is to be mounted."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name in ("dev", "proc", "sys", "etc", "usr", "run", "root", "var", "sbin", "tmp"):
            _add(tar, name, tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755)
        for name in ("bin", "lib", "lib64"):
            _add(tar, name, tarfile.SYMTYPE, 0o777, f"usr/{name}")
        for name in ("passwd", "group", "ld.so.cache"):
            tar.add(os.path.realpath(f"/etc/{name}"), f"etc/{name}")
    return data.getvalue()


def _add(tar: tarfile.TarFile, name: str, kind: bytes, mode: int, target: str = "") -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.linkname = kind, mode, target
    tar.addfile(entry)


@contextmanager
def engine(kind: type[Docker]) -> Iterator[Docker]:
    """An engine with both images for the time of the block."""
    folder = Path(tempfile.mkdtemp(prefix=f"jls-{kind.program}-"))
    found = kind(folder)
    try:
        found.start()
        found.make_images()
        yield found
    finally:
        found.stop()
        for mount in _mounts(folder):
            subprocess.run(["umount", "-l", mount], check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "no message"


def _mounts(folder: Path) -> list[str]:
    points = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    return sorted((point for point in points if point.startswith(f"{folder}/")), reverse=True)
