"""Memory that readers cost a real server: clients that never read, and a thousand idle streams."""

from __future__ import annotations

import json
import socket
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from support.running import memory
from support.serving import TOKEN, Server, jupyter
from support.waiting import until

from jupyter_logstream.wire.sse import Decoder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KB, MB = 1024, 1024 * 1024
SOON = "import jupyter_logstream.server.http.sse_response as it\nit.WRITE_TIMEOUT_S = 4.0\n"
"""For jupyter_server_config.py: disconnects a reader that does not read after 4 s instead of 30 s."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "jupyter_server_config.py").write_text(SOON)
    with jupyter(tmp_path, options=("--LogStream.max_running=1",)) as server:
        yield server


def start(server: Server, command: str) -> str:
    answer = server.http.post(f"{server.url}logstream/v1/workloads", json={"command": command, "tty": False})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


@contextmanager
def subscribed(server: Server, streams: list[dict[str, Any]], room: int = 0) -> Iterator[socket.socket]:
    """A connection that requested `v1/events`. `room`: size of its receive buffer in bytes (0: default)."""
    body = json.dumps({"streams": streams}).encode()
    with socket.socket() as client:
        if room:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        client.connect(("127.0.0.1", server.port))
        head = f"POST /logstream/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: token {TOKEN}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        client.sendall(head.encode() + body)
        yield client


def read_until_ping(client: socket.socket) -> None:
    """Read until the server reports that nothing happens."""
    client.settimeout(60)
    tail = b""
    while b"event: ping" not in tail:
        data = client.recv(65536)
        assert data, "the connection was closed"
        tail = tail[-16:] + data


def open_now(server: Server) -> tuple[int, int]:
    info = server.get("info")
    return info["connections"], info["open_streams"]


def resident(server: Server) -> int:
    assert server.process
    return memory(server.process.pid, "VmRSS")


def read_all(server: Server, stream: str, after: int = 0) -> list[int]:
    """The seqs of a finished workload."""
    body = {"streams": [{"stream": stream, "after": after}]}
    with server.http.stream("POST", f"{server.url}logstream/v1/events", json=body) as answer:
        return seqs(b"".join(answer.iter_bytes()))


def seqs(body: bytes) -> list[int]:
    frames = [json.loads(event.data) for event in Decoder().feed(body) if event.type == "logs"]
    return [record["seq"] for frame in frames for record in frame["logs"]]


def test_reader_that_never_reads_costs_less_than_2_mb_and_is_disconnected(server: Server) -> None:
    workload = start(server, "yes 'a line of about fifty bytes, again and again' | head -c 20000000")
    until(lambda: server.get(f"workloads/{workload}")["state"] == "succeeded", 60)
    stream = f"workload/{workload}"
    for _ in range(2):  # the one-time cost of reading a log is not a reader's
        assert len(read_all(server, stream)) == server.get(f"workloads/{workload}")["lines"]
    before, most, many = resident(server), 0, 10
    with ExitStack() as open_ones:
        for _ in range(many):
            open_ones.enter_context(subscribed(server, [{"stream": stream}], room=4096))
        until(lambda: open_now(server) == (many, many))
        deadline = time.monotonic() + 60
        while open_now(server) != (0, 0):  # the server disconnects them
            most = max(most, resident(server))
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert most - before < many * 2 * MB


def test_disconnected_reader_resumes_at_its_cursor(server: Server) -> None:
    workload = start(server, "seq 1 400000")
    until(lambda: server.get(f"workloads/{workload}")["state"] == "succeeded", 60)
    with subscribed(server, [{"stream": f"workload/{workload}"}]) as client:
        until(lambda: open_now(server) == (1, 1))
        until(lambda: open_now(server) == (0, 0), 60)
        got = b""
        try:
            while data := client.recv(MB):
                got += data
        except ConnectionResetError:
            pass
    pieces = got.partition(b"\r\n\r\n")[2]
    body = b""
    while b"\r\n" in pieces:  # complete chunks; the last one is truncated
        size, _, rest = pieces.partition(b"\r\n")
        body, pieces = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    had = seqs(body)
    assert 0 < len(had) < 400_000
    assert had + read_all(server, f"workload/{workload}", after=had[-1]) == list(range(1, 400_001))


@pytest.mark.parametrize(("connections", "streams"), [(1000, 1), (2, 500)])
def test_thousand_idle_streams_cost_less_than_60_kb_each(connections: int, streams: int, server: Server) -> None:
    running = start(server, "seq 1 1000; sleep 600")  # the only one that runs
    until(lambda: server.get(f"workloads/{running}")["lines"] == 1000)
    names = [f"workload/{one}" for one in [running, *(start(server, "sleep 600") for _ in range(max(streams, 100)))]]
    with subscribed(server, [{"stream": name} for name in names]) as client:  # as above
        client.recv(65536)
    until(lambda: open_now(server) == (0, 0))
    before = resident(server)
    with ExitStack() as open_ones:
        clients = []
        for at in range(connections):
            wanted = [names[(at + i) % len(names)] for i in range(streams)]
            clients.append(open_ones.enter_context(subscribed(server, [{"stream": name} for name in wanted])))
        until(lambda: open_now(server) == (connections, connections * streams), 60)
        for client in clients:
            read_until_ping(client)
        assert open_now(server) == (connections, connections * streams)
        assert resident(server) - before < 1000 * 60 * KB
    until(lambda: open_now(server) == (0, 0))
