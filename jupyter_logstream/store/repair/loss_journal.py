"""Write-ahead journal of data loss. Runner and server; stdlib.

Repair destroys the evidence of a loss (it truncates the index and fills holes). So the loss is written to the file
`losses` before the repair changes anything, and the file is removed once the log reports the loss in a record.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...model.records import Record
from ..disk.files import read_json, write_json

NAME = "losses"
_MAX_RANGES = 10


class LossJournal:
    """Losses of the log in `folder`, including those that an earlier, killed repair recorded.

    `known`: the last seq that the index has; `holes`: the missing byte ranges in the middle of each file.
    Bound: of each file's damaged records the first _MAX_RANGES ranges are named.
    """

    def __init__(self, folder: Path, known: int, holes: Mapping[str, Iterable[tuple[int, int]]]) -> None:
        self._path = folder / NAME
        earlier = self._read()
        self._written = bool(earlier)
        self._known = max(known, earlier.get("known", 0))
        found = {(name, start, end) for name, ranges in holes.items() for start, end in ranges}
        self.holes = sorted(found | {(name, start, end) for name, start, end in earlier.get("holes", ())})
        self._damaged: dict[str, list[Any]] = dict(earlier.get("damaged", {}))
        self._records: Counter[str] = Counter()
        self._texts: list[str] = list(earlier.get("texts", ()))
        self._notes_size: int = earlier.get("at", 0)
        if found:
            self.record()

    def add_records(self, name: str, count: int) -> None:
        """Count records of a file that had bytes in a hole."""
        self._records[name] += count

    def add_damage(self, damaged: Mapping[str, Sequence[tuple[int, int, int]]]) -> None:
        """Write down damaged records: first and last seq and number of each range. OSError: nothing has changed yet.

        A file that is in the journal already was damaged before a repair that was killed, which found all of it.
        """
        new = {name: ranges for name, ranges in damaged.items() if ranges and name not in self._damaged}
        for name, ranges in new.items():
            self._damaged[name] = [sum(n for _, _, n in ranges), len(ranges), [r[:2] for r in ranges[:_MAX_RANGES]]]
        if new:
            self._write()

    def record(self) -> None:
        """Write the journal before the repair changes anything. OSError: nothing has changed yet."""
        if not self._written:
            self._write()

    def record_if_behind(self, seq: int) -> None:
        """Write the journal before the index is truncated to `seq`, if the index has more entries."""
        if self._known > seq:
            self.record()

    def complete(self, lines: int, notes_size: int) -> None:
        """The repair is done: the log has `lines` records and `notes_size` bytes of notes. Prepares the reports."""
        if notes_size > self._notes_size:  # the first report was published before the process was killed
            del self._texts[:1]
        for name in dict.fromkeys(name for name, _, _ in self.holes):
            size = sum(end - start for file, start, end in self.holes if file == name)
            count = self._records[name]
            self._texts.append(f"{size} bytes of {name} were lost, of {count} records; zeros stand in their place")
        for name, (count, number, ranges) in self._damaged.items():
            self._texts.append(_damage_text(name, count, number, ranges))
        if self._known > lines:
            self._texts.append(f"{self._known - lines} records were lost: their bytes are not there any more")
        self._known, self.holes, self._damaged = 0, [], {}

    def publish(self, notes_size: Callable[[], int], publish: Callable[[Record], object]) -> None:
        """Publish each report once and remove the journal. OSError: a later call, or the next repair, does the rest."""
        while self._texts:
            self._notes_size = notes_size()
            self._write()
            publish(system_record(self._texts[0]))
            del self._texts[0]
        if self._written:
            self._path.unlink()

    def _read(self) -> dict[str, Any]:
        """The stored journal; {} if there is none or it is damaged."""
        try:
            value = read_json(self._path)
        except (FileNotFoundError, ValueError):
            return {}
        return value if _is_valid(value) else {}

    def _write(self) -> None:
        value = {
            "known": self._known, "holes": self.holes, "damaged": self._damaged, "texts": self._texts,
            "at": self._notes_size,
        }  # fmt: skip
        write_json(self._path, value)
        self._written = True


def system_record(text: str, level: str = "error") -> Record:
    """A record of the source `system` with the current time."""
    return Record(0, time.time_ns() // 1000 / 1000, level, text, source="system")


def _damage_text(name: str, count: int, number: int, ranges: Sequence[Sequence[int]]) -> str:
    places = ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in ranges)
    more = f" and {number - len(ranges)} more ranges" if number > len(ranges) else ""
    return f"{count} records of {name} ({places}{more}) were lost: their bytes were changed"


def _is_valid(value: Mapping[str, Any]) -> bool:
    kinds = {"known": int, "at": int, "holes": list, "texts": list}
    if not all(isinstance(value.get(name), kind) for name, kind in kinds.items()):
        return False
    holes = all(isinstance(hole, list) and list(map(type, hole)) == [str, int, int] for hole in value["holes"])
    return holes and all(isinstance(text, str) for text in value["texts"]) and _is_damage(value.get("damaged", {}))


def _is_damage(value: Any) -> bool:
    """Whether it is, for each file, the number of records, the number of ranges, and the first ranges."""
    if not isinstance(value, dict):
        return False
    for item in value.values():
        if not isinstance(item, list) or list(map(type, item)) != [int, int, list]:
            return False
        if not all(isinstance(place, list) and list(map(type, place)) == [int, int] for place in item[2]):
            return False
    return True
