"""Reading a finished log of a million lines: as records beside a naive Tornado handler, as bytes beside nginx and cat.

Each figure is the median of ROUNDS, the peers in turn.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from .fanout import LINE_BYTES
from .machine import HERE, TOKEN, Server, jupyter, read_to_end, script
from .nginx import missing, nginx

LINES, ROUNDS = 1_000_000, 5
MEGABYTES = LINES * LINE_BYTES / 1e6


def finished(server: Server) -> str:
    """The id of a workload that has printed the lines and ended."""
    command = [sys.executable, str(HERE / "emit.py"), str(LINES)]
    job: str = server.call("POST", "logstream/v1/workloads", {"command": command, "tty": False})["id"]
    while server.call("GET", f"logstream/v1/workloads/{job}")["state"] in {"queued", "running"}:
        time.sleep(0.2)
    return job


def seconds(port: int, path: str, marker: bytes) -> float:
    """How long it takes to read a stream to its end."""
    begin = time.time()
    data, end = read_to_end(port, path, marker)
    assert marker in data, "it was cut"
    return end - begin


def download(port: int, path: str) -> float:
    """Seconds for a file of the log's size. Its bytes are counted, not kept."""
    begin, got, room = time.perf_counter(), 0, bytearray(1 << 20)
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(f"GET {path} HTTP/1.0\r\nAuthorization: token {TOKEN}\r\n\r\n".encode())
        while size := sock.recv_into(room):
            got += size
    assert got > LINES * LINE_BYTES, f"{got} bytes came"
    return time.perf_counter() - begin


def cat(path: Path) -> float:
    """Seconds that `cat` takes to put the file into a pipe that is read."""
    begin = time.perf_counter()
    with subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while process.stdout.read1(1 << 20):
            pass
    return time.perf_counter() - begin


def main() -> dict[str, float]:
    times: dict[str, list[float]] = {}
    with ExitStack() as opened:
        files = Path(opened.enter_context(TemporaryDirectory()))
        with (files / "log.txt").open("wb") as file:
            subprocess.run([sys.executable, str(HERE / "emit.py"), str(LINES)], stdout=file, check=True)
        server = opened.enter_context(jupyter())
        naive = opened.enter_context(script("naive.py"))
        static = None if missing() else opened.enter_context(nginx(files, files))
        job = finished(server)
        logs = f"/logstream/v1/workloads/{job}"
        for _ in range(ROUNDS):
            measured = {
                "records": seconds(server.port, f"/logstream/v1/events?stream=workload/{job}", b"event: done"),
                "simple": seconds(server.port, f"{logs}/logs", b"event: done"),
                "naive": seconds(naive, f"/?file={files}/log.txt", b"event: done"),
                "log.txt": download(server.port, f"{logs}/log.txt"),
                "cat": cat(files / "log.txt"),
                **({"nginx": download(static[0], "/files/log.txt")} if static else {}),
            }
            for name, duration_s in measured.items():
                times.setdefault(name, []).append(duration_s)
    took = {name: median(values) for name, values in times.items()}
    results = {
        "replay: records by v1/events, a second": LINES / took["records"],
        "replay: records by the simple form, a second": LINES / took["simple"],
        "replay: lines by naive Tornado SSE, a second": LINES / took["naive"],
        "replay: v1/events / naive": took["naive"] / took["records"],
        "replay: simple form / naive": took["naive"] / took["simple"],
        "log.txt: ours, MB/s": MEGABYTES / took["log.txt"],
        "log.txt: cat, MB/s": MEGABYTES / took["cat"],
        "log.txt: ours / cat": took["cat"] / took["log.txt"],
    }
    if "nginx" in took:
        results["log.txt: nginx's static file, MB/s"] = MEGABYTES / took["nginx"]
        results["log.txt: ours / nginx"] = took["nginx"] / took["log.txt"]
    return results


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
