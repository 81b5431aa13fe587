"""Workloads of a bench that follow files. Test support."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from support.waiting import eventually

from jupyter_logstream.backends.follow_roots import resolve_follow

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from support.running import Bench, Job


# Writes numbered lines, with "anew" into a log that it opens again and again, until the file `stop` exists or there are
# a million; prints how many.
BUSY = """
import os, sys, time
log, stop, anew = sys.argv[1], sys.argv[2], sys.argv[3] == "anew"
n, file = 0, open(log, "ab", buffering=0)
while not os.path.exists(stop) and n < 1_000_000:
    for _ in range(20):
        file.write(b"line %d\\n" % n)
        n += 1
    time.sleep(0.002)
    if anew:
        file.close()
        file = open(log, "ab", buffering=0)
print(n)
"""


async def follow(bench: Bench, folder: Path, *paths: str, **given: Any) -> Job:
    """Follow paths below a folder, which is the only root."""
    where = str(folder)
    resolved = resolve_follow({"paths": list(paths), **given}, where, [where])
    return await bench.start("follow", cwd=where, tty=False, follow=resolved)


async def shows(job: Job, *lines: str) -> None:
    """Wait until exactly these lines of files are in its log."""
    await eventually(lambda: job.lines("stdout") == list(lines))


async def waits(job: Job, reason: str) -> None:
    """Wait until it reports why it waits."""
    await eventually(lambda: job.status.reason == reason)


def append(path: Path, data: bytes) -> None:
    """Append as a program does that opens its log anew."""
    with path.open("ab") as file:
        file.write(data)


async def busy_writer(folder: Path, how: str) -> Callable[[], Awaitable[int]]:
    """Start BUSY; what is returned ends it and returns its number of lines."""
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", BUSY, folder / "a.log", folder / "stop", how, stdout=subprocess.PIPE
    )

    async def finish() -> int:
        (folder / "stop").touch()
        return int((await writer.communicate())[0])

    return finish
