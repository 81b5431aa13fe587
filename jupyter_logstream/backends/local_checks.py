"""Self-test of the local backend: a process, the logs' folder, disk space. Server; for the doctor only."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from .protocol import Check

_PROCESS_TIMEOUT_S = 10.0
_MIN_FREE_BYTES = 256 << 20  # one log's smallest disk limit


async def check_machine(folder: Path) -> list[Check]:
    """Whether a shell starts, the folder of logs can be written to, and its disk has space for a log."""
    return [await asyncio.to_thread(_check_process), _check_folder(folder), _check_space(folder)]


def _check_process() -> Check:
    what = "start a process"
    try:
        subprocess.run(["/bin/sh", "-c", "exit 0"], check=True, timeout=_PROCESS_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError) as error:
        return Check(what, ok=False, found=str(error), advice="check the limits of processes and memory (ulimit -a)")
    return Check(what, ok=True, found="/bin/sh")


def _check_folder(folder: Path) -> Check:
    what = "write to the folder of logs"
    try:
        with tempfile.TemporaryFile(dir=folder):
            return Check(what, ok=True, found=str(folder))
    except OSError as error:
        problem = f"{folder}: {os.strerror(error.errno or 0)}"
        return Check(what, ok=False, found=problem, advice="set c.LogStream.store_dir to a folder of yours")


def _check_space(folder: Path) -> Check:
    what = "disk space for logs"
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Check(what, ok=False, found=os.strerror(error.errno or 0), advice="check that its disk is mounted")
    advice = "" if free >= _MIN_FREE_BYTES else "delete workloads, or set c.LogStream.store_dir to another disk"
    return Check(what, ok=free >= _MIN_FREE_BYTES, found=f"{free / (1 << 30):.1f} GiB free", advice=advice)
