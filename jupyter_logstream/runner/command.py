"""Command line of `runner.pyz`: run a workload's folder here, or serve it to a mirror. Runs there; stdlib.

runner.pyz run FOLDER               start the runner, detached; prints one line of JSON: started, or why not
runner.pyz run --foreground FOLDER  run it in this process, for an engine that owns its jobs
runner.pyz serve FOLDER             the remote end of a mirror, on standard input and output
runner.pyz deliver ROOT             receive a workload over standard input, start it, then serve it
runner.pyz job FOLDER               run it in the job of a scheduler, once
runner.pyz dial PACKAGE             run the workload of a package once, and connect to its server
runner.pyz hold PACKAGE ROOT        start the workload of a package, and keep the container until its log is copied
runner.pyz --version                one line of JSON: version, mirror, layout, sha256 of this file
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

from .._version import __version__
from ..store.disk.folder import Folder
from ..store.disk.layout import LAYOUT
from ..wire.mirror_frames import MIRROR_VERSION


def main(arguments: list[str], archive: str) -> int:
    """Run a command; `archive` is the path of `runner.pyz`. Returns the exit code."""
    if arguments == ["--version"]:
        sha256 = hashlib.sha256(Path(archive).read_bytes()).hexdigest()
        _print({"version": __version__, "mirror": MIRROR_VERSION, "layout": LAYOUT, "sha256": sha256})
        return 0
    if len(arguments) == 2 and arguments[0] == "serve":
        from .serve import serve  # noqa: PLC0415 - `run` does not need it

        return serve(arguments[1])
    if len(arguments) == 2 and arguments[0] == "deliver":
        from .delivery import deliver  # noqa: PLC0415 - as above

        return deliver(arguments[1])
    if len(arguments) == 2 and arguments[0] == "job":
        from .scheduler_job import run_job  # noqa: PLC0415 - as above

        return run_job(arguments[1])
    if len(arguments) == 2 and arguments[0] == "dial":
        from .dial import dial  # noqa: PLC0415 - as above

        return dial(arguments[1])
    if len(arguments) == 3 and arguments[0] == "hold":
        from .hold import hold  # noqa: PLC0415 - as above

        return hold(arguments[1], arguments[2])
    if arguments[:1] == ["run"] and len(arguments) == 2 + (arguments[1:2] == ["--foreground"]):
        return _run(arguments[-1], foreground=len(arguments) == 3)
    sys.stderr.write(f"usage:\n{(__doc__ or '').partition(chr(10))[2]}")
    return 2


def _run(path: str, *, foreground: bool) -> int:
    from .detach import run_here, start  # noqa: PLC0415 - `--version` does not need it

    folder = Folder(Path(os.path.expanduser(path)).absolute())
    try:
        outcome = run_here(folder) if foreground else start(folder)
    except (OSError, ValueError) as error:
        outcome = {"state": "failed", "error": str(error)}
    _print(outcome)
    return 1 if "error" in outcome and not foreground else 0


def _print(value: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()
