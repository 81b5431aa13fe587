"""Access of tools to runs: the engine, their logs, the search pool, and what a caller may do. Server; no HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, TypeVar

from ...model.protocol import now_ms
from ...model.records import Record
from ...model.workload import Workload
from ...store.protocol import LogStore
from ...store.queries.budget import Budget
from ...store.queries.filters import Filter
from ...store.queries.pages import page
from ...text.redactor import Redactor
from ..engine import Engine
from ..params import BadParameter, parse_filter
from ..search_pool import SearchPool
from .reply import Row, line, masked

MAX_SEARCH_CPU_S = 8.0
"""Processor time of a search: assistants give up on a call after 60 s, and the reply's cursor continues."""

MAX_ROWS = 800
"""Rows of which a reply is made: no more fit into it, however short they are."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Runs:
    """What tools work with. `may_write`: whether this caller can start and cancel runs here."""

    engine: Engine
    store: LogStore
    pool: SearchPool
    redactor: Redactor
    may_write: bool

    async def search(self, query: Callable[[Budget], Answer]) -> Answer:
        """Run a query that can read a whole log, in a thread; it ends when the caller is cancelled.

        Raises TooManySearches, and what `query` raises.
        """
        budget = Budget(MAX_SEARCH_CPU_S)
        try:
            return await self.pool.search(lambda: query(budget), budget)
        except asyncio.CancelledError:
            budget.cancel()
            raise

    def lines(self, run_id: str, after: int, limit: int) -> list[dict[str, Any]]:
        """The next lines as rows, at most MAX_ROWS of them; read page by page. Raises as `pages.page` does."""
        rows: list[dict[str, Any]] = []
        limit = min(limit, MAX_ROWS)
        while limit > 0 and (records := self.records(run_id, after, limit)):
            rows += [line(record, self.redactor) for record in records]
            after, limit = records[-1].seq, limit - len(records)
        return rows

    def records(self, run_id: str, after: int, limit: int) -> list[Record]:
        """The next records, fewer if they are long or a file cannot be read. Raises as `pages.page` does."""
        return page(self.store, run_id, Filter(), after=after, offset=0, limit=limit).records()

    def unfinished(self, run_id: str) -> list[Row]:
        """The lines that are being written, such as a progress bar."""
        partials = self.store.read(run_id, 0, 0).partials()
        return [{"source": one.source, "text": masked(one.message, self.redactor)} for one in partials]


def pattern(name: str, regex: str, level: str | None = None) -> Filter:
    """The filter for a regular expression, with or without slashes around it. Raises BadParameter for `name`."""
    bare = regex[1:-1] if len(regex) > 2 and regex[0] == regex[-1] == "/" else regex
    try:
        return parse_filter({"q": f"/{bare}/", **({} if level is None else {"level": level})})
    except BadParameter as error:
        raise BadParameter(name if error.name == "q" else error.name, error.problem) from None


def iso(ms: float | None) -> str | None:
    """A time as ISO 8601 in UTC, to the second."""
    return None if ms is None else datetime.fromtimestamp(ms / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def duration_s(run: Workload) -> float | None:
    """How long a run has been running, or ran."""
    started = run.status.started
    return None if started is None else round(((run.status.ended or now_ms()) - started) / 1000, 1)


def errors(run: Workload) -> int:
    """The number of lines with the level error or fatal."""
    return run.levels.get("error", 0) + run.levels.get("fatal", 0)
