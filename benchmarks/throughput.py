"""Child to client: lines a second of 300,000 lines of 100 bytes, ours beside a naive Tornado handler, and what the
server's other requests notice of it.

Timed from the first line written (the child prints the time) to the last byte received.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from statistics import median, quantiles

from .emit import LINE_BYTES
from .machine import HERE, TOKEN, Server, jupyter, plain_environment, read_to_end, script

LINES = 300_000
ROUNDS = 5


def ours(server: Server) -> tuple[float, bytes]:
    command = [sys.executable, str(HERE / "emit.py"), str(LINES)]
    job = server.call("POST", "logstream/v1/workloads", {"command": command, "tty": False})
    data, end = read_to_end(server.port, f"/logstream/v1/events?stream=workload/{job['id']}")
    first = re.search(rb'"seq":1,[^{]*?"message":"(\d+)', data)
    assert first is not None
    server.call("DELETE", f"logstream/v1/workloads/{job['id']}")
    return LINES / (end - int(first[1]) / 1e9), data


def naive(port: int) -> float:
    data, end = read_to_end(port, f"/?count={LINES}")
    first = re.search(rb"data: (\d+)", data)
    assert first is not None
    return LINES / (end - int(first[1]) / 1e9)


def into_cat() -> float:
    """The same child piped into cat: the limit of the machine."""
    command = [sys.executable, str(HERE / "emit.py"), str(LINES)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=plain_environment()) as child:
        assert child.stdout is not None
        begin = int(os.read(child.stdout.fileno(), LINE_BYTES))
        subprocess.run(["cat"], stdin=child.stdout, stdout=subprocess.DEVNULL, check=True)
        return LINES / (time.time() - begin / 1e9)


def check(data: bytes) -> None:
    """Nothing lost, order kept."""
    body = b"".join(_unchunked(data.partition(b"\r\n\r\n")[2]))
    seqs = [
        record["seq"]
        for block in body.decode().split("\n\n")
        if block.startswith("event: logs")
        for record in json.loads(block.split("data: ", 1)[1])["logs"]
    ]
    assert seqs == list(range(1, LINES + 1)), f"{len(seqs)} of {LINES} records, or not in order"


def _unchunked(data: bytes) -> list[bytes]:
    """The pieces of a chunked body."""
    pieces, at = [], 0
    while (line_end := data.find(b"\r\n", at)) >= 0 and (size := int(data[at:line_end], 16)):
        pieces.append(data[line_end + 2 : line_end + 2 + size])
        at = line_end + 4 + size
    return pieces


def other_requests(url: str) -> None:
    """In a process of its own: GET /api/status again and again until its standard input ends; print the ms of each."""
    request = urllib.request.Request(f"{url}api/status", headers={"Authorization": f"token {TOKEN}"})
    times: list[float] = []
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    while not ended.wait(0.01):
        begin = time.perf_counter()
        urllib.request.urlopen(request).read()
        times.append((time.perf_counter() - begin) * 1000)
    print(json.dumps(times))


def main() -> dict[str, float]:
    rates: dict[str, list[float]] = {"ours": [], "naive": [], "cat": []}
    with jupyter() as server, script("naive.py") as port:
        ours(server)  # a first one, so that nothing is imported in the timed ones
        naive(port)
        for _ in range(ROUNDS):
            rates["naive"].append(naive(port))
            rate, data = ours(server)
            check(data)
            rates["ours"].append(rate)
            rates["cat"].append(into_cat())
        command = [sys.executable, "-m", "benchmarks.throughput", server.url]
        watcher = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        time.sleep(1)
        for _ in range(ROUNDS):
            ours(server)
        waits = json.loads(watcher.communicate()[0])
    ratios = [a / b for a, b in zip(rates["ours"], rates["naive"], strict=True)]
    return {
        "throughput: ours, lines/s (median)": median(rates["ours"]),
        "throughput: naive Tornado SSE, lines/s (median)": median(rates["naive"]),
        "throughput: ours / naive (median of rounds)": median(ratios),
        "throughput: ours / naive (least of rounds)": min(ratios),
        f"{LINES:,} lines, child to client: ours, s (median)": median(LINES / rate for rate in rates["ours"]),
        f"{LINES:,} lines, child to client: child | cat > /dev/null, s (median)": median(
            LINES / rate for rate in rates["cat"]
        ),
        "GET /api/status meanwhile, ms (p99)": quantiles(waits, n=100)[98],
        "GET /api/status meanwhile, ms (median)": median(waits),
    }


if __name__ == "__main__":
    if len(sys.argv) > 1:
        other_requests(sys.argv[1])
    else:
        print(json.dumps(main(), indent=1))
