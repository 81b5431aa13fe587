"""A workload as static text, HTML and JSON: what a notebook keeps, and shows where nothing can run. Runs in kernels.

Values in, strings out. It must not know where they come from. Everything is escaped: log text is never markup.
"""

from __future__ import annotations

import html
import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jupyter_logstream.records import Record

LINES = 50
"""The last lines of a finished workload that are kept in the notebook file ..."""

BYTES = 16_000
"""... and how large each form may get, all together less than 50 kB: notebooks go through version control."""

_MARKUP = 200  # bytes for the elements around the text

_COLOURS = re.compile(r"\x1b\[[0-9;:]*m")


def plain_text(message: str) -> str:
    """A message without its colours."""
    return _COLOURS.sub("", message)


def as_text(info: Mapping[str, Any], records: Sequence[Record]) -> str:
    """One line that says which workload and how it stands, then the lines, the last ones where they are too many."""
    title = _title(info)
    return "\n".join([title, *_last(records, BYTES - len(title.encode()))])


def as_html(info: Mapping[str, Any], records: Sequence[Record]) -> str:
    """The same as `<pre>` elements, escaped."""
    title = html.escape(_title(info))
    room = BYTES - _MARKUP - len(title.encode())
    lines = _last(records, room)
    body = html.escape("\n".join(lines))
    while len(body.encode()) > room:  # text that is all `&` grows sixfold
        lines = lines[len(lines) // 2 + 1 :]
        body = html.escape("\n".join(lines))
    return (
        f'<div class="jupyter-logstream"><pre><b>{title}</b></pre>' + (f"<pre>{body}</pre>" if body else "") + "</div>"
    )


def as_final(info: Mapping[str, Any], records: Sequence[Record]) -> dict[str, Any]:
    """How it ended and its last lines, as JSON: what the view in the page shows when the server's log is gone."""
    job = {field: _cut(info.get(field)) for field in _KEPT}
    lines = _last(records, BYTES - _size(job) - _MARKUP)
    while _size(lines) > BYTES - _size(job) - _MARKUP:  # text that is all control characters grows sixfold
        lines = lines[len(lines) // 2 + 1 :]
    return {"job": {**job, "command": _command(info)}, "lines": lines}


def list_as_text(infos: Sequence[Mapping[str, Any]]) -> str:
    """A line for each workload."""
    return _text_table(_HEADINGS, [_row(info) for info in infos], "No workloads.")


def list_as_html(infos: Sequence[Mapping[str, Any]]) -> str:
    """The same as a table, escaped."""
    return _html_table(_HEADINGS, [_row(info) for info in infos], "No workloads.")


def requests_as_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line for each row of the request log."""
    return _text_table(_REQUEST_HEADINGS, [_request(row) for row in rows], "No calls.")


def requests_as_html(rows: Sequence[Mapping[str, Any]]) -> str:
    """The same as a table, escaped."""
    return _html_table(_REQUEST_HEADINGS, [_request(row) for row in rows], "No calls.")


def _text_table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]], nothing: str) -> str:
    cells = [headings, *rows] if rows else [(nothing,)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return _fit(lines)


def _html_table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]], nothing: str) -> str:
    if not rows:
        return f"<pre>{nothing}</pre>"
    lines = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows]
    head = "".join(f"<th>{heading}</th>" for heading in headings)
    body = _fit([f"<tr>{line}</tr>" for line in lines])
    return f'<table class="jupyter-logstream"><tr>{head}</tr>\n{body}</table>'


_HEADINGS = ("state", "name", "lines", "errors", "duration", "id")
_REQUEST_HEADINGS = ("status", "service", "model or route", "tokens in", "out", "cost, $", "duration", "id")


def _row(info: Mapping[str, Any]) -> tuple[str, ...]:
    levels, started, ended = info.get("levels") or {}, info.get("started"), info.get("ended")
    errors = levels.get("error", 0) + levels.get("fatal", 0)
    duration = _duration((ended - started) / 1000) if started and ended else ""
    name = (info.get("name") or _command(info))[:80]
    return (info["state"], name, f"{info.get('lines', 0):,}", f"{errors:,}" if errors else "", duration, info["id"])


def _request(row: Mapping[str, Any]) -> tuple[str, ...]:
    what = row.get("model") or f"{row.get('method') or ''} {row.get('path') or ''}".strip()
    counts = ["" if row.get(name) is None else f"{row[name]:,}" for name in ("input_tokens", "output_tokens")]
    cost = "" if row.get("cost_usd") is None else f"{row['cost_usd']:.6g}"
    duration = "" if row.get("duration_ms") is None else _duration(row["duration_ms"] / 1000)
    service = row.get("provider") or row.get("upstream") or ""
    return (row["status"], service, what[:80], *counts, cost, duration, row["id"])


def _fit(lines: Sequence[str]) -> str:
    kept, room = [], BYTES - _MARKUP
    for line in lines:
        room -= len(line.encode()) + 1
        if room < 0:
            break
        kept.append(line)
    return "\n".join(kept)


_KEPT = ("id", "name", "state", "created", "started", "ended", "exit_code", "signal", "error", "lines", "levels")


def _cut(value: Any) -> Any:
    return value[:1000] if isinstance(value, str) else value


def _size(value: Any) -> int:
    return len(json.dumps(value))


def _command(info: Mapping[str, Any]) -> str:
    command = info["command"] or info.get("name") or ""  # published logs have no command
    return (command if isinstance(command, str) else " ".join(command))[:1000]


def _title(info: Mapping[str, Any]) -> str:
    parts = [info["state"]]
    if info.get("exit_code") is not None:
        parts.append(f"exit code {info['exit_code']}")
    if info.get("signal") is not None:
        parts.append(f"signal {info['signal']}")
    if info.get("error"):
        parts.append(info["error"])
    if info.get("started") and info.get("ended"):
        parts.append(_duration((info["ended"] - info["started"]) / 1000))
    if info.get("lines"):
        parts.append(f"{info['lines']:,} lines")
    levels = info.get("levels") or {}
    parts += [f"{levels[level]:,} {level}" for level in ("warn", "error", "fatal") if levels.get(level)]
    return f"{_command(info)} [{', '.join(parts)[:1000]}] {info['id']}"


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))


def _last(records: Sequence[Record], room: int) -> list[str]:
    lines: list[str] = []
    for record in reversed(records[-LINES:]):
        line = plain_text(record.message)
        room -= len(line.encode("utf-8", "replace")) + 1
        if room < 0:
            break
        lines.append(line)
    return lines[::-1]
