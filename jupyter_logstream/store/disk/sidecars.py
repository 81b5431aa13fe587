"""Sidecar files of a log: the retained range, the step names, the number of masked secrets. Runner and server; stdlib.

Small files, replaced atomically.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...model.slots import SLOTS
from ...model.steps import MAX_STEPS
from ..errors import BadIndex
from .files import open_own, read_file, read_json, replace_file, write_json


class BadRetention(BadIndex):
    """The file `kept` is damaged, so the first retained record is unknown."""

    def __str__(self) -> str:
        return f"the retained range of {self.args[0]} cannot be read"


@dataclass(frozen=True, **SLOTS)
class RetainedRange:
    """Retained records: from seq `first` on. `ends`: where the removed records ended in each file."""

    first: int = 1
    ends: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> RetainedRange:
        """Read it from a log's folder; absent: everything is retained. Raises BadRetention."""
        try:
            value = read_json(folder / "kept")
            retained = cls(value["first"], value["ends"])
        except FileNotFoundError:
            return cls()
        except (ValueError, KeyError) as error:
            raise BadRetention(folder.name) from error
        sound = isinstance(retained.first, int) and retained.first >= 1 and isinstance(retained.ends, dict)
        if not sound or not all(isinstance(end, int) and end >= 0 for end in retained.ends.values()):
            raise BadRetention(folder.name)
        return retained

    def write(self, folder: Path) -> None:
        """Store it in a log's folder. OSError."""
        write_json(folder / "kept", {"first": self.first, "ends": dict(self.ends)})


class Steps:
    """Names of a log's steps; index entries refer to them by number, from 1."""

    def __init__(self, folder: Path) -> None:
        self.names: list[str] = []
        with contextlib.suppress(FileNotFoundError):
            lines = _read(folder / "steps").decode(errors="replace").split("\n")
            self.names = [_name_in(line) for line in lines if line]
        self._numbers = {name: number for number, name in reversed(list(enumerate(self.names, 1)))}

    def number(self, folder: Path, name: str) -> int:
        """The number of a step, which is stored if it is new; 0 beyond the maximum number of steps. OSError."""
        if name not in self._numbers:
            if len(self.names) >= MAX_STEPS:
                return 0
            lines = [json.dumps(known) + "\n" for known in (*self.names, name)]
            replace_file(folder / "steps", "".join(lines).encode())
            self.names.append(name)
            self._numbers[name] = len(self.names)
        return self._numbers[name]


def _read(path: Path) -> bytes:
    """The content of a file; empty if the path is a directory or a link."""
    try:
        return read_file(path)
    except ValueError:
        return b""


def _name_in(line: str) -> str:
    """A name; a damaged one keeps its place, so that the others keep their numbers."""
    try:
        return str(json.loads(line))
    except ValueError:
        return line


def read_masked(folder: Path) -> int:
    """Number of secrets replaced in the log so far."""
    try:
        digits = _read(folder / "masked")
    except FileNotFoundError:
        return 0
    return int(digits) if digits.strip().isdigit() else 0  # empty: the disk was full when it was created


def write_masked(folder: Path, count: int) -> None:
    """Store the number in place, always with 20 digits, so that a reader sees the old or the new one. OSError."""
    fd = open_own(folder / "masked", os.O_WRONLY)
    try:
        os.pwrite(fd, b"%020d" % count, 0)
    finally:
        os.close(fd)
