"""Figures over rows of the request log: calls, errors, tokens, cost, percentiles. Server; SQL and arithmetic.

The figures over all rows are read from the database once and then follow each change, so that a table in a page does
not cost a scan of all rows per second. Times are held sorted: two numbers per row, so bounded by the log's rows.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import nlargest
from operator import attrgetter
from typing import Any, NamedTuple

from .row import OPEN, Row
from .schema import IS_OPEN

Read = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]

MAX_GROUPS = 100
"""Providers, and models, in the figures: those with the most calls. All calls count in the totals."""

_ERRORS = frozenset({"error", "timeout", "interrupted"})
_COST_UNIT = 1e12  # costs are summed as whole picodollars, so that adding and removing leaves no rounding error


class Facts(NamedTuple):
    """What counts of a row."""

    provider: str | None
    model: str | None
    status: str
    session: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    cost_usd: float | None
    duration_ms: float | None
    time_to_first_chunk_ms: float | None

    @classmethod
    def of(cls, row: Row) -> Facts:
        """The facts of a row."""
        return cls(*_facts(row))


_facts = attrgetter(*Facts._fields)
FACT_COLUMNS = ", ".join(Facts._fields)

_SUMS = f"""
SELECT provider, model, COUNT(*), SUM(status IN ('error', 'timeout', 'interrupted')), SUM({IS_OPEN}),
    COALESCE(SUM(input_tokens), 0), COALESCE(SUM(output_tokens), 0), COALESCE(SUM(cached_tokens), 0),
    TOTAL(ROUND(cost_usd * {_COST_UNIT:g}))
FROM request WHERE initial_time >= ? GROUP BY provider, model
"""  # noqa: S608 - only names of columns are inserted; each cost is rounded as `count` rounds it
_TIMES = f"""
SELECT provider, model, CASE WHEN NOT {IS_OPEN} THEN duration_ms END, time_to_first_chunk_ms
FROM request WHERE initial_time >= ? AND COALESCE(duration_ms, time_to_first_chunk_ms) IS NOT NULL
"""  # noqa: S608 - as above
_SESSIONS = f"""
SELECT session, COUNT(*) FROM request WHERE {IS_OPEN} AND initial_time >= ? AND session IS NOT NULL GROUP BY session
"""  # noqa: S608 - as above


@dataclass(slots=True)
class CallStats:
    """Figures of a group of calls. The cost counts calls with a known price; durations are of ended calls, sorted."""

    requests: int = 0
    errors: int = 0
    active: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost: int = 0  # picodollars
    durations: list[float] = field(default_factory=list)
    first_chunks: list[float] = field(default_factory=list)

    def add_sums(self, sums: Sequence[Any]) -> None:
        """Add a row of `_SUMS`, without its group."""
        self.requests += sums[0]
        self.errors += sums[1]
        self.active += sums[2]
        self.input_tokens += sums[3]
        self.output_tokens += sums[4]
        self.cached_tokens += sums[5]
        self.cost += round(sums[6])

    def add_times(self, duration_ms: float | None, first_chunk_ms: float | None) -> None:
        """Add the times of one call; `sort` must follow."""
        if duration_ms is not None:
            self.durations.append(duration_ms)
        if first_chunk_ms is not None:
            self.first_chunks.append(first_chunk_ms)

    def sort(self) -> None:
        """Sort the times."""
        self.durations.sort()
        self.first_chunks.sort()

    def count(self, facts: Facts, sign: int) -> None:
        """Add a row (`sign` 1) or remove it (-1), without its times."""
        self.requests += sign
        self.errors += sign * (facts.status in _ERRORS)
        self.active += sign * (facts.status in OPEN)
        self.input_tokens += sign * (facts.input_tokens or 0)
        self.output_tokens += sign * (facts.output_tokens or 0)
        self.cached_tokens += sign * (facts.cached_tokens or 0)
        self.cost += sign * round((facts.cost_usd or 0) * _COST_UNIT)

    def times(self, facts: Facts) -> list[tuple[list[float], float]]:
        """The times of a row, and the lists that they are in."""
        found = []
        if facts.duration_ms is not None and facts.status not in OPEN:
            found.append((self.durations, facts.duration_ms))
        if facts.time_to_first_chunk_ms is not None:
            found.append((self.first_chunks, facts.time_to_first_chunk_ms))
        return found

    def to_json(self) -> dict[str, Any]:
        """The object of the protocol."""
        return {
            "requests": self.requests,
            "errors": self.errors,
            "active": self.active,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cached_tokens": self.cached_tokens,
            "cost_usd": round(self.cost / _COST_UNIT, 9),
            "duration_ms": percentiles(self.durations),
            "time_to_first_chunk_ms": percentiles(self.first_chunks),
        }


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of all calls, by provider and by model. A call without a provider counts in the totals only.

    `seq`: the number of the last change that they include.
    """

    seq: int
    totals: dict[str, Any]
    by_provider: dict[str, dict[str, Any]]
    by_model: dict[str, dict[str, Any]]
    active_sessions: int

    def to_json(self) -> dict[str, Any]:
        """The object of the protocol."""
        return {
            "totals": self.totals,
            "by_provider": self.by_provider,
            "by_model": self.by_model,
            "active_sessions": self.active_sessions,
        }


class RunningStats:
    """Figures of rows that change; sessions with a running call are active."""

    def __init__(self) -> None:
        self._totals = CallStats()
        self._by_provider: dict[str, CallStats] = {}
        self._by_model: dict[str, CallStats] = {}
        self._active_sessions: Counter[str] = Counter()

    @classmethod
    def read(cls, read: Read, since_ms: float = 0.0) -> RunningStats:
        """The figures of the stored calls that started at `since_ms` (Unix ms) or later."""
        made = cls()
        for provider, model, *sums in read(_SUMS, (since_ms,)):
            for group in made._groups(provider, model):
                group.add_sums(sums)
        groups: dict[tuple[str | None, str | None], list[CallStats]] = {}
        for provider, model, duration, first_chunk in read(_TIMES, (since_ms,)):
            if (found := groups.get((provider, model))) is None:
                found = groups[provider, model] = made._groups(provider, model)
            for group in found:
                group.add_times(duration, first_chunk)
        for group in (made._totals, *made._by_provider.values(), *made._by_model.values()):
            group.sort()
        made._active_sessions.update(dict(read(_SESSIONS, (since_ms,))))
        return made

    def add(self, facts: Facts) -> None:
        """A row was added."""
        for group in self._groups(facts.provider, facts.model):
            group.count(facts, 1)
            for ordered, value in group.times(facts):
                insort(ordered, value)
        self._count_session(facts, 1)

    def remove(self, facts: Facts) -> None:
        """A row with these facts was deleted."""
        for group in self._groups(facts.provider, facts.model):
            group.count(facts, -1)
            for ordered, value in group.times(facts):
                del ordered[bisect_left(ordered, value)]
        self._count_session(facts, -1)

    def figures(self, seq: int) -> Figures:
        """The figures now; `seq`: the number of the last change."""
        by_provider, by_model = _all_json(self._by_provider), _all_json(self._by_model)
        return Figures(seq, self._totals.to_json(), by_provider, by_model, len(+self._active_sessions))

    def _groups(self, provider: str | None, model: str | None) -> list[CallStats]:
        """The groups that a row counts in."""
        found = [self._totals]
        if provider is not None:
            found.append(self._by_provider.setdefault(provider, CallStats()))
        if model is not None:
            found.append(self._by_model.setdefault(model, CallStats()))
        return found

    def _count_session(self, facts: Facts, sign: int) -> None:
        if facts.session is not None and facts.status in OPEN:
            self._active_sessions[facts.session] += sign
            if not self._active_sessions[facts.session]:
                del self._active_sessions[facts.session]


def percentiles(ordered: Sequence[float]) -> dict[str, float | None]:
    """The values that 50 % and 95 % of all do not exceed (nearest rank); None without values."""
    return {f"p{part}": ordered[-(-len(ordered) * part // 100) - 1] if ordered else None for part in (50, 95)}


def _all_json(groups: dict[str, CallStats]) -> dict[str, dict[str, Any]]:
    for name in [name for name, group in groups.items() if group.requests == 0]:
        del groups[name]  # its rows were deleted
    shown = nlargest(MAX_GROUPS, groups, key=lambda name: groups[name].requests)
    return {name: groups[name].to_json() for name in sorted(shown)}
