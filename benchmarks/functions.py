"""Functions: `run(function)` until it returns, its process until it runs, a large result, and many at once."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from jupyter_logstream import gather, run

from .machine import Server, jupyter

ROUNDS = 20
RESULT_BYTES = 95_000_000
MANY, AT_ONCE = 200, 2


def now() -> float:
    return time.time()


def square(x: int) -> int:
    return x * x


def large() -> bytearray:
    return bytearray(RESULT_BYTES)


for function in now, square, large:
    function.__module__ = "__main__"  # by value, as a notebook's


def starts() -> dict[str, float]:
    returned, ready, bare = [], [], []
    scale = 3
    run(partial(square, scale)).result()
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        job = run(partial(square, scale))
        returned.append((time.perf_counter() - begin) * 1000)
        job.wait()
        timed = run(now)
        ready.append(timed.result() * 1000 - timed.info["started"])
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        bare.append((time.perf_counter() - begin) * 1000)
    return {
        "run(function) returns after, ms (median)": median(returned),
        "a function's process until it runs, ms (median)": median(ready),
        "python -c pass, ms (median)": median(bare),
    }


def results() -> dict[str, float]:
    job = run(large)
    job.wait()
    ours, peer = [], []
    with TemporaryDirectory() as folder:
        file = Path(folder, "result.pickle")
        for _ in range(5):
            begin = time.perf_counter()
            value = job.result()
            ours.append((time.perf_counter() - begin) * 1000)
            begin = time.perf_counter()
            with file.open("wb") as out:
                pickle.dump(value, out, protocol=5)
            with file.open("rb") as source:
                pickle.load(source)
            peer.append((time.perf_counter() - begin) * 1000)
    return {
        "a result of 95 MB: ours, ms (median)": median(ours),
        "a result of 95 MB: pickle by a file, ms (median)": median(peer),
    }


def many(server: Server) -> dict[str, float]:
    waits: list[float] = []
    done = threading.Event()

    def others() -> None:
        while not done.is_set():
            begin = time.perf_counter()
            server.call("GET", "api/status")
            waits.append((time.perf_counter() - begin) * 1000)
            time.sleep(0.02)

    watcher = threading.Thread(target=others)
    watcher.start()
    begin = time.perf_counter()
    found = gather([run(partial(square, i)) for i in range(MANY)])
    took = time.perf_counter() - begin
    done.set()
    watcher.join()
    assert found == [i * i for i in range(MANY)]
    return {
        f"{MANY} functions, {AT_ONCE} at once: s": took,
        f"{MANY} functions, {AT_ONCE} at once: GET /api/status meanwhile, ms (p99)": quantiles(waits, n=100)[98],
    }


def main() -> dict[str, float]:
    with jupyter(f"--LogStream.max_running={AT_ONCE}") as server:
        os.environ["JUPYTER_LOGSTREAM_SERVER"] = str(server.folder / "data/logstream/1/server.json")
        return {**starts(), **results(), **many(server)}


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
