"""Self-test of docker or podman: program, daemon, image, a container. Server; for the doctor only."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...wire.container_client import problem
from ..programs import Ended
from ..protocol import CannotReach, Check

if TYPE_CHECKING:
    from collections.abc import Iterator

_TERMINAL = "/dev/logstream-stdout"
_RUN_ADVICE = "make the same work in a terminal, as the user of the Jupyter server"
_INSPECT = ("image", "inspect", "--format={{.Os}}/{{.Architecture}}")
_MOUNT_ADVICE = (
    "the engine must run on this machine, neither in a virtual machine nor outside of a container of this server; "
    'where SELinux forbids it, set "args": ["--security-opt=label=disable"]'
)


@dataclass(frozen=True)
class Trial:
    """A container to try. `folder`: an empty folder to mount; `options`: of the container."""

    folder: Path
    options: Sequence[str]
    image: str


async def check_docker(
    program: str, missing: str, trial: Trial, command: Callable[..., Awaitable[Ended]]
) -> list[Check]:
    """Try what depends on what, in this order. `command` runs the program, and raises CannotReach."""
    found = shutil.which(program)
    checks = [
        Check(f"find {program}", ok=found is not None, found=found or "not found", advice="" if found else missing)
    ]
    image, name = trial.image, os.path.basename(program)
    pull = f"{name} pull {image}, else the first workload pulls it"
    steps = (
        (f"{name}'s engine answers", _RUN_ADVICE, ("version", "--format={{.Server.Version}}")),
        (
            f"the image {image} is on this machine",
            pull,
            ("image", "inspect", "--format={{.Os}}/{{.Architecture}}", image),
        ),
    )
    for what, advice, arguments in steps if found else ():
        checks.append(await _step(what, advice, command(*arguments), name, image))
        if not checks[-1].ok:
            return checks
    return [*checks, *await _run(trial, name, command)] if found else checks


async def _step(what: str, advice: str, answer: Awaitable[Ended], name: str, image: str) -> Check:
    try:
        done = await answer
    except CannotReach as error:
        return Check(what, ok=False, found=str(error), advice=advice)
    text = done.output.strip() if done.code == 0 else problem(done.errors, name, image, "/bin/sh")
    return Check(what, ok=done.code == 0, found=text, advice="" if done.code == 0 else advice)


async def _run(trial: Trial, name: str, command: Callable[..., Awaitable[Ended]]) -> list[Check]:
    """Run a shell that uses a folder, a pipe and a terminal of this machine."""
    trial.folder.chmod(0o755)  # another user can be set; the folder above is this user's only
    (trial.folder / "here").write_text("seen\n")
    here, made, pipe = (shlex.quote(str(trial.folder / one)) for one in ("here", "made", "pipe"))
    script = (
        f'read word <{here}; echo "$word "; {{ echo >{made}; }} 2>/dev/null; {{ echo piped 1<>{pipe}; }} 2>/dev/null; '
        f"if {{ true >{_TERMINAL}; }} 2>/dev/null && [ -c {_TERMINAL} ]; then echo terminal; fi"
    )
    with _terminal() as terminal, _pipe(trial.folder / "pipe") as received:
        mounts = [f"--volume={trial.folder}:{trial.folder}", f"--volume={terminal}:{_TERMINAL}"]
        shell = ("/bin/sh", "-c", script)
        answer = command("run", "--rm", *trial.options, *mounts, trial.image, *shell)
        started = await _step(f"run /bin/sh in {trial.image}", _RUN_ADVICE, answer, name, trial.image)
        is_piped = os.read(received, 64) == b"piped\n" or sys.platform != "linux"
    if not started.ok:
        return [started]
    words = started.found.split()
    shown = "yes" if "terminal" in words else "no: programs write to pipes"
    return [
        Check(started.what, ok=True, found="it started"),
        _mounted(trial.folder, is_seen="seen" in words, is_piped=is_piped),
        Check("write to a terminal", ok=True, found=shown),
    ]


def _mounted(folder: Path, *, is_seen: bool, is_piped: bool) -> Check:
    made, found = folder / "made", f"{folder.parent}: "
    if not is_seen:
        found += "it is empty there"
    elif not is_piped:
        found += "its pipes do not reach this machine"
    else:
        found += f"new files belong to user {made.stat().st_uid}" if made.exists() else "read only"
    ok = is_seen and is_piped
    return Check("mount a folder of this machine", ok=ok, found=found, advice="" if ok else _MOUNT_ADVICE)


@contextmanager
def _pipe(path: Path) -> Iterator[int]:
    """A named pipe, for as long as the block runs: what reads it without waiting."""
    os.mkfifo(path)
    path.chmod(0o666)
    writer = os.open(path, os.O_RDWR)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    os.close(writer)
    try:
        yield reader
    finally:
        os.close(reader)


@contextmanager
def _terminal() -> Iterator[str]:
    """The path of a terminal, for as long as the block runs."""
    ours, theirs = os.openpty()
    try:
        yield os.ttyname(theirs)
    finally:
        os.close(ours)
        os.close(theirs)
