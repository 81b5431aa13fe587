"""Self-test of docker or podman: program, daemon, image, a container. Server; for the doctor only."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Awaitable, Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..wire.container_client import problem
from .programs import Ended
from .protocol import CannotReach, Check

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
    """Run a shell that reads and writes a folder of this machine, and looks at a terminal."""
    (trial.folder / "here").write_text("seen\n")
    here, made = (shlex.quote(str(trial.folder / one)) for one in ("here", "made"))
    script = (
        f'read word <{here}; echo "$word "; {{ echo >{made}; }} 2>/dev/null; '
        f"if {{ true >{_TERMINAL}; }} 2>/dev/null && [ -c {_TERMINAL} ]; then echo terminal; fi"
    )
    with _terminal() as terminal:
        mounts = [f"--volume={trial.folder}:{trial.folder}", f"--volume={terminal}:{_TERMINAL}"]
        shell = ("/bin/sh", "-c", script)
        answer = command("run", "--rm", *trial.options, *mounts, trial.image, *shell)
        started = await _step(f"run /bin/sh in {trial.image}", _RUN_ADVICE, answer, name, trial.image)
    if not started.ok:
        return [started]
    words = started.found.split()
    owner = (trial.folder / "made").stat().st_uid if (trial.folder / "made").exists() else None
    written = "read only" if owner is None else f"new files belong to user {owner}"
    is_seen = "seen" in words
    mounted = f"{trial.folder.parent}: {written}" if is_seen else f"{trial.folder.parent} is empty there"
    return [
        Check(started.what, ok=True, found="it started"),
        Check("mount a folder of this machine", ok=is_seen, found=mounted, advice="" if is_seen else _MOUNT_ADVICE),
        Check("write to a terminal", ok=True, found="yes" if "terminal" in words else "no: programs write to pipes"),
    ]


@contextmanager
def _terminal() -> Iterator[str]:
    """The path of a terminal, for as long as the block runs."""
    ours, theirs = os.openpty()
    try:
        yield os.ttyname(theirs)
    finally:
        os.close(ours)
        os.close(theirs)
