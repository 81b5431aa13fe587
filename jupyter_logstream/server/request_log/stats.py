"""Figures over rows of the request log: calls, errors, tokens, cost, percentiles. Server side; pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .row import Row

_FAILED = frozenset({"error", "timeout", "interrupted"})


@dataclass(slots=True)
class Tally:
    """Figures of some calls. `cost_usd` counts those whose price is known; durations are of calls that have ended."""

    requests: int = 0
    errors: int = 0
    active: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float = 0.0
    durations: list[float] = field(default_factory=list)
    first_chunks: list[float] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Count a call."""
        self.requests += 1
        self.errors += row.status in _FAILED
        self.active += not row.final
        self.input_tokens += row.input_tokens or 0
        self.output_tokens += row.output_tokens or 0
        self.cached_tokens += row.cached_tokens or 0
        self.cost_usd += row.cost_usd or 0.0
        if row.final and row.duration_ms is not None:
            self.durations.append(row.duration_ms)
        if row.time_to_first_chunk_ms is not None:
            self.first_chunks.append(row.time_to_first_chunk_ms)

    def to_json(self) -> dict[str, Any]:
        """As the protocol has it."""
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
    """Figures of all calls, by provider and by model. Calls that are of no provider count in the totals only."""

    totals: dict[str, Any]
    by_provider: dict[str, dict[str, Any]]
    by_model: dict[str, dict[str, Any]]
    active_sessions: int

    def to_json(self) -> dict[str, Any]:
        """As the protocol has it."""
        return {
            "totals": self.totals,
            "by_provider": self.by_provider,
            "by_model": self.by_model,
            "active_sessions": self.active_sessions,
        }


def figures(rows: Iterable[Row]) -> Figures:
    """Count rows. A session is active while a call of it runs."""
    totals = Tally()
    by_provider: dict[str, Tally] = {}
    by_model: dict[str, Tally] = {}
    sessions: set[str] = set()
    for row in rows:
        totals.add(row)
        if row.provider is not None:
            by_provider.setdefault(row.provider, Tally()).add(row)
        if row.model is not None:
            by_model.setdefault(row.model, Tally()).add(row)
        if row.session is not None and not row.final:
            sessions.add(row.session)
    return Figures(totals.to_json(), _all_json(by_provider), _all_json(by_model), len(sessions))


def percentiles(values: list[float]) -> dict[str, float | None]:
    """The value that half of all, and 95 of a hundred, do not exceed; None without values."""
    ordered = sorted(values)
    return {f"p{part}": ordered[-(-len(ordered) * part // 100) - 1] if ordered else None for part in (50, 95)}


def _all_json(tallies: dict[str, Tally]) -> dict[str, dict[str, Any]]:
    return {name: tallies[name].to_json() for name in sorted(tallies)}
