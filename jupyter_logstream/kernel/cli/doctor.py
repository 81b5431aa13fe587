"""Verb `doctor`: the server that is used, its version and store, its backends. Command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ..._version import __version__
from ..connection import call
from ..discovery import find_server
from ..doctor import check_backends
from .diagnosis import foreign_server
from .exit_codes import FAILED, NO_SERVER

if TYPE_CHECKING:
    import argparse

    from ..discovery import ServerAddress

MIN_FREE_BYTES = 1 << 30


def main(given: argparse.Namespace) -> int:  # noqa: ARG001 - every verb has this form
    """Run the verb; see server_verbs.py. Raises LogStreamError."""
    if problem := foreign_server():
        _write([_line("server", problem, ok=False)])
        return NO_SERVER
    info = call("GET", "info").json()
    lines = _server_lines(find_server(), info)
    _write(lines)
    works = check_backends(sorted(info["supports"]))
    return 0 if works and not any(line.startswith("FAILED") for line in lines) else FAILED


def _server_lines(server: ServerAddress, info: dict[str, Any]) -> list[str]:
    found = f"named by {server.file}" if server.file else "named by JUPYTER_LOGSTREAM_URL"
    kind = "private log server" if server.socket else "Jupyter server"
    version, free = info["version"], info["store"]["free_bytes"]
    advice = (
        "" if version == __version__ else f", but this program is {__version__}: restart the server after an upgrade"
    )
    return [
        _line("server", f"{kind} at {server.socket or server.url}, {found}"),
        _line("version", f"{version}, protocol {info['protocol']}{advice}", ok=not advice),
        _line("workloads", f"{info['workloads']}, of which {info['running']} run"),
        _line(
            "store",
            f"{info['store']['bytes'] / (1 << 20):,.1f} MiB of logs, {free / (1 << 30):,.1f} GiB free on the disk"
            + ("" if free >= MIN_FREE_BYTES else ": free some space, or logs cannot grow"),
            ok=free >= MIN_FREE_BYTES,
        ),
    ]


def _line(what: str, text: str, *, ok: bool = True) -> str:
    return f"{'ok    ' if ok else 'FAILED'}  {what}: {text}"


def _write(lines: list[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
