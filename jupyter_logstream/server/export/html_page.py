"""Export as one HTML page: self-contained, without scripts, light and dark, to be searched and printed. Server; no I/O.

Everything that others wrote is escaped, and the page's own policy allows no script, no request and no other style.
Lines stand in sections that a browser lays out only when they are on screen (`content-visibility`); its search finds
text in all of them.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from ..._version import __version__
from ...model.records import Record
from ...text.ansi_html import as_classed_html
from ...text.terminal import plain_text
from ...text.wording import duration, place_of, result_text, state_summary
from ..otlp.records import gap_text
from .format import Exported, Gap
from .html_style import style_sheet

MAX_LINES = 200_000
"""Records of a page, the newest ones: a browser needs about 8 kB of memory for each when it searches all of them."""

SECTION_RECORDS = 200
_DAY_MS = 86_400_000
_NO_BREAK = "\u00a0"  # a space at which no browser breaks a row
_CLASSES = {"warn": "w", "error": "e", "fatal": "e"}


class HtmlFormat:
    """A page with a header (state, command, times), then the records with number and time, and a heading per step."""

    def __init__(self, exported: Exported) -> None:
        self._exported = exported
        workload = exported.workload
        self._shows_day = int(workload.created // _DAY_MS) != int((workload.status.ended or exported.now) // _DAY_MS)
        self._in_section = 0
        self._step: str | None = None
        self._second, self._clock = 0, ""
        self._digits = 1  # of the largest number

    def begin(self) -> bytes:
        """See Format."""
        info = self._exported.workload.to_json()
        title = _escaped(_first_line(info["name"] or info["call"] or info["command"] or info["id"]))
        state = _escaped(state_summary(info))
        self._digits = len(f"{max(info['lines'], 1):,}")
        style, policy = style_sheet(self._digits + (27 if self._shows_day else 16))
        facts = "".join(f"<dt>{name}</dt><dd>{_escaped(text)}</dd>\n" for name, text in self._facts(info) if text)
        note = ""
        if self._exported.left_out:
            note = f'<p class="note">Only the last {MAX_LINES:,} lines; text, JSON lines and Parquet have all.</p>\n'
        return (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
            f"<title>{title} - {state}</title>\n<style>{style}</style></head>\n"
            f"<body><header><h1>{title}</h1>\n<dl>\n<dt>State</dt><dd>{state}</dd>\n{facts}</dl>\n{note}</header>\n"
            "<main>\n"
        ).encode("utf-8", "replace")

    def gap(self, gap: Gap) -> bytes:
        """See Format."""
        text = gap_text(gap.first, gap.last, gap.reason)
        return f'{self._section_begin()}<p class="gap">{text}</p>\n'.encode()

    def records(self, records: Sequence[Record]) -> bytes:
        """See Format."""
        made: list[str] = []
        for record in records:
            made.append(self._section_begin())
            if record.step is not None and record.step != self._step:
                made.append(f"<h2>{_escaped(record.step)}</h2>\n")
            self._step = record.step
            name = _CLASSES.get(record.level)
            kind = f' class="{name}"' if name else ""
            stamp = f"{record.seq:{self._digits},}  {self._time(record.ts)}  ".replace(" ", _NO_BREAK)
            made.append(f'<p id="L{record.seq}"{kind}><i>{stamp}</i>{as_classed_html(record.message)}</p>\n')
        return "".join(made).encode("utf-8", "replace")

    def end(self) -> bytes:
        """See Format."""
        close = "</section>\n" if self._in_section else '<p class="note">No lines.</p>\n'
        workload = self._exported.workload
        foot = f"Workload {workload.id}, exported {_instant(self._exported.now)} by jupyter-logstream {__version__}"
        return f"{close}</main>\n<footer>{foot}. Times are UTC.</footer></body></html>\n".encode()

    def _section_begin(self) -> str:
        """The markup in front of the next line: a new section after SECTION_RECORDS of them."""
        begins, is_first = self._in_section % SECTION_RECORDS == 0, self._in_section == 0
        self._in_section += 1
        return ("<section>\n" if is_first else "</section><section>\n") if begins else ""

    def _time(self, ts: float) -> str:
        second, ms = divmod(int(ts), 1000)
        if second != self._second or not self._clock:
            form = "%Y-%m-%d %H:%M:%S" if self._shows_day else "%H:%M:%S"
            self._second, self._clock = second, datetime.fromtimestamp(second, timezone.utc).strftime(form)
        return f"{self._clock}.{ms:03}"

    def _facts(self, info: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """The rows of the header."""
        yield "Command", info["call"] or info["command"]
        yield "Error", info["error"] or ""
        yield "Result", result_text(info)
        yield "Place", place_of(info)
        yield "Directory", info["cwd"]
        for name in ("created", "started", "ended"):
            yield name.capitalize(), "" if info[name] is None else _instant(info[name])
        if info["started"]:
            yield "Duration", duration((info["ended"] or self._exported.now) - info["started"])
        levels = [f"{count:,} {level}" for level, count in info["levels"].items() if level in {*_CLASSES}]
        yield "Lines", ", ".join([f"{info['lines']:,}", *levels])
        yield "Masked secrets", str(info["masked"] or "")
        yield "Steps", ", ".join(f"{step['name']} ({step['state']})" for step in info["steps"])
        yield "Tags", ", ".join(f"{name}={value}" for name, value in info["tags"].items())
        yield "Only lines with", ", ".join(f"{name}={value}" for name, value in self._exported.conditions.items())


def _escaped(text: str) -> str:
    return html.escape(plain_text(text))


def _first_line(text: str) -> str:
    first, more, _ = text.strip()[:200].partition("\n")
    return first + (" …" if more else "")


def _instant(ms: float) -> str:
    return datetime.fromtimestamp(ms / 1000, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
