"""Overview of a log over HTTP: `summary`, `marks`, `matches`. Server."""

from __future__ import annotations

from functools import partial

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from ...model.ids import ID
from ...model.records import Record
from ...store.queries.filters import Filter
from ...store.queries.summary import places, spread, summarize
from ..params import FILTERS, number, parse_filter
from .base import RESOURCE, LogStreamHandler

MAX_BUCKETS = 1000


class SummaryHandler(LogStreamHandler):
    """`GET v1/workloads/{id}/summary`: counts per level over time, steps, the first error."""

    @authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self, workload_id: str) -> None:
        given = self.parameters("buckets", "from", "to", *FILTERS)
        chosen, buckets = parse_filter(given), number(given, "buckets", 100, 1, MAX_BUCKETS)
        start, end = (float(number(given, name, 0)) if name in given else None for name in ("from", "to"))
        workload = self.engine.get(workload_id).to_json()  # before the read: a final one has all its lines
        made = await self.run_search(
            lambda budget: summarize(self.store, workload_id, chosen, buckets, start, end, budget=budget)
        )
        error = None if made.first_error is None else self._record(workload_id, made.first_error)
        self.answer(
            {
                "job_id": workload_id,
                "state": workload["state"],
                "total": made.total,
                "lines": workload["lines"],
                "first": self.store.read(workload_id, 0, 0).first,
                "from": made.start,
                "to": made.end,
                "bucket": made.width,
                "buckets": [bucket.to_json() for bucket in made.buckets],
                "levels": dict(made.levels),
                "sources": dict(made.sources),
                "steps": workload["steps"],
                "first_error": error and error.to_json(),
                "errors": made.levels["error"] + made.levels["fatal"],
                **_stopped(made.stopped),
            }
        )

    def _record(self, workload_id: str, seq: int) -> Record | None:
        records = self.store.read(workload_id, seq - 1, 1).records()
        return records[0] if records and records[0].seq == seq else None  # retention can have removed it


class MarksHandler(LogStreamHandler):
    """`GET v1/workloads/{id}/marks`: the number of matches in each of `buckets` equal parts of the log."""

    @authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self, workload_id: str) -> None:
        given = self.parameters("buckets", *FILTERS)
        chosen, buckets = parse_filter(given), number(given, "buckets", 100, 1, MAX_BUCKETS)
        self.engine.status_of(workload_id)
        marks = await self.run_search(partial(spread, self.store, workload_id, chosen, buckets))
        found = {"total": sum(marks.counts), "first": marks.first, "last": marks.last, "marks": marks.counts}
        self.answer({**found, **_stopped(marks.stopped)})


class MatchesHandler(LogStreamHandler):
    """`GET v1/workloads/{id}/matches`: the seqs of matching records."""

    @authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self, workload_id: str) -> None:
        given = self.parameters("after", "limit", *FILTERS)
        chosen: Filter = parse_filter(given)
        after, limit = number(given, "after", 0), number(given, "limit", 1000, 1, 5000)
        self.engine.status_of(workload_id)
        found = await self.run_search(partial(places, self.store, workload_id, chosen, after, limit))
        self.answer({"seqs": found.seqs, "next": found.next, **_stopped(found.stopped)})


def _stopped(seq: int | None) -> dict[str, int]:
    """The last line that was searched, as a member of an answer that is not complete."""
    return {} if seq is None else {"stopped": seq}


ROUTES = [
    (rf"v1/workloads/({ID})/summary", SummaryHandler),
    (rf"v1/workloads/({ID})/marks", MarksHandler),
    (rf"v1/workloads/({ID})/matches", MatchesHandler),
]
