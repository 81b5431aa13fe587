"""Many at once on one server: pages that all come back after its restart, and starts that all come together."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.canary.flight import folder_of, start
from support.paths import ROOT
from support.running import kill_runners
from support.serving import TOKEN, jupyter
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.serving import Server

pytestmark = pytest.mark.slow


JS = ROOT / "js"
PAGES = 300


@pytest.fixture(scope="module")
def ladder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's own connection, as a module that node takes."""
    module = tmp_path_factory.mktemp("ladder") / "connection.mjs"
    bundler = [str(JS / "node_modules/.bin/esbuild"), str(JS / "src/net/connection.ts"), "--bundle", "--format=esm"]
    subprocess.run([*bundler, f"--outfile={module}", "--log-level=warning"], check=True)
    return module


class Herd:
    """Many pages that follow a workload, in one node process. `messages`: everything they reported."""

    def __init__(self, server: Server, workload: str, ladder: Path) -> None:
        url = f"{server.url}logstream/v1/events?stream=workload/{workload}"
        node = shutil.which("node") or str(Path(sys.executable).with_name("node"))
        command = [node, str(ROOT / "tests" / "support" / "canary" / "herd.mjs"), str(ladder), url, TOKEN, str(PAGES)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.messages: list[dict[str, Any]] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.messages.append(json.loads(line))

    def rungs(self) -> list[str]:
        """Where each of them is now."""
        now = {message["client"]: message["rung"] for message in list(self.messages) if "rung" in message}
        return list(now.values())

    def arrivals(self, since: float) -> list[float]:
        """When each came (back) since a time, in seconds from the first one."""
        first: dict[int, float] = {}
        for message in list(self.messages):
            if message.get("rung") == "live" and message["at"] / 1000 > since:
                first.setdefault(message["client"], message["at"] / 1000)
        return [at - min(first.values()) for at in sorted(first.values())]


def test_pages_that_lost_their_server_come_back_spread_over_seconds_and_miss_nothing(
    tmp_path: Path, ladder: Path
) -> None:
    stop = tmp_path / "stop"
    script = f"i=0; while [ ! -e {stop} ]; do i=$((i+1)); echo line $i; sleep 0.5; done"
    herd = None
    try:
        with jupyter(tmp_path) as server:
            workload = start(server, script, tty=False)
            herd = Herd(server, workload, ladder)
            until(lambda: herd.rungs().count("live") == PAGES, 60)
            server.stop()
            until(lambda: herd.rungs().count("reconnecting") == PAGES, 60)
            time.sleep(5)  # so long a restart takes
            since = time.time()
            server.start(server.port)
            until(lambda: herd.rungs().count("live") == PAGES, 90)
            assert_spread(herd.arrivals(since))
            stop.touch()
            until(lambda: sum("done" in message for message in list(herd.messages)) == PAGES, 60)
            lines = server.get(f"workloads/{workload}")["lines"]
            assert {message["done"] for message in herd.messages if "done" in message} == {lines}
            assert [message for message in herd.messages if "wrong" in message] == []
            assert herd.process.wait(30) == 0
    finally:
        if herd is not None and herd.process.poll() is None:
            herd.process.kill()
        kill_runners(tmp_path)


def assert_spread(arrivals: list[float]) -> None:
    """No crowd: the middle nine tenths take more than a second, and no tenth of a second has a quarter of them."""
    assert len(arrivals) == PAGES
    count = len(arrivals)
    assert arrivals[int(count * 0.95)] - arrivals[int(count * 0.05)] > 1
    busiest = max(sum(at <= other < at + 0.1 for other in arrivals) for at in arrivals)
    assert busiest < count / 4, f"{busiest} of {count} came within 0.1 s"


STARTS, CONNECTIONS = 2000, 200


@pytest.fixture
def queueing(tmp_path: Path) -> Iterator[Server]:
    try:
        with jupyter(tmp_path, options=("--LogStream.max_running=2", "--LogStream.max_queued=60")) as server:
            yield server
    finally:
        kill_runners(tmp_path)


@pytest.mark.timeout(300)
def test_two_thousand_concurrent_starts_each_succeed_or_are_refused_while_others_are_served(queueing: Server) -> None:
    body = b'{"command": ["true"]}'
    head = f"POST /logstream/v1/workloads HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: token {TOKEN}\r\n"
    one = f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    crowd = [socket.create_connection(("127.0.0.1", queueing.port)) for _ in range(CONNECTIONS)]
    for connection in crowd:
        connection.sendall(one * (STARTS // CONNECTIONS))
    queueing.get("info")
    answers = [answer for connection in crowd for answer in read(connection, STARTS // CONNECTIONS)]
    for connection in crowd:
        connection.close()
    made = [json.loads(body)["id"] for status, _, body in answers if status == 201]
    assert {status for status, _, _ in answers} == {201, 429}
    assert all(b"\r\nRetry-After: " in head for status, head, _ in answers if status == 429)
    assert len(made) == len(set(made)) >= 60
    assert queueing.get("info")["workloads"] == len(made)
    until(lambda: queueing.get("workloads", state="queued,running", limit=1)["workloads"] == [], 120)
    found = queueing.get("workloads", limit=1000)["workloads"]
    assert {workload["id"]: workload["state"] for workload in found} == dict.fromkeys(made, "succeeded")
    streams = folder_of(queueing, made[0]).parent
    assert sorted(path.name for path in streams.iterdir()) == sorted(made)
    assert "Traceback" not in queueing.log


def read(connection: socket.socket, count: int) -> list[tuple[int, bytes, bytes]]:
    """(status, head, body) of the answers on a connection."""
    found, data = [], b""
    connection.settimeout(120)
    while len(found) < count:
        head, end, rest = data.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]) if end else 0
        if end and len(rest) >= length:
            found.append((int(head.split()[1]), head, rest[:length]))
            data = rest[length:]
            continue
        piece = connection.recv(65536)
        assert piece, "cut"
        data += piece
    return found
