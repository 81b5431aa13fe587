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

from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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


def can_run(program: str = "docker") -> str:
    """Why containers cannot run here; "" if they can."""
    needed = ("docker", "dockerd", "containerd", "busybox") if program == "docker" else ("podman", "runc", "busybox")
    missing = [one for one in needed if shutil.which(one) is None]
    if missing:
        return f"{', '.join(missing)} not installed"
    return "this user is not root" if os.geteuid() else ""


class Docker:
    """`env`: the variables with which docker's client finds the daemon. `entry`: the backend's configuration."""

    program = "docker"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._daemon: subprocess.Popen[bytes] | None = None

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
        """Start the daemon and wait until it answers."""
        f = self.folder
        with (f / "log").open("ab") as log:
            self._daemon = subprocess.Popen(
                ["dockerd", f"--data-root={f}/data", f"--exec-root={f}/exec", f"--pidfile={f}/pid", f"--host=unix://{f}/sock",
                 "--iptables=false", "--ip6tables=false", "--bridge=none", "--live-restore"],
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + 60
        while self.command("version", check=False).returncode:
            if self._daemon.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((f / "log").read_text(errors="replace")[-2000:])
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill the daemon, as a crash would; containers continue."""
        assert self._daemon is not None
        self._daemon.send_signal(signal.SIGKILL)
        self._daemon.wait(30)
        (self.folder / "pid").unlink(missing_ok=True)

    def stop(self) -> None:
        """End every container and the daemon."""
        self.end_containers()
        if self._daemon is not None:
            self._daemon.terminate()
            self._daemon.wait(60)

    def containers(self) -> list[str]:
        """The names of all containers."""
        return self.command("ps", "--all", "--format={{.Names}}").stdout.split()

    def end_containers(self) -> None:
        if names := self.containers():
            self.command("rm", "--force", *names, check=False)

    def make_images(self) -> None:
        """Import IMAGE and BARE."""
        self.command("import", "-", IMAGE, data=_image())
        self.command("import", "-", BARE, data=_image(busybox=True))

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


def _image(*, busybox: bool = False) -> bytes:
    """A root file system as a tar archive; its /usr is to be mounted, unless it has busybox."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name in ("dev", "proc", "sys", "etc", "usr", "run", "root", "var", "sbin", "tmp"):
            _add(tar, name, tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755)
        if busybox:
            _add(tar, "bin", tarfile.DIRTYPE, 0o755)
            tar.add(os.path.realpath(str(shutil.which("busybox"))), "bin/busybox")
            for applet in ("sh", "cat", "echo", "sleep", "id"):
                _add(tar, f"bin/{applet}", tarfile.SYMTYPE, 0o777, "busybox")
        else:
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


def _mounts(folder: Path) -> list[str]:
    points = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    return sorted((point for point in points if point.startswith(f"{folder}/")), reverse=True)
