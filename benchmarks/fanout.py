"""Fan-out: many readers of one live stream at full speed, ours beside nginx's nchan.

What counts is output delivered (the lines' own bytes, times readers) per second of the server's CPU. Each server takes
the lines in, too: ours reads what the runner has written, nchan is sent them by HTTP. nchan is measured twice: a
message per line, as it is used for logs, and with 1,000 lines packed into each message, its best case.
"""

from __future__ import annotations

import http.client
import json
import os
import selectors
import socket
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from .machine import HERE, TOKEN, Server, jupyter
from .nginx import missing, nginx

LINE_BYTES = 100
READERS = {1: 300_000, 10: 300_000, 100: 100_000, 1000: 10_000}
"""Readers, and the lines that each is to get."""
PACKED = 1000
WAITING = """
import runpy, sys
input()
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
NCHAN_LINES = {1: 20_000, 10: 20_000, 100: 10_000, 1000: 2_000}


def cpu_seconds(pid: int) -> float:
    """What a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def connect(port: int, path: str) -> socket.socket:
    """A reader that has sent its request and received its first bytes."""
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: token {TOKEN}\r\n"
        "Accept: text/event-stream\r\n\r\n".encode()
    )
    return client


def go(server: Server, job: str) -> None:
    """Let a child that is WAITING begin."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    path = f"/logstream/v1/workloads/{job}/input?eof=1"
    connection.request("POST", path, b"go\n", {"Authorization": f"token {TOKEN}"})
    connection.getresponse().read()


def read_all(clients: list[socket.socket], end: bytes) -> int:
    """Until each of them has got `end`; bytes received in sum."""
    selector = selectors.DefaultSelector()
    tails = dict.fromkeys(clients, b"")
    for client in clients:
        client.setblocking(False)
        selector.register(client, selectors.EVENT_READ)
    total, room = 0, bytearray(1 << 20)
    while tails:
        for key, _ in selector.select(60):
            client = key.fileobj
            assert isinstance(client, socket.socket)
            size = client.recv_into(room)
            total += size
            tails[client] = (tails[client] + bytes(room[max(size - 4096, 0) : size]))[-4200:]
            if end in tails[client] or not size:
                assert size, "a reader was cut"
                selector.unregister(client)
                del tails[client]
    return total


def ours(server: Server, readers: int, lines: int) -> float:
    """MB of output delivered per CPU second of the server."""
    command = [sys.executable, "-c", WAITING, str(HERE / "emit.py"), str(lines)]
    body = {"command": command, "tty": False, "stdin": True}
    job = server.call("POST", "logstream/v1/workloads", body)["id"]
    clients = [connect(server.port, f"/logstream/v1/events?stream=workload/{job}") for _ in range(readers)]
    while server.call("GET", "logstream/v1/info")["open_streams"] < readers:
        time.sleep(0.05)
    time.sleep(1)
    before = cpu_seconds(server.process.pid)
    go(server, job)
    read_all(clients, b"event: done")
    used = cpu_seconds(server.process.pid) - before
    for client in clients:
        client.close()
    server.call("DELETE", f"logstream/v1/workloads/{job}")
    return readers * lines * LINE_BYTES / 1e6 / used


def nchan(readers: int, lines: int, packed: int) -> float:
    """As `ours`, with `packed` lines in a message."""
    with TemporaryDirectory() as folder, nginx(Path(folder), Path(folder), channels=True) as (port, pid):
        publisher = http.client.HTTPConnection("127.0.0.1", port)
        publisher.request("POST", "/pub", b"0" * (LINE_BYTES - 1))
        publisher.getresponse().read()
        clients = [connect(port, "/sub") for _ in range(readers)]
        for client in clients:
            client.recv(1 << 16)
        time.sleep(0.5)
        message = b"\n".join([b"x" * (LINE_BYTES - 1)] * packed)
        last = b"the last one".ljust(LINE_BYTES - 1)
        before = cpu_seconds(pid)
        for at in range(0, lines, packed):
            publisher.request("POST", "/pub", message[: -len(last)] + last if at + packed >= lines else message)
            publisher.getresponse().read()
        read_all(clients, b"the last one")
        used = cpu_seconds(pid) - before
        for client in clients:
            client.close()
    return readers * lines * LINE_BYTES / 1e6 / used


def main() -> dict[str, float]:
    results: dict[str, float] = {}
    absent = missing(channels=True)
    with jupyter() as server:
        ours(server, 1, 1000)  # imports
        for readers, lines in READERS.items():
            name = f"fan-out to {readers:,}"
            results[f"{name}: ours, MB per CPU s"] = mine = ours(server, readers, lines)
            if absent:
                continue
            for words, packed in (("a line a message", 1), (f"{PACKED:,} lines a message", PACKED)):
                theirs = nchan(readers, NCHAN_LINES[readers] if packed == 1 else lines, packed)
                results[f"{name}: nchan, {words}, MB per CPU s"] = theirs
                results[f"{name}: ours / nchan, {words}"] = mine / theirs
    return results


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
