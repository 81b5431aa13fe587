"""Self-test of docker or podman: program, daemon, image, a container. Server; for the doctor only."""

from __future__ import annotations

import os
import shutil
from collections.abc import Awaitable, Callable, Sequence

from ..wire.container_errors import problem
from .programs import Ended
from .protocol import CannotReach, Check


async def check_docker(
    program: str, missing: str, trial: Sequence[str], command: Callable[..., Awaitable[Ended]]
) -> list[Check]:
    """Try what depends on what, in this order. `trial`: options of a container, and its image as the last."""
    found = shutil.which(program)
    checks = [
        Check(f"find {program}", ok=found is not None, found=found or "not found", advice="" if found else missing)
    ]
    image, name = trial[-1], os.path.basename(program)
    steps = (
        (f"{name}'s engine answers", ("version", "--format={{.Server.Version}}")),
        (f"the image {image} is on this machine", ("image", "inspect", "--format={{.Os}}/{{.Architecture}}", image)),
        (f"run /bin/sh in {image}", ("run", "--rm", *trial, "/bin/sh", "-c", "id -u")),
    )
    for what, arguments in steps if found else ():
        try:
            done = await command(*arguments)
            text = done.output.strip() if done.code == 0 else problem(done.errors, name, image, "/bin/sh")
            ok = done.code == 0
        except CannotReach as error:
            text, ok = str(error), False
        is_image = arguments[0] == "image"
        advice = "" if ok else f"{name} pull {image}, else the first workload pulls it" if is_image else _ADVICE
        checks.append(Check(what, ok=ok, found=text, advice=advice))
        if not ok:
            break
    return checks


_ADVICE = "make the same work in a terminal, as the user of the Jupyter server"
