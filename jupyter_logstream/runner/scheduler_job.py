"""A workload in the job of a scheduler, which ends with this process. Runner; stdlib.

`runner.pyz job FOLDER`.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

from ..store.disk.files import replace_file
from ..store.disk.folder import Folder
from . import control, detach

_ALREADY_STARTED = 3


def run_job(path: str) -> int:
    """Run the workload in a folder within the job; returns its exit code.

    A job that the scheduler starts again is refused: its command has run.
    """
    folder = Folder(Path(path))
    if detach.was_started(folder):
        return _ALREADY_STARTED
    spec, created = folder.read_spec()
    value = {**replace(spec, env={**os.environ, **spec.env}).to_json(), "created": created}
    replace_file(folder.path / "spec.json", json.dumps(value).encode())
    detach.run_here(folder, on_stop=lambda: control.cancel(folder))
    status, _ = folder.read_status()
    return status.exit_code if status.exit_code is not None else 0 if status.state == "succeeded" else 1
