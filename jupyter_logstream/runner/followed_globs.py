"""The globs among the followed paths: periodic search, own names before links. Runner; stdlib."""

from __future__ import annotations

import glob
import os
import time
from fnmatch import fnmatch

from ..model.follow import is_glob

_SEARCH_INTERVAL_S = 0.5
_SEARCH_SHARE = 20  # a search of a large tree is repeated after this many times its duration


class FollowedGlobs:
    """Patterns relative to a folder."""

    def __init__(self, cwd: str) -> None:
        self._cwd = cwd
        self.patterns: list[str] = []
        self._next_search = 0.0

    def search(self) -> list[str]:
        """The paths that match now, in the order in which they are to be followed; [] while no search is due.

        A file's own name comes before links to it, and before ways to it through a loop of folders.
        """
        begin = time.monotonic()
        if not self.patterns or begin < self._next_search:
            return []
        found: set[str] = set()
        for pattern in self._absolute():
            found.update(path for path in glob.iglob(pattern, recursive=True) if not os.path.isdir(path))
        took = time.monotonic() - begin
        self._next_search = begin + took + max(_SEARCH_INTERVAL_S, _SEARCH_SHARE * took)
        return sorted(found, key=lambda path: (os.path.islink(path), path.count("/"), path))

    def matches(self, path: str) -> bool:
        """Whether a search can find a path."""
        return any(fnmatch(path, pattern) for pattern in self._absolute())

    def folders(self) -> set[str]:
        """The folders before the first wildcard."""
        return {_fixed_part(os.path.join(self._cwd, pattern)) for pattern in self.patterns}

    def _absolute(self) -> list[str]:
        return [os.path.join(glob.escape(self._cwd), pattern) for pattern in self.patterns]


def _fixed_part(pattern: str) -> str:
    """The folder of a glob's first part with a wildcard."""
    folder = pattern
    while is_glob(folder):
        folder = os.path.dirname(folder)
    return folder if folder != pattern else os.path.dirname(folder)
