"""What grows with the log, and with the number of workloads: one row per size, each beside the smallest.

Also the server's memory after it has passed ten million lines on, how often a quiet workload wakes anybody, and what
taking in costs beside `child | cat > /dev/null`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from jupyter_logstream.model.ids import IdSource

from .fanout import connect
from .machine import HERE, Server, jupyter, plain_environment
from .readers import resident

LINES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
WORKLOADS = (10, 100, 1_000, 10_000)
MANY = 10_000_000
ROUNDS = 9


def emitted(server: Server, lines: int) -> str:
    """The id of an ended workload of so many lines, of 100 bytes each."""
    command = [sys.executable, str(HERE / "emit.py"), str(lines)]
    job: str = server.call("POST", "logstream/v1/workloads", {"command": command, "tty": False})["id"]
    while server.call("GET", f"logstream/v1/workloads/{job}")["state"] in {"queued", "running"}:
        time.sleep(0.1)
    return job


def answer_ms(server: Server, path: str) -> float:
    """Milliseconds that an answer takes (the median)."""
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        server.call("GET", f"logstream/v1/{path}")
        times.append((time.perf_counter() - begin) * 1000)
    return median(times)


def stream_end_ms(server: Server, job: str) -> float:
    """Milliseconds until a stream's last line has come, opened at the end of the log (the median)."""
    times = []
    for _ in range(ROUNDS):
        begin, got = time.perf_counter(), b""
        with connect(server.port, f"/logstream/v1/logs/stream?scope=job&job_id={job}") as client:
            while b"event: done" not in got:
                got += client.recv(1 << 18)
        times.append((time.perf_counter() - begin) * 1000)
    return median(times)


def of_lines() -> dict[str, float]:
    results: dict[str, float] = {}
    with jupyter(f"--LogStream.log_bytes={1 << 31}") as server:
        for lines in LINES:
            job = emitted(server, lines)
            name = f"a log of {lines:,} lines"
            results[f"{name}: its end by the stream, ms"] = stream_end_ms(server, job)
            path = f"workloads/{job}"
            results[f"{name}: a page from the middle, ms"] = answer_ms(server, f"{path}/records?offset={lines // 2}")
            results[f"{name}: summary, ms"] = answer_ms(server, f"{path}/summary")
        before = resident(server)
        with connect(server.port, f"/logstream/v1/events?stream=workload/{job}") as client:
            tail = b""
            while b"event: done" not in tail:
                tail = (tail + client.recv(1 << 18))[-8192:]
        results[f"server: growth after {MANY:,} lines read, MB"] = (resident(server) - before) / 1024
    return results


def of_workloads() -> dict[str, float]:
    results: dict[str, float] = {}
    with TemporaryDirectory() as temporary:
        store = Path(temporary, "store")
        with jupyter(f"--LogStream.store_dir={store}") as server:
            pattern = emitted(server, 10)
        took = _started(store)
        for count in WORKLOADS:
            _copy(store / "streams", pattern, count)
            started = _started(store)
            with jupyter(f"--LogStream.store_dir={store}") as server:
                page = answer_ms(server, "workloads")
            name = f"{count:,} workloads"
            results[f"{name}: start of the server takes more, s"] = started - took
            results[f"{name}: a page of the list, ms"] = page
    return results


def _started(store: Path) -> float:
    """Seconds until a server with this store answers."""
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        with jupyter(f"--LogStream.store_dir={store}"):
            times.append(time.perf_counter() - begin)
    return min(times)


def _copy(streams: Path, pattern: str, upto: int) -> None:
    ids = IdSource()
    for _ in range(upto - len(list(streams.iterdir()))):
        shutil.copytree(streams / pattern, streams / ids.new())


def quiet() -> dict[str, float]:
    """Wake-ups per second for a silent workload without readers."""
    with jupyter() as server:
        job = server.call("POST", "logstream/v1/workloads", {"command": "echo begun; exec sleep 600", "tty": False})
        time.sleep(8)
        command = server.call("GET", f"logstream/v1/workloads/{job['id']}")
        assert command["state"] == "running"
        runners = [int(p.parent.name) for p in Path("/proc").glob("[0-9]*/cmdline") if job["id"].encode() in _read(p)]
        before, own = sum(map(_switches, runners)), _switches(server.process.pid)
        time.sleep(20)
        woken, servers = sum(map(_switches, runners)) - before, _switches(server.process.pid) - own
        server.call("POST", f"logstream/v1/workloads/{job['id']}/cancel")
    assert runners, "the runner was not found"
    return {
        "a quiet workload: wake-ups of its runner a second": woken / 20,
        "a quiet workload: wake-ups of the whole Jupyter server a second": servers / 20,
    }


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _switches(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("voluntary_ctxt")).split()[1])


def taking_in(lines: int = 1_000_000) -> dict[str, float]:
    """Seconds from a workload's first line until its log is whole, beside the same child piped into cat."""
    ratios, mine, theirs = [], [], []
    command = [sys.executable, str(HERE / "emit.py"), str(lines)]
    with jupyter() as server:
        server.call("DELETE", f"logstream/v1/workloads/{emitted(server, lines)}")
        for _ in range(5):
            begin = time.perf_counter()
            with subprocess.Popen(command, stdout=subprocess.PIPE, env=plain_environment()) as child:
                subprocess.run(["cat"], stdin=child.stdout, stdout=subprocess.DEVNULL, check=True)
            theirs.append(time.perf_counter() - begin)
            job = emitted(server, lines)
            workload = server.call("GET", f"logstream/v1/workloads/{job}")
            server.call("DELETE", f"logstream/v1/workloads/{job}")  # its pages are used again: no fresh memory is timed
            mine.append((workload["ended"] - workload["started"]) / 1000)
            ratios.append(mine[-1] / theirs[-1])
    return {
        f"taking in {lines:,} lines: ours, s": median(mine),
        f"taking in {lines:,} lines: child | cat > /dev/null, s": median(theirs),
        "taking in: ours / cat": median(ratios),
    }


def main() -> dict[str, float]:
    return {**taking_in(), **quiet(), **of_lines(), **of_workloads()}


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
