"""HTTP API: thin handlers (parse, one call, respond) and their routes. Server; only this folder knows status codes."""

from __future__ import annotations

from typing import Any

from . import events, export, functions, logs, mcp, proxy, requests, runner_socket, summary, workloads


def routes() -> list[tuple[str, type[Any]]]:
    """All routes, relative to the server's base URL."""
    parts = (workloads, functions, logs, export, summary, events, requests, runner_socket, mcp, proxy)
    return [(f"/logstream/{path}", handler) for part in parts for path, handler in part.ROUTES]
