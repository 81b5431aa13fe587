"""What stands beside a log's bytes and index: what retention has left, and the names of steps. stdlib.

Small files, replaced as a whole. This file must not know what is in the log.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..folder import read_json, replace_file, write_json
from .layout import STEP_BITS


@dataclass(frozen=True, slots=True)
class Kept:
    """What retention has left: records from `first` on; `ends`: where, in each file, what went before them ended."""

    first: int = 1
    ends: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Kept:
        """As the folder says it."""
        try:
            value = read_json(folder / "kept")
        except FileNotFoundError:
            return cls()
        return cls(value["first"], value["ends"])

    def write(self, folder: Path) -> None:
        """Into the folder."""
        write_json(folder / "kept", {"first": self.first, "ends": dict(self.ends)})


class Steps:
    """The names of a log's steps; an index entry holds a number that counts from 1."""

    def __init__(self, folder: Path) -> None:
        self.names: list[str] = []
        with contextlib.suppress(FileNotFoundError):
            lines = (folder / "steps").read_text(encoding="utf-8", errors="replace").splitlines()
            self.names = [_name_in(line) for line in lines]

    def index(self, folder: Path, name: str) -> int:
        """The number of a step, new or not; 0 when there are more than a mark has bits for."""
        if name not in self.names:
            if len(self.names) >= STEP_BITS:
                return 0
            lines = [json.dumps(known) + "\n" for known in (*self.names, name)]
            replace_file(folder / "steps", "".join(lines).encode())
            self.names.append(name)
        return self.names.index(name) + 1


def _name_in(line: str) -> str:
    """A damaged name keeps its place, so that the others keep their numbers."""
    try:
        return str(json.loads(line))
    except ValueError:
        return line
