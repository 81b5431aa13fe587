"""A workload's specification for this machine: its directory, its environment, the setup before it. Runner; stdlib."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..model.workload import WorkloadSpec
from ..wire.delivery import Order

_SETUP = '{\n%s\n} || { echo "the setup of the backend failed" >&2; exit 125; }\nexec "$@"'


def localized(spec: WorkloadSpec, order: Order, work: Path) -> WorkloadSpec:
    """The spec with a directory and the environment of this machine, and with the setup before the command."""
    cwd = os.path.join(work if order.files else Path.home(), os.path.expanduser(spec.cwd))
    command: Any = spec.command if order.call is None else call_command(order.python, os.path.abspath(sys.argv[0]))
    if order.setup:
        shell = shutil.which("bash") or "/bin/sh"  # `source` is bash's
        command = [shell, "-c", _SETUP % order.setup, "setup", *replace(spec, command=command).argv]
    ambient = {} if order.submit else os.environ  # a job gets that of its node, when it starts
    return replace(spec, command=command, cwd=cwd, env={**ambient, **spec.env})


def call_command(python: str, archive: str) -> list[str]:
    """The command that runs a function from an archive, with an interpreter that may differ from the runner's."""
    boot = (
        "import sys; sys.path.insert(1, sys.argv.pop(1)); "
        "from jupyter_logstream.kernel.functions.elsewhere import main; sys.exit(main())"
    )
    return [os.path.expanduser(python), "-c", boot, archive]
