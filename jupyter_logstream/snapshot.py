"""A workload as static text and HTML: what a notebook shows where no widget can run. Runs in kernels.

Values in, strings out. It must not know where they come from. Everything is escaped: log text is never markup.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jupyter_logstream.records import Record

LINES = 50
"""The last lines of a finished workload that are kept in the notebook file ..."""

BYTES = 50_000
"""... and how large each form may get: notebooks go through version control."""

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


def _title(info: Mapping[str, Any]) -> str:
    command = info["command"] if isinstance(info["command"], str) else " ".join(info["command"])
    parts = [info["state"]]
    if info.get("exit_code") is not None:
        parts.append(f"exit code {info['exit_code']}")
    if info.get("signal") is not None:
        parts.append(f"signal {info['signal']}")
    if info.get("error"):
        parts.append(info["error"])
    return f"{command[:1000]} [{', '.join(parts)[:1000]}] {info['id']}"


def _last(records: Sequence[Record], room: int) -> list[str]:
    lines: list[str] = []
    for record in reversed(records[-LINES:]):
        line = plain_text(record.message)
        room -= len(line.encode("utf-8", "replace")) + 1
        if room < 0:
            break
        lines.append(line)
    return lines[::-1]
