"""From a line's write to its reader at 1,000 lines a second; ours beside naive Tornado SSE and sse-starlette.

And with a thousand readers of 100 lines a second: whether all get all, how late, and what other requests notice.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from statistics import median, quantiles

from .fanout import WAITING, connect, cpu_seconds, go
from .machine import HERE, Server, jupyter, script
from .readers import resident

RATE, SECONDS = 1000, 10
READERS, SLOW_RATE, SLOW_SECONDS = 1000, 100, 20
_TIME = re.compile(rb"\b(\d{19}) \d{6}")


def waits(client: socket.socket, lines: int) -> list[float]:
    """Milliseconds that each line took."""
    found: list[float] = []
    rest = b""
    while len(found) < lines:
        data = client.recv(1 << 18)
        now = time.time_ns()
        assert data, f"cut after {len(found)} of {lines} lines"
        rest += data
        times = list(_TIME.finditer(rest))
        found += [(now - int(one[1])) / 1e6 for one in times]
        rest = rest[times[-1].end() :] if times else rest
    return found


def start(server: Server, rate: int, seconds: int) -> str:
    command = [sys.executable, str(HERE / "ticks.py"), str(rate), str(seconds)]
    job: str = server.call("POST", "logstream/v1/workloads", {"command": command, "tty": False})["id"]
    return job


def of_one_reader() -> dict[str, float]:
    results: dict[str, float] = {}
    with jupyter() as server, script("naive.py") as naive, script("starlette_peer.py") as starlette:
        ways = {
            "simple form": "/logstream/v1/workloads/{job}/logs",
            "v1/events": "/logstream/v1/events?stream=workload/{job}",
            "v1/logs/stream": "/logstream/v1/logs/stream?scope=job&job_id={job}&after=0",
        }
        for name, path in ways.items():
            job = start(server, RATE, SECONDS)
            results.update(_quantiles(name, waits(connect(server.port, path.format(job=job)), RATE * SECONDS)))
        peer = f"/?rate={RATE}&seconds={SECONDS}"
        results.update(_quantiles("naive Tornado", waits(connect(naive, peer), RATE * SECONDS)))
        results.update(_quantiles("sse-starlette", waits(connect(starlette, peer), RATE * SECONDS)))
    return results


def _quantiles(name: str, found: list[float]) -> dict[str, float]:
    found = found[RATE:]  # the first second is the start of a process
    return {
        f"latency, {RATE:,} lines/s, {name}: p50, ms": median(found),
        f"latency, {RATE:,} lines/s, {name}: p99, ms": quantiles(found, n=100)[98],
    }


def of_a_thousand_readers() -> dict[str, float]:
    """In one process, so the readers' own work is in their figures; the server's are its own."""
    lines = SLOW_RATE * SLOW_SECONDS
    with jupyter() as server, ExitStack() as opened:
        start(server, 1, 1)
        time.sleep(2)
        before = resident(server)
        command = [sys.executable, "-c", WAITING, str(HERE / "ticks.py"), str(SLOW_RATE), str(SLOW_SECONDS)]
        job = server.call("POST", "logstream/v1/workloads", {"command": command, "tty": False, "stdin": True})["id"]
        path = f"/logstream/v1/events?stream=workload/{job}"
        clients = [opened.enter_context(connect(server.port, path)) for _ in range(READERS)]
        while server.call("GET", "logstream/v1/info")["open_streams"] < READERS:
            time.sleep(0.1)
        go(server, job)
        command = [sys.executable, "-m", "benchmarks.throughput", server.url]
        watcher = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        used, begin = cpu_seconds(server.process.pid), time.monotonic()
        late = _Readers(clients).run()
        cpu = (cpu_seconds(server.process.pid) - used) / (time.monotonic() - begin)
        most = resident(server)
        api = json.loads(watcher.communicate()[0])
    complete = sum(1 for count in late.counts if count == lines)
    return {
        f"{READERS:,} readers of {SLOW_RATE} lines/s: complete": complete,
        f"{READERS:,} readers: line to reader, p50, ms": median(late.waits),
        f"{READERS:,} readers: line to reader, p99, ms": quantiles(late.waits, n=100)[98],
        f"{READERS:,} readers: GET /api/status meanwhile, p99, ms": quantiles(api, n=100)[98],
        f"{READERS:,} readers: kB of the server each": (most - before) / READERS,
        f"{READERS:,} readers: CPU of the server, %": cpu * 100,
    }


class _Readers:
    """Counts each reader's lines; of every tenth reader it also notes how late they came."""

    def __init__(self, clients: list[socket.socket]) -> None:
        self.clients = clients
        self.counts = [0] * len(clients)
        self.waits: list[float] = []

    def run(self) -> _Readers:
        threads = [threading.Thread(target=self._read, args=(range(at, len(self.clients), 4),)) for at in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self

    def _read(self, mine: range) -> None:
        import selectors  # noqa: PLC0415 - each thread's own

        selector, tails = selectors.DefaultSelector(), dict.fromkeys(mine, b"")
        for i in mine:
            selector.register(self.clients[i], selectors.EVENT_READ, i)
        while tails:
            for key, _ in selector.select(60):
                i = key.data
                data = self.clients[i].recv(1 << 18)
                now = time.time_ns()
                text = tails[i] + data
                times = list(_TIME.finditer(text))
                self.counts[i] += len(times)
                if i % 10 == 0:
                    self.waits += [(now - int(one[1])) / 1e6 for one in times]
                tails[i] = text[times[-1].end() :] if times else text
                if not data or b"event: done" in text:
                    selector.unregister(self.clients[i])
                    del tails[i]


def main() -> dict[str, float]:
    return {**of_one_reader(), **of_a_thousand_readers()}


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
