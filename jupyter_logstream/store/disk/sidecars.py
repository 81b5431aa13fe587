"""What stands beside a log's bytes and index: what retention has left, steps' names, how much was masked. stdlib.

Small files, replaced as a whole. This file must not know what is in the log.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...model.steps import MAX_STEPS
from ..errors import BadIndex
from .folder import OPEN, read_file, read_json, replace_file, write_json


class BadKept(BadIndex):
    """What is said of retention cannot be read, so nobody knows which record is the first: the log is made anew."""

    def __str__(self) -> str:
        return f"what retention left of {self.args[0]} cannot be read"


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
            kept = cls(value["first"], value["ends"])
        except FileNotFoundError:
            return cls()
        except (ValueError, KeyError) as error:
            raise BadKept(folder.name) from error
        sound = isinstance(kept.first, int) and kept.first >= 1 and isinstance(kept.ends, dict)
        if not sound or not all(isinstance(end, int) and end >= 0 for end in kept.ends.values()):
            raise BadKept(folder.name)
        return kept

    def write(self, folder: Path) -> None:
        """Into the folder."""
        write_json(folder / "kept", {"first": self.first, "ends": dict(self.ends)})


class Steps:
    """The names of a log's steps; an index entry holds a number that counts from 1."""

    def __init__(self, folder: Path) -> None:
        self.names: list[str] = []
        with contextlib.suppress(FileNotFoundError):
            lines = _read(folder / "steps").decode(errors="replace").split("\n")
            self.names = [_name_in(line) for line in lines if line]
        self._numbers = {name: number for number, name in reversed(list(enumerate(self.names, 1)))}

    def index(self, folder: Path, name: str) -> int:
        """The number of a step, new or not; 0 when there are as many as there may be."""
        if name not in self._numbers:
            if len(self.names) >= MAX_STEPS:
                return 0
            lines = [json.dumps(known) + "\n" for known in (*self.names, name)]
            replace_file(folder / "steps", "".join(lines).encode())
            self.names.append(name)
            self._numbers[name] = len(self.names)
        return self._numbers[name]


def _read(path: Path) -> bytes:
    """What is no file (a folder, a link) says nothing."""
    try:
        return read_file(path)
    except ValueError:
        return b""


def _name_in(line: str) -> str:
    """A damaged name keeps its place, so that the others keep their numbers."""
    try:
        return str(json.loads(line))
    except ValueError:
        return line


def read_masked(folder: Path) -> int:
    """How many secrets were replaced in the log so far."""
    try:
        said = _read(folder / "masked")
    except FileNotFoundError:
        return 0
    return int(said) if said.strip().isdigit() else 0  # empty: the disk was full when it was made


def write_masked(folder: Path, count: int) -> None:
    """Say how many. Always the same number of digits, written in place: a reader sees the old or the new."""
    fd = os.open(folder / "masked", os.O_WRONLY | os.O_CREAT | OPEN, 0o600)
    try:
        os.pwrite(fd, b"%020d" % count, 0)
    finally:
        os.close(fd)
