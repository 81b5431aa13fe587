"""First error of a log: its title (the exception, if a traceback follows), its line and its repeats. Kernels; no I/O.

The caller passes the function that requests the server. The page does the same (js/src/log/overview/first-error.ts).
This file must not know HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..model.records import Record
from .terminal import plain_text
from .time_prefix import without_time
from .tracebacks import read_traceback

MAX_TRACEBACK_RECORDS = 400
"""Records after the error in which the end of its traceback is searched for."""

MAX_TITLE_CHARS = 300
"""Longest title; longer titles are truncated with an ellipsis."""

Request = Callable[..., dict[str, Any]]
"""`request("/summary", buckets=1)`: the server's JSON for a path below the workload, with these parameters."""


@dataclass(frozen=True, slots=True)
class FirstError:
    """The first error. `title`: the exception of its traceback, or the line; `repeats`: lines with it, at least 1."""

    seq: int
    title: str
    repeats: int

    def to_json(self) -> dict[str, Any]:
        """The error as a notebook stores it."""
        return asdict(self)


def first_error(info: Mapping[str, Any], request: Request) -> FirstError | None:
    """The first error of the workload `info`, with at most three requests; None if its levels count no error.

    Raises what `request` raises.
    """
    levels = info.get("levels") or {}
    if not levels.get("error") and not levels.get("fatal"):
        return None
    found = request("/summary", buckets=1)["first_error"]
    if found is None:  # retention removed it
        return None
    record = Record.from_json(found)
    page = request("/records", after=record.seq, limit=MAX_TRACEBACK_RECORDS)["records"]
    title = exception([record, *map(Record.from_json, page)]) or _line_title(record.message)
    title = title if len(title) <= MAX_TITLE_CHARS else title[: MAX_TITLE_CHARS - 1] + "…"
    repeats = request("/records", q=title.removesuffix("…").lstrip("/"), limit=1)["total"]
    return FirstError(record.seq, title, max(1, repeats))


def exception(records: Sequence[Record]) -> str | None:
    """The title of the traceback that begins with the first line of `records` or the line after it; None without one.

    Lines of other sources than the first record's are skipped.
    """
    source = records[0].source
    texts = [plain_text(line) for one in records if one.source == source for line in one.message.split("\n")]
    lines = [text.encode("utf-8", "replace") for text in texts]
    for start in range(min(2, len(lines))):
        if found := read_traceback(lines[start:]):
            return found.title
    return None


def _line_title(message: str) -> str:
    text = plain_text(message.partition("\n")[0])
    return without_time(text).strip() or text.strip()
