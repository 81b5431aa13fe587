"""The server's settings that backends use. Server; no I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..store.disk.folder import RunParameters
from ..store.disk.stream_folders import StreamFolders


@dataclass(frozen=True, slots=True)
class BackendContext:
    """The server's settings that a backend can use.

    `folders`: the directory with one folder per workload. `root`: the base of relative directories. `run`: what each
    runner gets besides its spec. `follow_roots`: folders besides `root` below which files may be followed.
    `public_url`: returns this server's URL for another machine, by its host, "" if it has none there; it can resolve
    names, and is only valid once the server listens.
    """

    folders: Path | StreamFolders
    root: Path = Path("/")
    run: RunParameters = field(default_factory=RunParameters)
    follow_roots: Sequence[Path] = ()
    public_url: Callable[[str], str] = lambda _: ""
