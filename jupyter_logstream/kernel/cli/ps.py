"""Verb `ps`: list workloads as a table, as ids or as JSON lines. Command line."""

from __future__ import annotations

import shutil
import sys
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Any

from ...model.protocol import now_ms
from ...model.unprintable import printable
from ...text.cell_width import cell_width
from ...text.terminal import plain_text
from ...text.wording import duration, place_of, state_summary
from .json_lines import write_json

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping

ACTIVE = "queued,running"
HEADINGS = ("ID", "NAME", "STATE", "DURATION", "LINES", "ERRORS", "CREATED", "WHERE")
_NAME = HEADINGS.index("NAME")
_MAX_NAME_CHARS = 40
_MIN_NAME_CHARS = 8
_SEPARATOR = "  "


def main(given: argparse.Namespace) -> int:
    """Run the verb; see parser.py. Raises LogStreamError."""
    infos = given.catalogue.listed(None if given.all or given.last is not None else ACTIVE)
    chosen = infos if given.last is None else islice(infos, given.last)
    if given.json:
        write_json(chosen)
    elif given.quiet:
        sys.stdout.writelines(f"{info['id']}\n" for info in chosen)
    else:
        sys.stdout.writelines(f"{line}\n" for line in _table(chosen))
    return 0


def _table(infos: Iterable[Mapping[str, Any]]) -> list[str]:
    """Aligned columns; an empty last column is left out. On a terminal they fit into a row, by shorter names first."""
    rows = [HEADINGS, *(_row(info) for info in infos)]
    if not any(row[-1] for row in rows[1:]):
        rows = [row[:-1] for row in rows]
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    if columns is not None:
        missing = max(sum(widths) + len(_SEPARATOR) * (len(widths) - 1) - columns, 0)
        widths[_NAME] = max(widths[_NAME] - missing, min(widths[_NAME], _MIN_NAME_CHARS))
        rows = [(*row[:_NAME], _truncated(row[_NAME], widths[_NAME], "…"), *row[_NAME + 1 :]) for row in rows]
    lines = [
        _SEPARATOR.join(_padded(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return lines if columns is None else [_truncated(line, columns) for line in lines]


def _width(text: str) -> int:
    """The cells of a terminal that a text takes."""
    return len(text) if text.isascii() else sum(map(cell_width, text))


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _truncated(line: str, columns: int, mark: str = "") -> str:
    """The part of a line that fits into so many cells; `mark` ends one that was cut."""
    if _width(line) <= columns:
        return line
    ends = accumulate(map(cell_width, line))
    return line[: sum(1 for end in ends if end <= columns - _width(mark))] + mark


def _row(info: Mapping[str, Any]) -> tuple[str, ...]:
    levels, now = info.get("levels") or {}, now_ms()
    errors = levels.get("error", 0) + levels.get("fatal", 0)
    started = info.get("started")
    cells = (
        info["id"],
        _short(info.get("name") or info.get("call") or info.get("command") or ""),
        state_summary(info),
        duration((info.get("ended") or now) - started) if started else "",
        f"{info.get('lines', 0)}",
        f"{errors}" if errors else "",
        f"{duration(now - info['created'])} ago",
        place_of(info),
    )
    return tuple(printable(plain_text(str(cell))) for cell in cells)


def _short(text: object) -> str:
    """The first line of a name or command, truncated."""
    line = (text if isinstance(text, str) else " ".join(map(str, text))).strip().partition("\n")[0]  # type: ignore[call-overload]
    return line if len(line) <= _MAX_NAME_CHARS else f"{line[: _MAX_NAME_CHARS - 1]}…"
