"""A server that is killed while it pushes: every record arrives, doubled ones are at most one batch."""

from __future__ import annotations

import gzip
import json
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from support.serving import Server
from support.waiting import until

from jupyter_logstream.server.otlp.exporter import MAX_BATCH_RECORDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINES, KILLS = 8_000, 1
SECRET = "a-secret-key-of-the-collector"


class Sink(ThreadingHTTPServer):
    """Accepts everything; `sizes`: the records of each request, `numbers`: those of the lines, as they came."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.numbers: list[int] = []
        self.sizes: list[int] = []


class Handler(BaseHTTPRequestHandler):
    server: Sink

    def do_POST(self) -> None:
        body = json.loads(gzip.decompress(self.rfile.read(int(self.headers["Content-Length"]))))
        groups = [scope["logRecords"] for group in body["resourceLogs"] for scope in group["scopeLogs"]]
        found = [int(record["body"]["stringValue"]) for records in groups for record in records]
        self.server.numbers += found
        self.server.sizes.append(len(found))
        time.sleep(0.05)  # a kill then meets a batch whose answer is on its way
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


def test_killed_server_sends_every_record_and_doubles_at_most_a_batch(sink: Sink, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "jupyter_server_config.py").write_text(
        f"c.LogStream.otlp_endpoint = 'http://127.0.0.1:{sink.server_port}'\n"
        f"c.LogStream.otlp_headers = {{'Authorization': 'Bearer {SECRET}'}}\n"
    )
    server = Server(tmp_path)
    server.start()
    try:
        body = {"command": f"seq {LINES}", "tty": False}
        server.http.post(f"{server.url}logstream/v1/workloads", json=body).raise_for_status()
        for i in range(KILLS):
            until(lambda i=i: len(set(sink.numbers)) > LINES * (i + 1) / (KILLS + 2))
            server.stop(signal.SIGKILL)
            assert len(set(sink.numbers)) < LINES
            server.start()
        until(lambda: len(set(sink.numbers)) == LINES)
    finally:
        server.stop()
        server.http.close()
    assert set(sink.numbers) == set(range(1, LINES + 1))
    assert len(sink.numbers) - LINES <= KILLS * MAX_BATCH_RECORDS
    assert max(sink.sizes) <= MAX_BATCH_RECORDS
    assert SECRET not in server.log
