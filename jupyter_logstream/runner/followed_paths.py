"""The paths and globs that are followed: which files they name now, across rotation. Runner; stdlib.

A path whose file was renamed or replaced is opened anew and read from its beginning; the old file is read to its end
first, and on until it has been silent for OLD_FILE_S, since its writer can still have it open.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..model.follow import is_glob
from ..store.disk.open_below import NotFollowable, open_below
from .followed_file import FollowedFile, start_offset
from .followed_globs import FollowedGlobs
from .followed_positions import Position
from .followed_siblings import find_moved, find_skipped
from .followed_target import Target

OLD_FILE_S = 60.0
"""A file that its path does not name any more is closed after this time without new bytes."""

MAX_FILES = 250
"""Files that are open at the same time; further matches of a glob wait."""

_MAX_LEFT = 1000  # files that were closed, whose positions are remembered


class FollowedPaths:
    """The files of a checked `follow` field, with paths relative to the folder `cwd`.

    `restored`: where an earlier runner was in its files; None: there was none. Bound: MAX_FILES open files.
    """

    def __init__(self, follow: Mapping[str, Any], cwd: str, restored: Sequence[Position] | None = None) -> None:
        self._follow, self._cwd = follow, cwd
        self._targets: dict[str, Target] = {}
        self._globs = FollowedGlobs(cwd)
        self._left = {(one.device, one.inode): one for one in restored or ()}  # of files that are not open now
        self._reports: list[str] = []
        self._is_first, self._is_restoring = restored is None, restored is not None
        self._is_full = False
        for path in follow["paths"]:
            absolute = os.path.join(cwd, path)
            if is_glob(path) and not os.path.lexists(absolute):
                self._globs.patterns.append(path)
            else:
                self._targets[absolute] = Target(absolute, path)
        self.shows_names = len(follow["paths"]) > 1 or bool(self._globs.patterns)

    def __iter__(self) -> Iterator[Target]:
        return iter(list(self._targets.values()))

    def files(self) -> list[FollowedFile]:
        """All open files."""
        return [file for target in self for file in target.files()]

    def folders(self) -> set[str]:
        """The folders in which changes can matter, of links those of their targets, too."""
        paths = {target.path for target in self}
        found = {os.path.dirname(path) for path in paths | {os.path.realpath(path) for path in paths}}
        return found | self._globs.folders()

    def reports(self) -> list[str]:
        """Irregularities of the paths since the last call, as sentences; each file has its own."""
        found, self._reports = self._reports, []
        return found

    def waiting_for(self) -> str:
        """Which paths have no file now and why, for people; "" if none."""
        absent = [target.name for target in self if target.problem == "absent"]
        absent += [pattern for pattern in self._globs.patterns if not self._targets] if not absent else []
        others = [f"{target.name} {target.problem}" for target in self if target.problem not in {"", "absent"}]
        return "; ".join([*([f"waiting for {', '.join(absent)}"] if absent else []), *others])

    def update(self) -> None:
        """Find out which files the paths name now."""
        if self._is_restoring:
            self._restore()
        for target in self:
            self._update(target)
        self._add([path for path in self._globs.search() if path not in self._targets])
        self._is_first = self._is_restoring = False

    def positions(self) -> list[Position]:
        """Where the files are, the closed ones included."""
        return [*self._left.values(), *(file.position for file in self.files())]

    def expired(self) -> Iterator[FollowedFile]:
        """Take out old files that have been silent for long; the caller reads their last line and closes them."""
        now = time.monotonic()
        for target in self:
            over = [file for file in target.old if now - file.changed >= OLD_FILE_S]
            target.old = [file for file in target.old if file not in over]
            for file in over:
                is_removed = os.fstat(file.fd).st_nlink == 0  # its inode will be used again
                yield file
                if self._globs.patterns and not is_removed:
                    self._remember(file.position)
            is_gone = target.current is None and not target.old and target.problem == "absent"
            if is_gone and target.name not in self._follow["paths"]:
                del self._targets[target.path]  # a match of a glob that is gone

    def _remember(self, position: Position) -> None:
        """Keep the position of a file that was closed: a glob can find it under another name."""
        self._left[position.device, position.inode] = position._replace(is_open=False)
        if len(self._left) > _MAX_LEFT:
            del self._left[next(iter(self._left))]

    def _add(self, paths: Sequence[str]) -> None:
        """Follow these matches, each file once: others are links to it, or it was renamed by a rotation."""
        known = {file.ident for file in self.files()} if paths else set()
        for path in paths:
            try:
                ident = _ident(path)
            except OSError:
                continue
            if ident in known:
                continue
            if len(self._targets) >= MAX_FILES:
                self._report_full()
                return
            name = os.path.relpath(path, self._cwd) if path.startswith(self._cwd.rstrip("/") + "/") else path
            self._targets[path] = Target(path, name)
            self._update(self._targets[path])
            known.add(ident)

    def _report_full(self) -> None:
        if not self._is_full:
            self._reports.append(f"more than {MAX_FILES} files match: the others are not followed")
        self._is_full = True

    def _update(self, target: Target) -> None:
        try:
            ident = _ident(target.path)
            if target.current is not None and target.current.ident == ident:
                target.problem = ""
                return
            for file in target.old:
                if file.ident == ident:  # renamed back
                    target.old.remove(file)
                    target.retire()
                    target.current, target.problem = file, ""
                    return
            opened = self._open(target)
        except (FileNotFoundError, NotADirectoryError):
            target.retire()
            target.problem = "absent"
        except NotFollowable as problem:
            target.retire()
            target.problem = str(problem)
        except OSError as error:
            target.problem = f"cannot be opened: {os.strerror(error.errno or 0)}"
        else:
            target.retire()
            target.current, target.problem = opened, ""
            self._report_skipped(target)

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
        left = self._take_left(fd)
        if left is not None and left.is_continued_by(fd):
            return target.continued(fd, left)
        if left is not None and left.is_open:
            self._reports.append(
                f"{target.name} was truncated or replaced after {left.offset} bytes of it were read, while nothing "
                "followed it: it is read from its beginning; lines in between may be missing"
            )
        if not self._is_first or self._follow.get("from_start"):
            return FollowedFile(fd, target.path, target.name)
        offset = start_offset(fd, self._follow.get("tail"))
        if offset and "tail" not in self._follow:
            self._reports.append(
                f"{target.name} is large: it is followed from byte {offset} on; from_start=True reads all of it"
            )
        return FollowedFile(fd, target.path, target.name, offset)

    def _take_left(self, fd: int) -> Position | None:
        """The position in a file that was open before; after a restart of the machine its device can have changed."""
        found = os.fstat(fd)
        ident = found.st_dev, found.st_ino
        if ident not in self._left and self._is_restoring:
            ident = next((known for known in self._left if known[1] == found.st_ino), ident)
        return self._left.pop(ident, None)

    def _restore(self) -> None:
        """Take over the open files of an earlier runner. Of those that were renamed since, the rest is read first."""
        for position in [one for one in self._left.values() if one.is_open]:
            target = self._targets.setdefault(position.path, Target(position.path, position.name))
            with contextlib.suppress(OSError):
                if os.stat(target.path).st_ino == position.inode:
                    continue  # it is opened by its path
            del self._left[position.device, position.inode]
            fd = find_moved(position, self._follow["roots"])
            if fd is not None:
                target.old.append(target.continued(fd, position))
            else:
                self._reports.append(
                    f"the file {target.name} of which {position.offset} bytes were read is gone: "
                    "lines that were written to it after that may be missing"
                )

    def _report_skipped(self, target: Target) -> None:
        """Report files that the path named only between two checks: nothing of them was read."""
        if not target.old or target.current is None or os.path.islink(target.path):
            return
        since = os.fstat(target.old[-1].fd).st_mtime_ns
        skipped = find_skipped(target.path, since, {file.ident for file in self.files()})
        skipped = [path for path in skipped if not self._globs.matches(path)]
        if skipped:
            names = ", ".join(map(os.path.basename, skipped))
            self._reports.append(f"{target.name} was rotated more than once between two checks: {names} was not read")


def _ident(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino
