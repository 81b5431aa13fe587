"""Logs of numbered lines, to be damaged. Test support."""

from __future__ import annotations

import re
from pathlib import Path

from support.on_disk import served

from jupyter_logstream.store.disk.writer import LogWriter

SEGMENT, ENTRIES, WIDE = 1000, 32, 26


def lines(first: int, last: int) -> list[bytes]:
    return [b"line %06d of the output\n" % i for i in range(first, last)]  # WIDE bytes each


def numbered(found: list[str]) -> list[int]:
    return [int(m[1]) for text in found if (m := re.fullmatch(r"line (\d{6}) of the output", text))]


def system(root: Path) -> list[str]:
    return [r.message for r in served(root) if r.source == "system"]


def check_paths_again(log: LogWriter) -> None:
    """As half a second later."""
    for file in *log._files.values(), log._indexer.index:
        file._open._checked = float("-inf")
