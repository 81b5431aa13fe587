"""The live route table, and a request for each of its rows. Test support."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from jupyter_logstream.server.http import routes

if TYPE_CHECKING:
    from support.web import Answer


METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"]

# The action that every method of every route requires; a new route is added here.
ACTIONS = {
    ("v1/info", "GET"): "read",
    ("v1/workloads", "GET"): "read",
    ("v1/workloads", "POST"): "execute",
    ("v1/workloads/ID", "GET"): "read",
    ("v1/workloads/ID", "DELETE"): "write",
    ("v1/payloads", "POST"): "execute",
    ("v1/workloads/ID/result", "GET"): "read",
    ("v1/workloads/ID/cancel", "POST"): "execute",
    ("v1/backends/ID/check", "POST"): "execute",
    ("v1/workloads/ID/input", "POST"): "execute",
    ("v1/workloads/ID/logs", "GET"): "read",
    ("v1/workloads/ID/logs", "POST"): "write",
    ("v1/workloads/ID/records", "GET"): "read",
    ("v1/workloads/ID/log.txt", "GET"): "read",
    ("v1/workloads/ID/log.txt", "HEAD"): "read",
    ("v1/workloads/ID/export", "GET"): "read",
    ("v1/workloads/ID/summary", "GET"): "read",
    ("v1/workloads/ID/marks", "GET"): "read",
    ("v1/workloads/ID/matches", "GET"): "read",
    ("v1/logs/stream", "GET"): "read",
    ("v1/requests", "GET"): "read",
    ("v1/requests", "POST"): "write",
    ("v1/requests", "DELETE"): "write",
    ("v1/requests/stream", "GET"): "read",
    ("v1/requests/stats", "GET"): "read",
    ("v1/requests/ID", "GET"): "read",
    ("v1/requests/ID", "PATCH"): "write",
    **{(path, method): "execute" for path in ("proxy/ID", "proxy/ID/ID") for method in METHODS},
    ("v1/events", "GET"): "read",
    ("v1/events", "POST"): "read",
    ("mcp", "POST"): "read",
}
TOKEN_ROUTES = {
    ("v1/workloads/ID/runner", "GET"): "a runner on another machine has no login; it has the token of its workload",
}
"""Routes without Jupyter's login, each with its reason and with a check of its own; `server/test_dialed_runners.py`."""
QUERIES = {
    "v1/logs/stream": "?job_id=ID",
    "v1/workloads/ID/export": "?format=txt",
    ("v1/events", "GET"): "?stream=workload/ID",
}
BODIES = {
    ("v1/workloads", "POST"): b'{"command": "true"}',
    ("v1/events", "POST"): b'{"streams": [{"stream": "workload/ID"}]}',
    ("v1/workloads/ID/input", "POST"): b"x",
    ("v1/payloads", "POST"): b"x",
    ("v1/workloads/ID/cancel", "POST"): b"",
    ("v1/backends/ID/check", "POST"): b"",
    ("v1/requests", "POST"): b"{}",
    ("v1/requests/ID", "PATCH"): b"{}",
    ("v1/workloads/ID/logs", "POST"): b"[]",
    ("mcp", "POST"): b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "list_runs"}}',
}


def table() -> Iterator[tuple[str, str]]:
    """Every route of the live table that needs a login, with each method that its handler implements."""
    return (route for route in every_route() if route not in TOKEN_ROUTES)


def every_route() -> Iterator[tuple[str, str]]:
    """Every route of the live table with each method that its handler implements."""
    for pattern, handler in routes():
        path = re.sub(r"\([^)]*\)|\.\*", "ID", pattern).replace("\\", "").removeprefix("/logstream/")
        for method in METHODS:
            if method.lower() in dir(handler) and getattr(handler, method.lower()).__qualname__.split(".")[0] not in {
                "RequestHandler",
                "APIHandler",
            }:
                yield path, method


def request(path: str, method: str, workload_id: str) -> tuple[str, str, bytes | None]:
    query = QUERIES.get((path, method)) or QUERIES.get(path, "")
    body = BODIES.get((path, method))
    if re.fullmatch(r"01[0-9A-Z]{24}", workload_id):  # a known one: the same request for a known backend
        path = path.replace("backends/ID", "backends/local")
    return method, (path + query).replace("ID", workload_id), body and body.replace(b"ID", workload_id.encode())


JSON = {"Content-Type": "application/json"}


def is_error(answer: Answer) -> bool:
    has_size = int(answer.headers["content-length"]) > 0  # HEAD has no body
    is_complete = set(answer.json) == {"message", "reason"} if answer.body else has_size
    return answer.headers["content-type"].startswith("application/json") and is_complete
