"""Import of the request log that earlier versions kept as JSON lines (`00000001.jsonl` ...). Server; runs once.

Imported files are renamed to `*.jsonl.imported`. They are deleted when the log is cleared, and at a start of the server
once they are older than rows are retained.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .row import Row, from_json

_IMPORTED = "*.jsonl.imported"


def read_journal(folder: Path) -> list[tuple[Row, dict[str, Any]]]:
    """Rows with their details, oldest first; the last line of a row counts. Lines that are incomplete are skipped."""
    found: dict[str, tuple[Row, dict[str, Any]]] = {}
    for path in sorted(folder.glob("*.jsonl")):
        for value in _lines(path):
            row, detail = from_json(value.get("row")), value.get("detail")
            if row is not None:
                known = found.get(row.id)
                found[row.id] = row, detail if isinstance(detail, dict) else (known[1] if known else {})
    return [found[row_id] for row_id in sorted(found)]


def mark_imported(folder: Path) -> None:
    """Rename the files, so that they are imported once. Raises OSError."""
    for path in folder.glob("*.jsonl"):
        path.replace(path.with_name(f"{path.name}.imported"))


def delete_imported(folder: Path, max_age_s: float = 0.0) -> None:
    """Delete the renamed files that are older than `max_age_s` seconds; one that cannot be deleted stays."""
    for path in folder.glob(_IMPORTED):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime <= time.time() - max_age_s:
                path.unlink()


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            with contextlib.suppress(ValueError, RecursionError):
                value = json.loads(line)
                if isinstance(value, dict):
                    yield value
