"""A real collector (rotel) between us and a receiver: it accepts our JSON and passes on what we sent, as protobuf."""

from __future__ import annotations

import gzip
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from support.exported import attributes_of, exported, records, store_of, value_of
from support.ports import free_port
from support.waiting import eventually
from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

from jupyter_logstream.text.terminal import searched_text

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(find_spec("rotel") is None, reason="rotel has no package for this Python or machine")
START_PATIENCE_S = 30.0


class Received(RequestHandler):
    def initialize(self, found: list[Any]) -> None:
        self._found = found

    def post(self) -> None:
        body = self.request.body
        body = gzip.decompress(body) if self.request.headers.get("Content-Encoding") == "gzip" else body
        for group in ExportLogsServiceRequest.FromString(body).resource_logs:
            self._found += [(attributes_of(group.resource), r) for s in group.scope_logs for r in s.log_records]


@pytest.fixture
def received(jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[tuple[int, list[Any]]]:
    """What the collector passes on, and the port where it does."""
    found: list[Any] = []
    port = free_port()

    async def start() -> HTTPServer:
        server = HTTPServer(Application([(".*", Received, {"found": found})]))
        server.listen(port, "127.0.0.1")
        return server

    server = jp_asyncio_loop.run_until_complete(start())
    yield port, found
    server.stop()
    jp_asyncio_loop.run_until_complete(server.close_all_connections())


@pytest.fixture
def rotel(received: tuple[int, list[Any]], tmp_path: Path) -> Iterator[str]:
    """The address of the collector."""
    spec = find_spec("rotel")
    assert spec
    assert spec.origin
    http, grpc = free_port(), free_port()
    command = [str(Path(spec.origin).parent / "rotel-agent"), "start", f"--otlp-http-endpoint=127.0.0.1:{http}"]
    command += [f"--otlp-grpc-endpoint=127.0.0.1:{grpc}", "--exporter=otlp", "--otlp-exporter-protocol=http"]
    command += [f"--otlp-exporter-endpoint=http://127.0.0.1:{received[0]}", "--batch-timeout=100ms"]
    command += [f"--log-file={tmp_path / 'log'}", f"--pid-file={tmp_path / 'pid'}"]
    with (tmp_path / "out").open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            yield f"http://127.0.0.1:{http}"
        finally:
            process.kill()
    sys.stderr.write((tmp_path / "out").read_text(errors="replace")[-2000:])


async def test_collector_passes_on_every_line_of_an_export(rotel: str, received: tuple[int, list[Any]]) -> None:
    stored = store_of(records())
    lines = exported(stored, "jsonl").splitlines()
    async with httpx.AsyncClient(trust_env=False) as client:

        async def sent(line: bytes) -> bool:
            try:
                answer = await client.post(
                    f"{rotel}/v1/logs", content=line, headers={"Content-Type": "application/json"}, timeout=30
                )
            except httpx.TransportError:  # it is starting
                return False
            assert answer.status_code == 200, (answer.text, line[:2000])
            return True

        for line in lines:
            await eventually(lambda line=line: sent(line), START_PATIENCE_S)
    found = received[1]
    await eventually(lambda: len(found) == len(lines))
    bodies = {attributes_of(record)["logstream.seq"]: value_of(record.body) for _, record in found}
    assert bodies == {
        record.seq: searched_text(record.message).encode("utf-8", "replace").decode()
        for record in stored.read("W1", 0, 1000).records()
    }


async def test_collector_receives_what_a_server_pushes(serve: Any, rotel: str, received: tuple[int, list[Any]]) -> None:
    site = await serve(otlp_endpoint=rotel)
    workload_id = await site.run("seq 1 20; echo ERROR last")
    await site.request("POST", "v1/requests", json={"status": "completed", "model": "gpt-5", "operation": "chat"})
    found = received[1]
    await eventually(lambda: len(found) == 22)
    ours = [record for resource, record in found if resource.get("logstream.workload.id") == workload_id]
    assert sorted(attributes_of(record)["logstream.seq"] for record in ours) == list(range(1, 22))
    assert {record.severity_text for record in ours if "ERROR" in value_of(record.body)} == {"ERROR"}
