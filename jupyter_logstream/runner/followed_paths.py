"""The paths and globs that are followed: which files they name now, across rotation. Runner; stdlib.

A path whose file was renamed or replaced is opened anew and read from its beginning; the old file is read to its end
first, and on until it has been silent for OLD_FILE_S, since its writer can still have it open.
"""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

from ..model.follow import is_glob
from ..store.disk.open_below import NotFollowable, open_below
from .followed_file import FollowedFile, Position, start_offset

OLD_FILE_S = 60.0
"""A file that its path does not name any more is closed after this time without new bytes."""

MAX_FILES = 250
"""Files that are open at the same time; further matches of a glob wait."""

_MAX_LEFT = 1000  # files that were closed, whose positions are remembered
_SEARCH_INTERVAL_S = 0.5  # between searches of the globs
_SEARCH_SHARE = 20  # a search of a large tree is repeated after this many times its duration


class Target:
    """One path. `current`: its file; `old`: files that it named before; `problem`: why it has none, for people."""

    def __init__(self, path: str, name: str) -> None:
        self.path, self.name = path, name
        self.current: FollowedFile | None = None
        self.old: list[FollowedFile] = []
        self.problem = ""

    def files(self) -> list[FollowedFile]:
        """Its open files, oldest first."""
        return [*self.old, *([self.current] if self.current else [])]


class FollowedPaths:
    """The files of a checked `follow` field, with paths relative to the folder `cwd`.

    Bound: MAX_FILES open files.
    """

    def __init__(self, follow: Mapping[str, Any], cwd: str) -> None:
        self._follow, self._cwd = follow, cwd
        self._targets: dict[str, Target] = {}
        self._globs: list[str] = []
        self._left: dict[tuple[int, int], Position] = {}  # of files that were closed
        self._next_search = 0.0
        self._reports: list[str] = []
        self._is_first = True
        self._is_full = False
        for path in follow["paths"]:
            absolute = os.path.join(cwd, path)
            if is_glob(path) and not os.path.lexists(absolute):
                self._globs.append(path)
            else:
                self._targets[absolute] = Target(absolute, path)
        self.shows_names = len(follow["paths"]) > 1 or bool(self._globs)

    def __iter__(self) -> Iterator[Target]:
        return iter(list(self._targets.values()))

    def files(self) -> list[FollowedFile]:
        """All open files."""
        return [file for target in self for file in target.files()]

    def folders(self) -> set[str]:
        """The folders in which changes can matter, of links those of their targets, too."""
        paths = {target.path for target in self}
        found = {os.path.dirname(path) for path in paths | {os.path.realpath(path) for path in paths}}
        return found | {_fixed_part(os.path.join(self._cwd, pattern)) for pattern in self._globs}

    def reports(self) -> list[str]:
        """Irregularities of the paths since the last call, as sentences; each file has its own."""
        found, self._reports = self._reports, []
        return found

    def waiting_for(self) -> str:
        """Which paths have no file now and why, for people; "" if none."""
        absent = [target.name for target in self if target.problem == "absent"]
        absent += [pattern for pattern in self._globs if not self._targets] if not absent else []
        others = [f"{target.name} {target.problem}" for target in self if target.problem not in {"", "absent"}]
        return "; ".join([*([f"waiting for {', '.join(absent)}"] if absent else []), *others])

    def update(self) -> None:
        """Find out which files the paths name now."""
        now = time.monotonic()
        if self._globs and now >= self._next_search:
            self._search()
            took = time.monotonic() - now
            self._next_search = now + took + max(_SEARCH_INTERVAL_S, _SEARCH_SHARE * took)
        for target in self:
            self._update(target)
        self._is_first = False

    def expired(self) -> list[FollowedFile]:
        """Old files that have been silent for long, taken out; the caller reads their last line and closes them."""
        now, found = time.monotonic(), []
        for target in self:
            over = [file for file in target.old if now - file.changed >= OLD_FILE_S]
            target.old = [file for file in target.old if file not in over]
            found += over
            for file in over:
                self._remember(file)
            is_gone = target.current is None and not target.old and target.problem == "absent"
            if is_gone and target.name not in self._follow["paths"]:
                del self._targets[target.path]  # a match of a glob that is gone
        return found

    def _remember(self, file: FollowedFile) -> None:
        """Store the position of a file that a glob can find under another name; not if its inode is free for others."""
        if self._globs and os.fstat(file.fd).st_nlink:
            self._left[file.ident] = file.position
            if len(self._left) > _MAX_LEFT:
                del self._left[next(iter(self._left))]

    def _search(self) -> None:
        """Follow new matches of the globs."""
        prefix = glob.escape(self._cwd)
        for pattern in self._globs:
            for path in sorted(glob.iglob(os.path.join(prefix, pattern), recursive=True)):
                if path not in self._targets and not os.path.isdir(path):
                    self._add(path)

    def _add(self, path: str) -> None:
        if len(self._targets) >= MAX_FILES:
            if not self._is_full:
                self._reports.append(f"more than {MAX_FILES} files match: the others are not followed")
            self._is_full = True
            return
        name = os.path.relpath(path, self._cwd) if path.startswith(self._cwd.rstrip("/") + "/") else path
        try:
            ident = _ident(path)
        except OSError:
            return
        if all(file.ident != ident for file in self.files()):  # else a link to it, or it was renamed by a rotation
            self._targets[path] = Target(path, name)

    def _update(self, target: Target) -> None:
        try:
            ident = _ident(target.path)
            if target.current is not None and target.current.ident == ident:
                target.problem = ""
                return
            for file in target.old:
                if file.ident == ident:  # renamed back
                    target.old.remove(file)
                    self._retire(target)
                    target.current, target.problem = file, ""
                    return
            opened = self._open(target)
        except (FileNotFoundError, NotADirectoryError):
            self._retire(target)
            target.problem = "absent"
        except NotFollowable as problem:
            self._retire(target)
            target.problem = str(problem)
        except OSError as error:
            target.problem = f"cannot be opened: {os.strerror(error.errno or 0)}"
        else:
            self._retire(target)
            target.current, target.problem = opened, ""

    def _retire(self, target: Target) -> None:
        if target.current is not None:
            target.current.changed = time.monotonic()  # its time begins now
            target.old.append(target.current)
            target.current = None

    def _open(self, target: Target) -> FollowedFile:
        fd = open_below(target.path, self._follow["roots"])
        try:
            return self._begin(fd, target)
        except OSError:
            os.close(fd)
            raise

    def _begin(self, fd: int, target: Target) -> FollowedFile:
        """A file that was there at the start begins at its tail, a later one at its beginning.

        One that was followed before it got its new name goes on where it was left.
        """
        found = os.fstat(fd)
        left = self._left.pop((found.st_dev, found.st_ino), None)
        if left is not None and left.is_continued_by(fd):
            return FollowedFile(fd, target.name, left.offset)
        if not self._is_first or self._follow.get("from_start"):
            return FollowedFile(fd, target.name)
        offset = start_offset(fd, self._follow.get("tail"))
        if offset and "tail" not in self._follow:
            self._reports.append(
                f"{target.name} is large: it is followed from byte {offset} on; from_start=True reads all of it"
            )
        return FollowedFile(fd, target.name, offset)


def _ident(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _fixed_part(pattern: str) -> str:
    """The folder of a glob's first part with a wildcard."""
    folder = pattern
    while is_glob(folder):
        folder = os.path.dirname(folder)
    return folder if folder != pattern else os.path.dirname(folder)
