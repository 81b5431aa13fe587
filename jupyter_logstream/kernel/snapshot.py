"""Static form of workloads and tables as text, HTML and JSON, as a notebook saves it. Runs in kernels; no I/O.

Values in, strings out. Log text is always escaped: see text/terminal.py. The HTML is readable without styles, scripts
and ids, since notebook viewers remove them.
"""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any

from ..text.ansi_html import as_html as line_as_html
from ..text.terminal import plain_text
from ..text.wording import duration, ending, place_of, result_text, state_label, state_summary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..model.records import Record
    from ..text.first_error import FirstError

LINES = 50
"""Number of last lines of a finished workload that are saved in the notebook ..."""

MAX_FORM_BYTES = 16_000
"""... and size limit of each form, together under 50 kB since notebooks are versioned; earlier lines are left out."""

MAX_LINE_CHARS = 2000
"""Longer lines are truncated."""

MARKUP_BYTES = 1000  # reserved for the elements around the text
_SIGNS = {"succeeded": "✓", "failed": "✕", "timed_out": "✕", "cancelled": "⊘", "lost": "?"}


def as_text(info: Mapping[str, Any], records: Sequence[Record], error: FirstError | None = None) -> str:
    """A line with command, state and id, the first error, then as many of the last lines as fit."""
    head = [f"{_command(info)} [{', '.join([state_summary(info), *_facts(info)])}] {info['id']}"]
    if error is not None:
        head.append(f"First error ({_where(error)}): {error.title}")
    head = [plain_text(line) for line in head]  # another server's state can hold control sequences
    return "\n".join([*head, *_last(records, MAX_FORM_BYTES - sum(map(_json_bytes, head)), plain_text)])


def as_html(info: Mapping[str, Any], records: Sequence[Record], error: FirstError | None = None) -> str:
    """The same as escaped HTML, the lines in colour."""
    label = f"{_SIGNS.get(info['state'], '')} {state_label(info['state'])}".strip()
    title = f"<b>{_escaped(label)}</b> <code>{_escaped(_command(info))}</code>"
    facts = [*filter(None, [ending(info), str(info.get("reason") or "")]), *_facts(info)]
    head = [f"<div>{' · '.join([title, *map(_escaped, facts)])}</div>"]
    if error is not None:
        head.append(f"<div><b>First error</b> ({_where(error)}): <code>{_escaped(error.title)}</code></div>")
    lines = _last(records, MAX_FORM_BYTES - MARKUP_BYTES - sum(map(_json_bytes, head)), line_as_html)
    foot = f"<div><small>{_range_note(info, len(lines))}workload {_escaped(str(info['id']))}</small></div>"
    body = "\n".join(lines)
    # Separate blocks: inside Markdown, a blank line of the log would end an enclosing element.
    return "\n\n".join([*head, *([f"<pre>{body}</pre>"] if body else []), foot])


def as_final(info: Mapping[str, Any], records: Sequence[Record], error: FirstError | None = None) -> dict[str, Any]:
    """Final state and last lines as JSON; the view in the page shows it when the server no longer has the log."""
    job = {**{field: _truncate(info.get(field)) for field in _SAVED}, "command": _command(info)}
    job |= {name: info[name] for name in ("call", "result") if info.get(name) is not None}
    if place_of(info):
        job |= {name: info.get(name) for name in ("backend", "node")}
    saved: dict[str, Any] = {"job": job}
    if error is not None:
        saved["first_error"] = error.to_json()
    saved["lines"] = _last(records, MAX_FORM_BYTES - MARKUP_BYTES - _json_bytes(json.dumps(saved)), plain_text)
    return saved


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


def _escaped(text: str) -> str:
    """A text of others as HTML: without control sequences, with stand-ins for unprintable characters."""
    return html.escape(plain_text(text))


def _text_table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]], nothing: str) -> str:
    shown = [tuple(plain_text(str(cell)) for cell in row) for row in rows]
    cells = [headings, *shown] if rows else [(nothing,)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return _fit(lines)


def _html_table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]], nothing: str) -> str:
    if not rows:
        return f"<pre>{nothing}</pre>"
    lines = ["".join(f"<td>{_escaped(str(cell))}</td>" for cell in row) for row in rows]
    head = "".join(f"<th>{heading}</th>" for heading in headings)
    body = _fit([f"<tr>{line}</tr>" for line in lines])
    return f'<table class="jupyter-logstream"><tr>{head}</tr>\n{body}</table>'


_HEADINGS = ("state", "name", "lines", "errors", "duration", "id")
_REQUEST_HEADINGS = ("status", "service", "model or route", "tokens in", "out", "cost, $", "duration", "id")


def _row(info: Mapping[str, Any]) -> tuple[str, ...]:
    levels, started, ended = info.get("levels") or {}, info.get("started"), info.get("ended")
    errors = levels.get("error", 0) + levels.get("fatal", 0)
    took = duration(ended - started) if started and ended else ""
    name = plain_text((info.get("name") or _command(info))[:80])
    counts = (f"{info.get('lines', 0):,}", f"{errors:,}" if errors else "")
    return (state_label(info["state"]), name, *counts, took, info["id"])


def _request(row: Mapping[str, Any]) -> tuple[str, ...]:
    what = row.get("model") or f"{row.get('method') or ''} {row.get('path') or ''}".strip()
    counts = ["" if row.get(name) is None else f"{row[name]:,}" for name in ("input_tokens", "output_tokens")]
    cost = "" if row.get("cost_usd") is None else f"{row['cost_usd']:.6g}"
    took = "" if row.get("duration_ms") is None else duration(row["duration_ms"])
    service = row.get("provider") or row.get("upstream") or ""
    return (row["status"], service, what[:80], *counts, cost, took, row["id"])


def _fit(lines: Sequence[str]) -> str:
    fitting, remaining = [], MAX_FORM_BYTES - MARKUP_BYTES
    for line in lines:
        remaining -= len(line.encode()) + 1
        if remaining < 0:
            break
        fitting.append(line)
    return "\n".join(fitting)


_SAVED = (
    "id",
    "name",
    "state",
    "created",
    "started",
    "ended",
    "exit_code",
    "signal",
    "error",
    "lines",
    "levels",
)


def _truncate(value: Any) -> Any:
    return value[:1000] if isinstance(value, str) else value


def _json_bytes(line: str) -> int:
    """Size of a line in the notebook file: as JSON, in a list, indented."""
    return len(json.dumps(line, ensure_ascii=False).encode("utf-8", "replace")) + 12 * (1 + line.count("\n"))


def _command(info: Mapping[str, Any]) -> str:
    command = info.get("call") or info["command"] or info.get("name") or ""  # published logs have no command
    return _one_line(command if isinstance(command, str) else " ".join(command))


def _one_line(text: str) -> str:
    """The first line of a script, with an ellipsis if there are more."""
    first, more, _ = text.strip()[:1000].partition("\n")
    return plain_text(first) + (" …" if more else "")


def _facts(info: Mapping[str, Any]) -> list[str]:
    """The facts beside the state, in words: place, error, duration, lines, warnings and errors."""
    parts = []
    if place := place_of(info):
        parts.append(f"on {place}")
    if result := result_text(info):
        parts.append(_one_line(result))
    if info.get("error") and info["error"] != info.get("reason"):  # the reason stands beside the state
        parts.append(_one_line(info["error"]))
    if info.get("started") and info.get("ended"):
        parts.append(duration(info["ended"] - info["started"]))
    if info.get("lines"):
        parts.append(f"{info['lines']:,} lines" if info["lines"] > 1 else "1 line")
    levels = info.get("levels") or {}
    return parts + [f"{levels[level]:,} {level}" for level in ("warn", "error", "fatal") if levels.get(level)]


def _where(error: FirstError) -> str:
    return f"line {error.seq:,}" + (f", {error.repeats:,} times" if error.repeats > 1 else "")


def _range_note(info: Mapping[str, Any], saved: int) -> str:
    lines = info.get("lines") or 0
    return f"the last {saved} of {lines:,} lines · " if 0 < saved < lines else ""


def _last(records: Sequence[Record], max_bytes: int, render: Callable[[str], str]) -> list[str]:
    """The last lines, rendered, within `max_bytes`; long ones are truncated."""
    lines: list[str] = []
    for record in reversed(records[-LINES:]):
        message = record.message
        line = render(message if len(message) <= MAX_LINE_CHARS else message[:MAX_LINE_CHARS] + "…")
        max_bytes -= _json_bytes(line)
        if max_bytes < 0:
            break
        lines.append(line)
    return lines[::-1]
