"""Pages of the request log by SQL: filters and their parameters. Server; values and text only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .schema import SELECT

_TEXT_FIELDS = (
    "id", "status", "upstream", "method", "path", "provider", "model", "response_model", "operation", "session",
    "workload_id", "cell", "error", "finish_reason",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RowFilter:
    """The rows of a page; None: any. `model`: the requested or the responding one; `text` occurs in any field."""

    statuses: frozenset[str] | None = None
    provider: str | None = None
    model: str | None = None
    text: str | None = None


def page_query(limit: int, before: str | None, chosen: RowFilter) -> tuple[str, list[Any]]:
    """The statement and its parameters."""
    conditions: list[str] = []
    parameters: list[Any] = []

    def where(condition: str, *values: Any) -> None:
        conditions.append(condition)
        parameters.extend(values)

    if before is not None:
        where("id < ?", before)
    if chosen.statuses is not None:
        where(f"status IN ({', '.join('?' for _ in chosen.statuses)})", *sorted(chosen.statuses))
    if chosen.provider is not None:
        where("provider = ?", chosen.provider)
    if chosen.model is not None:
        where("(model = ? OR response_model = ?)", chosen.model, chosen.model)
    if chosen.text is not None:
        where(f"any_contains(?, {', '.join(_TEXT_FIELDS)})", chosen.text.casefold())
    sql = f"{SELECT} WHERE {' AND '.join(conditions)}" if conditions else SELECT
    return f"{sql} ORDER BY id DESC LIMIT ?", [*parameters, limit]


def any_contains(wanted: str, *texts: str | None) -> bool:
    """Whether one of the texts contains `wanted`, which is casefolded; an SQL function, since LIKE folds ASCII only."""
    return any(text is not None and wanted in text.casefold() for text in texts)
