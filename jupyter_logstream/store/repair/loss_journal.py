"""What mending a log is about to lose, said on disk until the log itself tells it. stdlib; runner and server.

Mending takes away what it has seen the loss by: it cuts the index, it fills holes. Whoever is killed in between leaves
the next one no trace. So the file `losses` is written before anything changes, and goes when the loss is a record of
the log. This file must not know how a log is mended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ..disk.folder import read_json, write_json

NAME = "losses"


class Losses:
    """The losses of the log in `folder`: also those that an earlier mending, which was killed, knew of.

    `known`: the last seq that the index told of; `holes`: where bytes are missing in the middle of each file.
    """

    def __init__(self, folder: Path, known: int, holes: Mapping[str, Iterable[tuple[int, int]]]) -> None:
        self._path = folder / NAME
        said = self._read()
        self._written = bool(said)
        self._known = max(known, said.get("known", 0))
        found = {(name, start, end) for name, those in holes.items() for start, end in those}
        self.holes = sorted(found | {(name, start, end) for name, start, end in said.get("holes", ())})
        self._costs: Counter[str] = Counter()
        self._texts: list[str] = list(said.get("texts", ()))
        self._at: int = said.get("at", 0)
        if found:
            self.keep()

    def costs(self, name: str, records: int) -> None:
        """So many records had bytes in a hole of a file."""
        self._costs[name] += records

    def keep(self) -> None:
        """Before anything goes: say what there was. OSError: nothing has changed yet."""
        if not self._written:
            self._write()

    def keep_behind(self, seq: int) -> None:
        """Before the index is cut to a seq: say what there was, if it told of more."""
        if self._known > seq:
            self.keep()

    def mended(self, lines: int, notes: int) -> None:
        """The log is whole again, up to the seq `lines`: what there is to tell. `notes`: how many bytes of them."""
        if notes > self._at:  # the first one was told, and then somebody was killed
            del self._texts[:1]
        for name in dict.fromkeys(name for name, _, _ in self.holes):
            size = sum(end - start for file, start, end in self.holes if file == name)
            told = f"{size} bytes of {name} were lost, of {self._costs[name]} records; zeros stand in their place"
            self._texts.append(told)
        if self._known > lines:
            self._texts.append(f"{self._known - lines} records were lost: their bytes are not there any more")
        self._known, self.holes = 0, []

    def tell(self, notes: Callable[[], int], publish: Callable[[str], object]) -> None:
        """Publish each loss, once. OSError: the rest is told by who calls this again, or who mends next."""
        while self._texts:
            self._at = notes()
            self._write()
            publish(self._texts[0])
            del self._texts[0]
        if self._written:
            self._path.unlink()

    def _read(self) -> dict[str, Any]:
        """As it was written; {} where nothing was, or nothing that can be read."""
        try:
            said = read_json(self._path)
        except (FileNotFoundError, ValueError):
            return {}
        return said if _is_sound(said) else {}

    def _write(self) -> None:
        write_json(self._path, {"known": self._known, "holes": self.holes, "texts": self._texts, "at": self._at})
        self._written = True


def _is_sound(said: Mapping[str, Any]) -> bool:
    kinds = {"known": int, "at": int, "holes": list, "texts": list}
    if not all(isinstance(said.get(name), kind) for name, kind in kinds.items()):
        return False
    holes = all(isinstance(hole, list) and list(map(type, hole)) == [str, int, int] for hole in said["holes"])
    return holes and all(isinstance(text, str) for text in said["texts"])
