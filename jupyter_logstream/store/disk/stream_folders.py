"""Where the folders of streams are: in a store's own directory, and in those of stores that it has adopted. Server."""

from __future__ import annotations

import os
from pathlib import Path

from .files import is_folder


class StreamFolders:
    """Finds the folder of a stream: `folders / stream`. New ones are in `own`."""

    def __init__(self, own: Path) -> None:
        self.own = own
        self._adopted: list[Path] = []

    def __truediv__(self, stream: str) -> Path:
        for directory in self._adopted:
            if is_folder(directory / stream):
                return directory / stream
        return self.own / stream

    def names(self) -> list[str]:
        """The ids of all streams, oldest first."""
        return sorted(name for directory in (self.own, *self._adopted) for name in names_in(directory))

    def add(self, directory: Path) -> None:
        """Find streams in another directory, too."""
        self._adopted.append(directory)

    def remove(self, directory: Path) -> None:
        """Find no streams there any more."""
        self._adopted.remove(directory)


def names_in(directory: Path) -> list[str]:
    """The folders in a directory, without drafts. Links and files are no streams."""
    with os.scandir(directory) as entries:
        return sorted(e.name for e in entries if not e.name.startswith(".") and e.is_dir(follow_symlinks=False))
