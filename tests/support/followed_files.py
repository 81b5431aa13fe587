"""Workloads of a bench that follow files. Test support."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.waiting import eventually

from jupyter_logstream.backends.follow_roots import resolve_follow

if TYPE_CHECKING:
    from pathlib import Path

    from support.running import Bench, Job


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
