"""The server's settings that backends use. Server; no I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..store.disk.folder import MAX_PAYLOAD_BYTES
from ..store.disk.stream_folders import StreamFolders
from ..text.redactor import SECRET_NAMES


@dataclass(frozen=True, slots=True)
class BackendContext:
    """The server's settings that a backend can use.

    `folders`: the directory with one folder per workload. `root`: the base of relative directories. `log_bytes`: disk
    limit of one log. `grace_s`: seconds from TERM to KILL. `secret_names`: globs of variables whose values are masked.
    `linger_s`: seconds for which output of descendants that outlive their workload is added to its log. `masks`:
    further values and /patterns/ to mask.
    `max_payload_bytes`: maximum size of a function's result. `follow_roots`: folders besides
    `root` below which files may be followed. `public_url`: returns this server's URL for another machine, by its host,
    "" if it has none there; it can resolve names, and is only valid once the server listens.
    """

    folders: Path | StreamFolders
    root: Path
    log_bytes: int = 1 << 30
    grace_s: float = 10.0
    secret_names: Sequence[str] = SECRET_NAMES
    linger_s: float = 3600.0
    masks: Sequence[str] = ()
    max_payload_bytes: int = MAX_PAYLOAD_BYTES
    follow_roots: Sequence[Path] = ()
    public_url: Callable[[str], str] = lambda _: ""
