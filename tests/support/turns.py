"""Distribution of tests over processes (pytest-xdist), and exclusive runs for tests marked `alone`. A pytest plugin.

- Tests that share a server run in the same process: `scope_of` names the group of a test by its file and server.
- A test marked `alone` measures the machine. It holds an exclusive lock while all others hold a shared one (`Turns`).
- Tests with a browser run last, the longest groups first, so that no process waits for a long group at the end.
"""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from collections.abc import Generator


SERVERS = {"lab", "notebook", "both", "labextension", "anywidget"}
"""Parameter ids that name a server of a browser test."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests with a browser last (playwright leaves an event loop running in the process), longest group first.

    The length of a group is estimated by its time limits, then by its number of tests.
    """
    scopes: dict[str, list[pytest.Item]] = {}
    for item in items:
        scopes.setdefault(scope_of(item.nodeid), []).append(item)

    def position(item: pytest.Item) -> tuple[float, ...]:
        if item.get_closest_marker("browser") is None:
            return (0,)
        scope = scopes[scope_of(item.nodeid)]
        return (1, -max(_time_limit_s(other) for other in scope), -len(scope))

    items.sort(key=position)


def _time_limit_s(item: pytest.Item) -> float:
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0]) if marker is not None else 0.0


def scope_of(nodeid: str) -> str:
    """The group of a test: its file and the servers in its parameter ids. (The scheduler knows node ids only.)"""
    file, _, test = nodeid.partition("::")
    return " ".join([file, *sorted(SERVERS & set(re.split(r"[\[\]-]", test)))])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling | None:
    """Distribute by `scope_of` where `--dist loadscope` is given."""
    return ByServer(config, log) if config.getoption("dist") == "loadscope" else None


class ByServer(LoadScopeScheduling):
    """Scheduling by `scope_of`, in collection order.

    `--dist loadgroup` would fit but does not work: pytest 9.2 with xdist 3.8 ignores the groups.
    """

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)


def _is_alone(item: pytest.Item | None) -> bool:
    return item is not None and item.get_closest_marker("alone") is not None


@pytest.hookimpl(wrapper=True, tryfirst=True)  # around the time limit: waiting for the lock does not count
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """Run a test while the other processes run theirs, or while they wait."""
    if not hasattr(item.config, "workerinput"):
        return (yield)
    if _TURNS not in item.config.stash:
        item.config.stash[_TURNS] = Turns(Path(item.config.option.basetemp).parent)
    turns = item.config.stash[_TURNS]
    turns.acquire(alone=_is_alone(item))
    try:
        return (yield)
    finally:
        if not (_is_alone(item) and _is_alone(nextitem)):  # consecutive `alone` tests keep the lock
            turns.release()


class Turns:
    """A readers-writer lock between the processes of a test run, made of two files in their common folder.

    `room` is held shared by ordinary tests, exclusively by an `alone` test. `door` is held while acquiring `room`, so
    that no new ordinary test can start while an `alone` test waits for those that are running.
    """

    def __init__(self, folder: Path) -> None:
        self._door, self._room = (os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o600) for name in ("door", "room"))
        self._held = False

    def acquire(self, *, alone: bool) -> None:
        """Block until the test may run; returns at once if the lock is still held from the test before."""
        if self._held:
            return
        fcntl.flock(self._door, fcntl.LOCK_EX)
        fcntl.flock(self._room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(self._door, fcntl.LOCK_UN)
        self._held = True

    def release(self) -> None:
        """Let other tests run."""
        fcntl.flock(self._room, fcntl.LOCK_UN)
        self._held = False


_TURNS = pytest.StashKey[Turns]()
