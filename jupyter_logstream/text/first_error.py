"""The first error of a log, as one would tell it: the exception, where it stands, how often it came. Runs in kernels.

Values and a rule; the server is asked by a function that is given. The page does the same for more languages
(js/src/log/overview/first-error.ts). This file must not know HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..model.records import Record
from .terminal import plain_text

LINES = 400
"""Records after the error that are looked at for the end of its traceback."""

LONGEST = 300
"""Characters of its title."""

Ask = Callable[..., dict[str, Any]]
"""`ask("/summary", buckets=1)`: what the server answers about the workload."""

_HEAD = "Traceback (most recent call last):"
_RAISED = re.compile(r"[A-Za-z_][\w.]*(?::|$)")
_CHAIN = ("During handling of the above exception", "The above exception was the direct cause")
_TIME = re.compile(
    r"\s*[\[(]?(?:\d{4}[-/]\d\d[-/]\d\d[T ]?)?(?:\d\d:\d\d:\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?[\])]?\s+"
)


@dataclass(frozen=True, slots=True)
class FirstError:
    """`title`: the exception of its traceback, or the line. `repeats`: how many lines say so, this one included."""

    seq: int
    title: str
    repeats: int

    def to_json(self) -> dict[str, Any]:
        """As a notebook keeps it."""
        return asdict(self)


def first_error(info: Mapping[str, Any], ask: Ask) -> FirstError | None:
    """The first error of the workload `info`; None where its levels count none. Asks three questions at most."""
    levels = info.get("levels") or {}
    if not levels.get("error") and not levels.get("fatal"):
        return None
    found = ask("/summary", buckets=1)["first_error"]
    if found is None:  # retention has taken it
        return None
    record = Record.from_json(found)
    page = ask("/records", after=record.seq, limit=LINES)["records"]
    title = exception([record, *map(Record.from_json, page)]) or _line(record.message)
    title = title if len(title) <= LONGEST else title[: LONGEST - 1] + "…"
    repeats = ask("/records", q=title.removesuffix("…").lstrip("/"), limit=1)["total"]
    return FirstError(record.seq, title, max(1, repeats))


def exception(records: list[Record]) -> str | None:
    """The last exception of the (chained) traceback that begins with the first or second record; None for none."""
    source = records[0].source
    lines = [plain_text(line) for record in records if record.source == source for line in record.message.split("\n")]
    heads = [i for i, line in enumerate(lines[:2]) if line.strip() == _HEAD]
    if not heads:
        return None
    title = None
    at = heads[0] + 1
    while at < len(lines):
        while at < len(lines) and lines[at][:1].isspace():
            at += 1
        if at == len(lines) or not _RAISED.match(lines[at]):
            break
        title = lines[at].strip()
        between = [line for line in lines[at + 1 : at + 7] if line.strip(' "')]
        if len(between) < 2 or not between[0].startswith(_CHAIN) or between[1].strip() != _HEAD:
            break
        at = lines.index(between[1], at) + 1
    return title


def _line(message: str) -> str:
    text = plain_text(message.partition("\n")[0])
    return _TIME.sub("", text, count=1) if _TIME.match(text) and _TIME.sub("", text, count=1) else text.strip()
