"""How tests share the machine when several processes run them (`-n`). A pytest plugin; it must not know any test.

Tests that share a server stay in one process. One that is marked `alone` runs while no other process runs any.
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
"""What the servers are called for which a test of the browser runs again."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those with a browser come last: it leaves an event loop running, which others would not bear.

    Of these, what takes long is handed out first (by the time limits that tests have, then by how many they are): a
    process that has nothing left to do waits only for something short.
    """
    scopes: dict[str, list[pytest.Item]] = {}
    for item in items:
        scopes.setdefault(scope_of(item.nodeid), []).append(item)

    def turn(item: pytest.Item) -> tuple[float, ...]:
        if item.get_closest_marker("browser") is None:
            return (0,)
        scope = scopes[scope_of(item.nodeid)]
        return (1, -max(_limit(other) for other in scope), -len(scope))

    items.sort(key=turn)


def _limit(item: pytest.Item) -> float:
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0]) if marker is not None else 0.0


def scope_of(nodeid: str) -> str:
    """Which tests go to one process is read off their names: more is not known where they are handed out."""
    file, _, test = nodeid.partition("::")
    return " ".join([file, *sorted(SERVERS & set(re.split(r"[\[\]-]", test)))])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling | None:
    """Hand tests out by file and server; only for `--dist loadscope`."""
    return ByServer(config, log) if config.getoption("dist") == "loadscope" else None


class ByServer(LoadScopeScheduling):
    """By `scope_of`, in the order in which tests were collected.

    Not `--dist loadgroup`: in pytest 9.2 and xdist 3.8, tests with a group are handed out as if they had none.
    """

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)


def _alone(item: pytest.Item | None) -> bool:
    return item is not None and item.get_closest_marker("alone") is not None


@pytest.hookimpl(wrapper=True, tryfirst=True)  # around the time limit: waiting for one's turn does not count
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """Run a test while the others may run theirs, or while they wait."""
    if not hasattr(item.config, "workerinput"):
        return (yield)
    if _TURNS not in item.config.stash:
        item.config.stash[_TURNS] = Turns(Path(item.config.option.basetemp).parent)
    turns = item.config.stash[_TURNS]
    turns.take(alone=_alone(item))
    try:
        return (yield)
    finally:
        if not (_alone(item) and _alone(nextitem)):  # to wait for the others again between two would cost as much
            turns.give_back()


class Turns:
    """Locks of files in a folder that all processes of a run know: many at a time, or one alone.

    The door is held while one waits for the room: so who wants to be alone waits only for those who are in.
    """

    def __init__(self, folder: Path) -> None:
        self._door, self._room = (os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o600) for name in ("door", "room"))
        self._taken = False

    def take(self, *, alone: bool) -> None:
        """Wait for one's turn; nothing to wait for where it was not given back."""
        if self._taken:
            return
        fcntl.flock(self._door, fcntl.LOCK_EX)
        fcntl.flock(self._room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(self._door, fcntl.LOCK_UN)
        self._taken = True

    def give_back(self) -> None:
        """Let the others in."""
        fcntl.flock(self._room, fcntl.LOCK_UN)
        self._taken = False


_TURNS = pytest.StashKey[Turns]()
