"""Root file systems for containers of the tests, imported without a registry. Test support.

One has Python, one has only busybox, one holds a pod's namespaces. The one with Python comes from Debian's packages and
is cached, since it takes a minute to install.
"""

from __future__ import annotations

import io
import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

_IMAGES = "python:3.12 busybox:1.36" if os.environ.get("LOGSTREAM_TEST_CONTEXT") else "jls-python:1 jls-bare:1"
PYTHON_IMAGE, BARE_IMAGE = os.environ.get("LOGSTREAM_TEST_IMAGES", _IMAGES).split()
PAUSE_IMAGE = "jls-pause:1"
PROGRAMS = ("debootstrap", "busybox", "gcc")
_APPLETS = (
    "sh",
    "cat",
    "echo",
    "sleep",
    "kill",
    "ls",
    "id",
    "env",
    "true",
    "false",
    "printf",
    "seq",
    "date",
    "test",
    "pwd",
)
_PAUSE = "#include <signal.h>\n#include <stdlib.h>\n#include <unistd.h>\nstatic void end(int s) { exit(0); }\n"
_PAUSE += "int main() { signal(SIGTERM, end); signal(SIGINT, end); for (;;) pause(); }\n"


def cache_folder() -> Path:
    """Where large things that tests have made are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    folder = Path(base) / "jupyter-logstream-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def python_root() -> Path:
    """An archive of Debian's base system with Python."""
    archive = cache_folder() / "python-root.tar"
    if not archive.exists():
        with tempfile.TemporaryDirectory() as made:
            root, release = Path(made) / "root", platform.freedesktop_os_release()["VERSION_CODENAME"]
            install = ["debootstrap", "--variant=minbase", "--include=python3,procps", release, str(root)]
            subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
            for name in "var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale", "usr/share/man":
                shutil.rmtree(root / name, ignore_errors=True)
            partial = archive.with_suffix(".part")
            subprocess.run(["tar", "-C", str(root), "--numeric-owner", "-cf", str(partial), "."], check=True)
            partial.rename(archive)
    return archive


def bare_root() -> bytes:
    """An archive with busybox alone: a shell and some commands, no Python."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for folder in "bin", "tmp", "etc":
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            archive.addfile(entry)
        archive.add(shutil.which("busybox") or "busybox", "bin/busybox")
        for applet in _APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    return buffer.getvalue()


def pause_root() -> bytes:
    """An archive with the program that holds a pod's namespaces: it sleeps until it is ended."""
    buffer = io.BytesIO()
    with tempfile.TemporaryDirectory() as made, tarfile.open(fileobj=buffer, mode="w") as archive:
        program = Path(made) / "pause"
        subprocess.run(["gcc", "-static", "-xc", "-o", str(program), "-"], input=_PAUSE.encode(), check=True)
        archive.add(program, "pause")
    return buffer.getvalue()


def import_images(docker: list[str]) -> None:
    """Import the images; `docker`: the command and its global options."""
    with python_root().open("rb") as archive:
        subprocess.run([*docker, "import", "-", PYTHON_IMAGE], stdin=archive, check=True, capture_output=True)
    subprocess.run([*docker, "import", "-", BARE_IMAGE], input=bare_root(), check=True, capture_output=True)
    start = ["--change", 'ENTRYPOINT ["/pause"]']
    subprocess.run([*docker, "import", *start, "-", PAUSE_IMAGE], input=pause_root(), check=True, capture_output=True)
