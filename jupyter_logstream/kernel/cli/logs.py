"""Verb `logs`: print a log, whole or filtered, as lines, bytes or JSON; follow it. Command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .following import follow_to_exit
from .log_output import ExactOutput, JsonOutput, LineOutput
from .selection import Target, find

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from .following import Output

PAGE_RECORDS = 5000
"""Records per request: the server's maximum."""


def main(given: argparse.Namespace) -> int:
    """Run the verb; see parser.py. Raises LogStreamError."""
    target = find(given.workload, given.catalogue)
    filters = filters_of(given)
    output = _output(target, given, filters)
    if given.follow:
        start = {"after": given.after or 0} if given.tail is None else {"tail": given.tail}
        return follow_to_exit(target, output, **start, **filters)
    for records in _pages(target, given.after or 0, given.tail, filters):
        output.print("logs", {"logs": records})
    return 0


def filters_of(given: argparse.Namespace) -> dict[str, str]:
    """The filters by their names in the protocol."""
    found = {
        "level": given.level,
        "step": given.step,
        "source": given.source,
        "q": given.grep,
        "not": given.exclude,
    }
    return {name: value for name, value in found.items() if value is not None}


def _output(target: Target, given: argparse.Namespace, filters: dict[str, str]) -> Output:
    if given.json:
        return JsonOutput()
    if given.timestamps or filters.keys() - {"source"} or not target.whole:
        return LineOutput(timestamps=given.timestamps)
    return ExactOutput(target)


def _pages(target: Target, after: int, tail: int | None, filters: dict[str, str]) -> Iterator[list[dict[str, Any]]]:
    """The matching records that are there now, page by page."""
    if not target.whole:
        named = {"exclude" if name == "not" else name: value for name, value in filters.items()}
        yield [record.to_json() for record in target.source.records(target.id, after, tail, named)]
        return
    end = target.info()["lines"]
    params: dict[str, Any] = {**filters, "after": after, "limit": PAGE_RECORDS}
    if tail is not None:
        total = _page(target, {**filters, "limit": 1})["total"]
        params["offset"] = max(0, total - tail)
    while tail != 0:
        page = _page(target, params)
        yield [record for record in page["records"] if record["seq"] <= end]
        if page["next"] is None or page["next"] >= end:
            return
        params.pop("offset", None)
        params["after"] = page["next"]


def _page(target: Target, params: dict[str, Any]) -> dict[str, Any]:
    page: dict[str, Any] = target.source.request("GET", target.id, "/records", params=params).json()
    return page
