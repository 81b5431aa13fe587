"""HTTP: thin handlers (parse, one call, answer) and their routes. Server side; only here are status codes known."""

from __future__ import annotations

from typing import Any

from . import events, logs, workloads


def routes() -> list[tuple[str, type[Any]]]:
    """All routes, relative to the server's base URL."""
    return [(f"/logstream/{path}", handler) for path, handler in (*workloads.ROUTES, *logs.ROUTES, *events.ROUTES)]
