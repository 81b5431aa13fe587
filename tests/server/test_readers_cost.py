"""What readers cost a real server: those that never read, and a thousand that have nothing to read."""

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
"""For jupyter_server_config.py: so that a test need not wait half a minute for a reader to be cut."""


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
def asking(server: Server, streams: list[dict[str, Any]], room: int = 0) -> Iterator[socket.socket]:
    """A connection on which `v1/events` was asked for. `room`: bytes that its socket takes unread (0: the usual)."""
    body = json.dumps({"streams": streams}).encode()
    with socket.socket() as client:
        if room:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        client.connect(("127.0.0.1", server.port))
        head = f"POST /logstream/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: token {TOKEN}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        client.sendall(head.encode() + body)
        yield client


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


def test_a_reader_that_never_reads_costs_less_than_2_mb_and_is_cut(server: Server) -> None:
    workload = start(server, "yes 'a line of about fifty bytes, again and again' | head -c 20000000")
    until(lambda: server.get(f"workloads/{workload}")["state"] == "succeeded", 60)
    stream = f"workload/{workload}"
    for _ in range(2):  # what reading a log costs once is not a reader's
        assert len(read_all(server, stream)) == server.get(f"workloads/{workload}")["lines"]
    before, most, many = resident(server), 0, 10
    with ExitStack() as open_ones:
        for _ in range(many):
            open_ones.enter_context(asking(server, [{"stream": stream}], room=4096))
        until(lambda: open_now(server) == (many, many))
        deadline = time.monotonic() + 60
        while open_now(server) != (0, 0):  # they never leave: they are cut
            most = max(most, resident(server))
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert most - before < many * 2 * MB


def test_a_reader_that_was_cut_goes_on_where_it_was(server: Server) -> None:
    workload = start(server, "seq 1 400000")
    until(lambda: server.get(f"workloads/{workload}")["state"] == "succeeded", 60)
    with asking(server, [{"stream": f"workload/{workload}"}]) as client:
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
    while b"\r\n" in pieces:  # whole chunks; the last one is cut
        size, _, rest = pieces.partition(b"\r\n")
        body, pieces = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    had = seqs(body)
    assert 0 < len(had) < 400_000
    assert had + read_all(server, f"workload/{workload}", after=had[-1]) == list(range(1, 400_001))


@pytest.mark.parametrize(("connections", "streams"), [(1000, 1), (2, 500)])
def test_a_thousand_idle_streams_cost_less_than_60_kb_each(connections: int, streams: int, server: Server) -> None:
    told = start(server, "seq 1 1000; sleep 600")  # the one that may run
    until(lambda: server.get(f"workloads/{told}")["lines"] == 1000)
    names = [f"workload/{one}" for one in [told, *(start(server, "sleep 600") for _ in range(max(streams, 100)))]]
    with asking(server, [{"stream": name} for name in names]) as client:  # as above
        client.recv(65536)
    until(lambda: open_now(server) == (0, 0))
    before = resident(server)
    with ExitStack() as open_ones:
        for at in range(connections):
            wanted = [names[(at + i) % len(names)] for i in range(streams)]
            open_ones.enter_context(asking(server, [{"stream": name} for name in wanted]))
        until(lambda: open_now(server) == (connections, connections * streams), 60)
        time.sleep(6)  # until each was told that nothing happens
        assert open_now(server) == (connections, connections * streams)
        assert resident(server) - before < 1000 * 60 * KB
    until(lambda: open_now(server) == (0, 0))
