"""The process table of this machine (Linux): children, descendants, command lines. Test support."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path


def parents() -> dict[int, int]:
    """Process id -> its parent's."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            found[int(stat.parent.name)] = int(stat.read_text(errors="replace").rpartition(") ")[2].split()[1])
    return found


def children_of(pid: int) -> list[int]:
    return [child for child, parent in parents().items() if parent == pid]


def descendants_of(pid: int) -> list[int]:
    table = parents()
    found = [pid]
    for one in found:
        found += [child for child, parent in table.items() if parent == one]
    return found[1:]


def command_line(pid: int) -> str:
    """The arguments of a process, separated by spaces; "" if it has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""


def with_argument(text: str) -> list[int]:
    """The processes whose command line contains a text."""
    return [int(folder.name) for folder in Path("/proc").glob("[0-9]*") if text in command_line(int(folder.name))]


def kill_with_argument(text: str) -> None:
    """Kill the processes whose command line contains a text that only a test's own can have, such as its folder."""
    for pid in with_argument(text):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
