"""Figures over rows of the request log: calls, errors, tokens, cost, percentiles. Server; SQL and arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .schema import IS_OPEN

Read = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]

_SUMS = f"""
SELECT provider, model, COUNT(*), SUM(status IN ('error', 'timeout', 'interrupted')), SUM({IS_OPEN}),
    COALESCE(SUM(input_tokens), 0), COALESCE(SUM(output_tokens), 0), COALESCE(SUM(cached_tokens), 0), TOTAL(cost_usd)
FROM request WHERE initial_time >= ? GROUP BY provider, model
"""  # noqa: S608 - only names of columns are inserted
_TIMES = f"""
SELECT provider, model, CASE WHEN NOT {IS_OPEN} THEN duration_ms END, time_to_first_chunk_ms
FROM request WHERE initial_time >= ? AND COALESCE(duration_ms, time_to_first_chunk_ms) IS NOT NULL
"""  # noqa: S608 - as above
_SESSIONS = f"SELECT COUNT(DISTINCT session) FROM request WHERE {IS_OPEN} AND initial_time >= ?"  # noqa: S608 - as above


@dataclass(slots=True)
class CallStats:
    """Figures of a group of calls. `cost_usd` counts calls with a known price; durations are of ended calls."""

    requests: int = 0
    errors: int = 0
    active: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float = 0.0
    durations: list[float] = field(default_factory=list)
    first_chunks: list[float] = field(default_factory=list)

    def add(self, sums: Sequence[Any]) -> None:
        """Add a row of `_SUMS`, without its group."""
        self.requests += sums[0]
        self.errors += sums[1]
        self.active += sums[2]
        self.input_tokens += sums[3]
        self.output_tokens += sums[4]
        self.cached_tokens += sums[5]
        self.cost_usd += sums[6]

    def add_times(self, duration_ms: float | None, first_chunk_ms: float | None) -> None:
        """Add the times of one call."""
        if duration_ms is not None:
            self.durations.append(duration_ms)
        if first_chunk_ms is not None:
            self.first_chunks.append(first_chunk_ms)

    def to_json(self) -> dict[str, Any]:
        """The object of the protocol."""
        return {
            "requests": self.requests,
            "errors": self.errors,
            "active": self.active,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cached_tokens": self.cached_tokens,
            "cost_usd": round(self.cost_usd, 9),
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


def figures(read: Read, seq: int, since_ms: float = 0.0) -> Figures:
    """Figures of the calls that started at `since_ms` (Unix ms) or later; sessions with a running call are active."""
    groups = _Groups()
    for provider, model, *sums in read(_SUMS, (since_ms,)):
        for group in groups.of(provider, model):
            group.add(sums)
    for provider, model, duration, first_chunk in read(_TIMES, (since_ms,)):
        for group in groups.of(provider, model):
            group.add_times(duration, first_chunk)
    sessions = read(_SESSIONS, (since_ms,))[0][0]
    return Figures(seq, groups.totals.to_json(), _all_json(groups.by_provider), _all_json(groups.by_model), sessions)


class _Groups:
    """The groups that a call counts in: all calls, those of its provider, those of its model."""

    def __init__(self) -> None:
        self.totals = CallStats()
        self.by_provider: dict[str, CallStats] = {}
        self.by_model: dict[str, CallStats] = {}
        self._found: dict[tuple[str | None, str | None], list[CallStats]] = {}

    def of(self, provider: str | None, model: str | None) -> list[CallStats]:
        found = self._found.get((provider, model))
        if found is None:
            found = self._found[provider, model] = [self.totals]
            if provider is not None:
                found.append(self.by_provider.setdefault(provider, CallStats()))
            if model is not None:
                found.append(self.by_model.setdefault(model, CallStats()))
        return found


def percentiles(values: list[float]) -> dict[str, float | None]:
    """The values that 50 % and 95 % of all do not exceed (nearest rank); None without values."""
    ordered = sorted(values)
    return {f"p{part}": ordered[-(-len(ordered) * part // 100) - 1] if ordered else None for part in (50, 95)}


def _all_json(groups: dict[str, CallStats]) -> dict[str, dict[str, Any]]:
    return {name: groups[name].to_json() for name in sorted(groups)}
