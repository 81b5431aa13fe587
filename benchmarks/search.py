"""Searches of a million lines of 100 bytes by HTTP, beside ripgrep on the same bytes, and other requests meanwhile."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING

from .machine import TOKEN, jupyter

if TYPE_CHECKING:
    from collections.abc import Callable

    from .machine import Server

LINES = 1_000_000
RUNS = 7
WRITE = (
    f"import sys\nfor k in range(0, {LINES}, 10000):\n"
    "    sys.stdout.write(''.join(f'{i:09d} step {i % 977} loss={i % 1000 / 1000:.3f} and so on'.ljust(99, '.') + '\\n'"
    " for i in range(k, k + 10000)))"
)
QUERIES = {
    "text": ("0314159 step", ["--fixed-strings", "--ignore-case", "0314159 step"]),
    "text in every line": ("and so on", ["--fixed-strings", "--ignore-case", "and so on"]),
    "expression": (r"/step \d+7 loss=0\.12\d/", [r"step \d+7 loss=0\.12\d"]),
    "expression that begins a line": ("/^connection/", ["^connection"]),
    "expression in every line": (r"/loss=\d\.\d+ and/", [r"loss=\d\.\d+ and"]),
    "nested repeats": ("/^(.|..)+[?!]$/", ["^(.|..)+[?!]$"]),
}


def timed(call: Callable[[], int]) -> tuple[float, int]:
    """Median of RUNS in seconds, and what the call returned."""
    spent, found = [], 0
    for _ in range(RUNS):
        before = time.perf_counter()
        found = call()
        spent.append(time.perf_counter() - before)
    return median(spent), found


def ours(server: Server, workload: str, q: str) -> int:
    path = f"logstream/v1/workloads/{workload}/records?limit=1&q={urllib.parse.quote(q, safe='')}"
    return int(server.call("GET", path)["total"])


def ripgrep(file: Path, arguments: list[str]) -> int:
    found = subprocess.run(["rg", "--count", "--text", *arguments, str(file)], stdout=subprocess.PIPE, check=False)
    return int(found.stdout or 0)


def meanwhile(server: Server, waits: list[float], ended: threading.Event) -> None:
    """Latency (ms) of small requests, one after the other."""
    while not ended.wait(0.005):
        before = time.perf_counter()
        server.call("GET", "logstream/v1/info")
        waits.append((time.perf_counter() - before) * 1000)


def written(server: Server) -> tuple[str, Path]:
    """A finished workload of LINES lines, and a file of its bytes."""
    started = server.call("POST", "logstream/v1/workloads", {"command": [sys.executable, "-c", WRITE], "tty": False})
    path = f"logstream/v1/workloads/{started['id']}"
    while server.call("GET", path)["state"] in {"queued", "running"}:
        time.sleep(0.1)
    file = server.folder / "log.txt"
    request = urllib.request.Request(f"{server.url}{path}/log.txt", headers={"Authorization": f"token {TOKEN}"})
    with urllib.request.urlopen(request) as reply, file.open("wb") as copy:
        shutil.copyfileobj(reply, copy)
    return started["id"], file


def main() -> dict[str, float]:
    """Run all. Returns name -> value; the name holds the unit."""
    figures: dict[str, float] = {}
    with jupyter() as server:
        workload, file = written(server)
        for name, (q, arguments) in QUERIES.items():
            label = f"search of 1 M lines, {name}"
            figures[f"{label}: ours, s (median)"], found = timed(lambda q=q: ours(server, workload, q))
            if shutil.which("rg"):
                figures[f"{label}: ripgrep, s (median)"], theirs = timed(lambda a=arguments: ripgrep(file, a))
                assert found == theirs, (name, found, theirs)
        waits: list[float] = []
        ended = threading.Event()
        thread = threading.Thread(target=meanwhile, args=(server, waits, ended))
        thread.start()
        for q, _ in QUERIES.values():
            timed(lambda q=q: ours(server, workload, q))
        ended.set()
        thread.join()
        figures["search of 1 M lines: other requests meanwhile, ms (p99)"] = quantiles(waits, n=100)[98]
    return figures


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
