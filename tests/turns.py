"""How tests share the machine when several processes run them (`-n`). A pytest plugin; it must not know any test.

Tests that share a server stay in one process. One that is marked `alone` runs while no other process runs any. The long
ones, those with a browser, begin, so that what is left at the end can be spread evenly.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.hookimpl(tryfirst=True)  # before xdist looks for groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests go to one process, and in which order they are handed out."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=lambda item: (not _alone(item), not item.get_closest_marker("browser")))


def _alone(item: pytest.Item | None) -> bool:
    return item is not None and item.get_closest_marker("alone") is not None


def _group(item: pytest.Item) -> str:
    """By file, and by server where a file's tests run against several."""
    if _alone(item):
        return "alone"
    params = getattr(getattr(item, "callspec", None), "params", {})
    return f"{item.nodeid.partition('::')[0]} {params.get('server', '')}"


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
