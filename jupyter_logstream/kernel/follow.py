"""`follow_file()`: files that other programs write become a workload with a live log. Runs in kernels, in user code."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from .client import Workload
from .connection import call
from .placement import place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Path = str | os.PathLike[str]


def follow_file(
    path: Path | Sequence[Path],
    *,
    name: str | None = None,
    tail: int | None = None,
    from_start: bool = False,
    poll: bool = False,
    timeout: float | None = None,
    tags: Mapping[str, str] | None = None,
    key: str | None = None,
    backend: str | None = None,
) -> Workload:
    """Follow a file that another program writes, as `tail -F` does, and return the handle of a workload with its lines.

    Rotation by rename, truncation, removal and re-creation are followed, and a file that does not exist yet is waited
    for. The server's runner reads the file and never changes it, so the workload outlives the cell, the kernel and the
    server. It is `running` until `cancel()`, after which it is `cancelled`, whatever the program that writes does.

    `path`: a path or a glob such as `"logs/*.log"`, or a list of them, relative to the kernel's directory; files must
    lie below the server's root or a folder of `c.LogStream.follow_roots`, symbolic links resolved. A glob picks up new
    files. Lines of several files have the file's name as their `step`. `name`: shown in tables; default: the paths.
    `tail`: begin with the last `tail` lines of files that exist now, 0 with new lines only; default: all of a file of
    at most 16 MiB, the last 16 MiB of a larger one. `from_start`: begin with the first line, however large the file is.
    `poll`: look for changes at intervals only; default: be notified by the system where that works, and look, too.
    `timeout`: seconds after which it ends with the state `timed_out`; default: none. `tags`, `key`: see `run()`.
    `backend`: where the file is; only `local` can follow files.

    Raises NoServer, and Rejected naming the wrong argument: a path outside these folders, a directory, a pipe.
    """
    paths = [path] if isinstance(path, (str, os.PathLike)) else list(path)
    follow: dict[str, Any] = {"paths": [os.path.expanduser(os.fsdecode(one)) for one in paths]}
    if tail is not None:
        follow["tail"] = tail
    if from_start:
        follow["from_start"] = True
    if poll:
        follow["poll"] = True
    return Workload(submit_follow(follow, name=name, timeout=timeout, tags=tags, key=key, backend=backend)["id"])


def submit_follow(follow: Mapping[str, Any], *, key: str | None, backend: str | None, **fields: Any) -> dict[str, Any]:
    """Start a workload that follows files from this process's directory; returns it. Raises NoServer, Rejected."""
    given = {
        **place(backend, None, None),
        **fields,
        "follow": dict(follow),
        "key": key or uuid4().hex,  # makes the request safe to repeat
        "backend": backend,
    }
    body = {field: value for field, value in given.items() if value is not None}
    return dict(call("POST", "workloads", body=body).json())
