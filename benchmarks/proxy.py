"""What the proxy costs: CPU per MB of a 1 GB download beside jupyter-server-proxy, and the delay of an SSE event.

jupyter-server-proxy is measured in both of its ways: the buffered one, which it takes by default (it needs a limit of
104 MB lifted for this), and the streaming one, which it takes for exactly one value of Accept.
Needs `pip install -e '.[bench]'`.
"""

from __future__ import annotations

import json
import os
import socket
import time
from statistics import median, quantiles

from .machine import HERE, TOKEN, Server, jupyter, script

SIZE = 1 << 30
ROUNDS = 3
EVENTS = 300


def cpu(server: Server) -> float:
    """Seconds of processor time that the server has used."""
    with open(f"/proc/{server.process.pid}/stat") as file:
        fields = file.read().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def connect(port: int, path: str, accept: str = "*/*") -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: token {TOKEN}\r\nAccept: {accept}\r\n\r\n"
    sock.sendall(head.encode())
    return sock


def download(server: Server, path: str, accept: str = "*/*") -> float:
    """CPU of the server for a download, ms per MB."""
    before, got, buffer = cpu(server), 0, bytearray(1 << 20)
    with connect(server.port, path, accept) as sock:
        while got < SIZE:
            count = sock.recv_into(buffer)
            assert count, f"the download ended after {got} bytes"
            got += count
    return (cpu(server) - before) * 1000 / (SIZE / 1e6)


def delays(port: int, path: str) -> list[float]:
    """How long each event was on its way, ms."""
    found: list[float] = []
    with connect(port, path, "text/event-stream") as sock:
        rest = b""
        while len(found) < EVENTS:
            piece = sock.recv(65536)
            now = time.monotonic_ns()
            assert piece, "the stream ended early"
            *lines, rest = (rest + piece).split(b"\n")
            found += [(now - int(line[6:])) / 1e6 for line in lines if line.startswith(b"data: ")]
    return found


def main() -> dict[str, float]:
    rounds: dict[str, list[float]] = {"ours": [], "buffered": [], "streaming": []}
    with script("pour.py") as port:
        upstreams = {"up": f"http://127.0.0.1:{port}"}
        options = (f"--LogStream.upstreams={upstreams!r}", f"--config={HERE / 'large_bodies.py'}")
        with jupyter(*options) as server:
            ours, theirs = "/logstream/proxy/up", f"/proxy/{port}"
            for _ in range(ROUNDS):
                rounds["ours"].append(download(server, f"{ours}/bytes/{SIZE}"))
                rounds["buffered"].append(download(server, f"{theirs}/bytes/{SIZE}"))
                rounds["streaming"].append(download(server, f"{theirs}/bytes/{SIZE}", "text/event-stream"))
            direct = delays(port, f"/events/{EVENTS}")
            through = delays(server.port, f"{ours}/events/{EVENTS}")
            beside = delays(server.port, f"{theirs}/events/{EVENTS}")
    return {
        "proxy: CPU of a 1 GB download, ms/MB (median)": median(rounds["ours"]),
        "proxy: the same by jupyter-server-proxy, buffered": median(rounds["buffered"]),
        "proxy: the same by jupyter-server-proxy, streaming": median(rounds["streaming"]),
        "proxy: ours / jupyter-server-proxy streaming": median(rounds["ours"]) / median(rounds["streaming"]),
        "proxy: added to an SSE event, ms (median)": median(through) - median(direct),
        "proxy: added to an SSE event, ms (p99)": quantiles(through, n=100)[98] - quantiles(direct, n=100)[98],
        "proxy: added by jupyter-server-proxy, ms (median)": median(beside) - median(direct),
    }


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
