"""The processes below one, and signals to all of them. Runs in the runner; stdlib.

On Linux the runner is a sub-reaper: whatever its child starts stays below it, also when a daemon forks twice and makes
a session of its own. This file must not know what a workload is.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal

_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Become the parent of every descendant whose parent ends (Linux; elsewhere they are found by their group only)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(root: int) -> list[int]:
    """The pids below `root`, parents first; zombies are left out."""
    children: dict[int, list[int]] = {}
    for pid, parent in _processes():
        children.setdefault(parent, []).append(pid)
    found: list[int] = []
    waiting = list(children.get(root, ()))
    while waiting:
        pid = waiting.pop(0)
        found.append(pid)
        waiting += children.get(pid, ())
    return found


def signal_all(root: int, group: int | None, number: int) -> None:
    """Send a signal once to all that lives below `root`, and to a process group (where /proc does not tell the tree).

    For KILL the tree is stopped first and looked at again until it no longer grows: a fork bomb cannot outrun it.
    """
    pids = _stop(root) if number == signal.SIGKILL else descendants(root)
    if group is not None:
        pids = [pid for pid in pids if _group_of(pid) != group]
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
            os.killpg(group, signal.SIGCONT)  # a stopped process would not act on it
    _send(pids, number)
    _send(pids, signal.SIGCONT)


def _group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def _stop(root: int) -> list[int]:
    stopped: set[int] = set()
    for _ in range(100):
        new = [pid for pid in descendants(root) if pid not in stopped]
        if not new:
            break
        _send(new, signal.SIGSTOP)
        stopped.update(new)
    return list(stopped)


def _send(pids: list[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _processes() -> list[tuple[int, int]]:
    """(pid, parent) of every process that lives."""
    try:
        names = os.listdir("/proc")
    except FileNotFoundError:
        return _processes_by_ps()
    found = []
    for name in names:
        if name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                with open(f"/proc/{name}/stat", "rb") as file:
                    state, parent = file.read().rpartition(b") ")[2].split(None, 2)[:2]
                if state != b"Z":
                    found.append((int(name), int(parent)))
    return found


def _processes_by_ps() -> list[tuple[int, int]]:
    with os.popen("ps -axo pid=,ppid=,stat=") as listing:  # noqa: S605 - no /proc (macOS): a fixed command
        rows = [line.split() for line in listing]
    return [(int(pid), int(parent)) for pid, parent, state in rows if not state.startswith("Z")]
