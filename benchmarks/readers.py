"""What readers cost the server in memory: a thousand idle streams, and readers that never read.

Resident memory of a fresh server per figure, before and after; what reading a log costs once is not counted.
"""

from __future__ import annotations

import json
import socket
import time
from contextlib import ExitStack

from .machine import TOKEN, Server, jupyter
from .start import memory

STREAMS, UNREAD = 1000, 10


def open_events(server: Server, streams: list[str], room: int = 0) -> socket.socket:
    """A connection that has requested `v1/events`. `room`: bytes of its receive buffer (0: the default)."""
    body = json.dumps({"streams": [{"stream": f"workload/{stream}"} for stream in streams]})
    client = socket.socket()
    if room:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    client.connect(("127.0.0.1", server.port))
    head = f"POST /logstream/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: token {TOKEN}\r\n"
    client.sendall(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    return client


def start(server: Server, command: str) -> str:
    workload: str = server.call("POST", "logstream/v1/workloads", {"command": command, "tty": False})["id"]
    return workload


def wait_until(server: Server, connections: int, streams: int) -> None:
    while True:
        info = server.call("GET", "logstream/v1/info")
        if (info["connections"], info["open_streams"]) == (connections, streams):
            return
        time.sleep(0.1)


def resident(server: Server) -> float:
    """Kilobytes."""
    return memory(server.process.pid) * 1024


def idle(connections: int) -> float:
    """Kilobytes per stream of a thousand, over so many connections."""
    each = STREAMS // connections
    with jupyter("--LogStream.max_running=1") as server, ExitStack() as opened:
        job = start(server, "seq 1 1000; sleep 600")
        names = [job, *(start(server, "sleep 600") for _ in range(max(each, 100)))]
        open_events(server, names).close()
        wait_until(server, 0, 0)
        before = resident(server)
        for at in range(connections):
            opened.enter_context(open_events(server, [names[(at + i) % len(names)] for i in range(each)]))
        wait_until(server, connections, STREAMS)
        time.sleep(7)  # until each reader has had a ping
        cost = (resident(server) - before) / STREAMS
        server.call("POST", f"logstream/v1/workloads/{job}/cancel")
    return cost


def unread() -> tuple[float, float]:
    """Kilobytes per reader that never reads, and seconds until it is cut."""
    with jupyter() as server, ExitStack() as opened:
        job = start(server, "yes 'a line of about fifty bytes, again and again' | head -c 50000000")
        while server.call("GET", f"logstream/v1/workloads/{job}")["state"] == "running":
            time.sleep(0.1)
        with open_events(server, [job]) as reader:
            while reader.recv(1 << 18):
                pass
        wait_until(server, 0, 0)
        before, begin, most = resident(server), time.monotonic(), 0.0
        for _ in range(UNREAD):
            opened.enter_context(open_events(server, [job], room=4096))
        while server.call("GET", "logstream/v1/info")["connections"]:
            most = max(most, resident(server))
            time.sleep(0.1)
        return (most - before) / UNREAD, time.monotonic() - begin


def main() -> dict[str, float]:
    cost, until_cut = unread()
    return {
        "idle streams: one on each of 1,000 connections, kB each": idle(1000),
        "idle streams: 500 on each of 2 connections, kB each": idle(2),
        "a reader that never reads, kB": cost,
        "a reader that never reads: cut after, s": until_cut,
    }


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
