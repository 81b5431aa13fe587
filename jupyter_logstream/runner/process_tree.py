"""Process tree: find the descendants of a process and signal all of them. Runner; stdlib.

On Linux the runner is a child subreaper (prctl(2)), so every descendant stays below it, also a daemon that forks twice
and creates its own session.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Sequence

_CLEANUP_TIMEOUT_S = 20.0
_PR_SET_CHILD_SUBREAPER, _PR_SET_PDEATHSIG = 36, 1


def adopt_orphans() -> None:
    """Become the parent of orphaned descendants (Linux). Elsewhere they are found by their process group only."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_with_parent(number: int) -> None:
    """Get a signal when the parent process ends (Linux)."""
    parent = os.getppid()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:  # it has ended meanwhile
        os.kill(os.getpid(), number)


def descendants(root: int) -> list[int]:
    """The pids below `root`, parents first; without zombies."""
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
    """Send a signal once to every process below `root`, and to a process group (where there is no /proc).

    For KILL the tree is stopped first, again and again until it no longer grows, so a fork bomb cannot outrun it.
    """
    pids = _stop(root) if number == signal.SIGKILL else descendants(root)
    if group is not None:
        pids = [pid for pid in pids if _group_of(pid) != group]
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
            os.killpg(group, signal.SIGCONT)  # a stopped process handles no signal but KILL
    _send(pids, number)
    _send(pids, signal.SIGCONT)


def run_cleanup(argv: Sequence[str]) -> None:
    """Run a program that ends what is outside of the tree (a container), at most _CLEANUP_TIMEOUT_S; none if empty."""
    if argv:
        with contextlib.suppress(OSError, subprocess.SubprocessError):  # the backend tries again
            subprocess.run(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                timeout=_CLEANUP_TIMEOUT_S, check=False,
            )  # fmt: skip


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
    """(pid, parent) of every live process."""
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


def wake_on_child_exit() -> int:
    """A descriptor that becomes readable when a child exits, until it is read."""
    read, write = os.pipe()
    for fd in read, write:
        os.set_blocking(fd, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    return read


def signal_name(number: int) -> str:
    """The name of a signal; its number if it has none."""
    return signal.Signals(number).name if number in set(signal.Signals) else str(number)
