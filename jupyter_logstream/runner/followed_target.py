"""One followed path with its open files: the one that it names now, and those that it named before. Runner; stdlib."""

from __future__ import annotations

import time

from .followed_file import FollowedFile
from .followed_positions import Position


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

    def retire(self) -> None:
        """The path does not name its file any more: from now on it is silent or expires."""
        if self.current is not None:
            self.current.changed = time.monotonic()
            self.old.append(self.current)
            self.current = None

    def continued(self, fd: int, position: Position) -> FollowedFile:
        """An open file from a position on."""
        return FollowedFile(fd, self.path, self.name, position.base, position.done)
