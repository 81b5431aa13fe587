"""An OpenTelemetry collector over HTTP: parses every body by the official schema, and answers as a test wants."""

from __future__ import annotations

import gzip
import json
from typing import Any

from support.exported import attributes_of, parsed
from support.waiting import eventually
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler


class Collector:
    """`answers`: statuses, headers and bodies for the next requests, then 200. `accepted`: (resource, record) pairs."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str], Any]] = []
        self.requests: list[dict[str, str]] = []
        self.sizes: list[int] = []
        self.accepted: list[tuple[dict[str, Any], Any]] = []
        self.port = 0
        self._server: HTTPServer | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> Collector:
        """Listen, on the same port as before."""
        self._server = HTTPServer(Application([("/v1/logs", _Handler, {"collector": self})]))
        sockets = bind_sockets(self.port, "127.0.0.1")
        self.port = sockets[0].getsockname()[1]
        self._server.add_sockets(sockets)
        return self

    async def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            await self._server.close_all_connections()

    def uids(self) -> list[str]:
        """The identifiers of all accepted records, in order."""
        return [attributes_of(record)["log.record.uid"] for _, record in self.accepted]

    def seqs(self, workload_id: str) -> list[int]:
        """The numbers of a workload's accepted records, in order."""
        found = [attributes_of(record) for _, record in self.accepted]
        return [a["logstream.seq"] for a in found if a["log.record.uid"] == f"{workload_id}:{a.get('logstream.seq')}"]

    async def has(self, count: int) -> None:
        """Wait until so many records were accepted."""
        await eventually(lambda: len(self.accepted) >= count)

    def take(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], Any]:
        self.requests.append(headers)
        request = parsed(gzip.decompress(body))
        found = [
            (attributes_of(group.resource), record)
            for group in request.resource_logs
            for scope in group.scope_logs
            for record in scope.log_records
        ]
        self.sizes.append(len(found))
        status, sent, answer = self.answers.pop(0) if self.answers else (200, {}, {})
        if callable(answer):
            status, answer = answer(found)
        if status == 200:
            self.accepted += found
        return status, sent, answer


class _Handler(RequestHandler):
    def initialize(self, collector: Collector) -> None:
        self._collector = collector

    def post(self) -> None:
        status, headers, answer = self._collector.take(dict(self.request.headers), self.request.body)
        self.set_status(status)
        for name, value in headers.items():
            self.set_header(name, value)
        self.finish(json.dumps(answer))
