"""What it costs to start: `run()` until it returns, the runner until its child runs, and the runner's memory."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from statistics import median

from jupyter_logstream import run

from .machine import Server, jupyter

ROUNDS = 30


def runner_of(child: int) -> int:
    """The pid of the runner that started a child."""
    return int(Path(f"/proc/{child}/stat").read_text().rpartition(") ")[2].split()[1])


def memory(pid: int) -> float:
    """Resident megabytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def measure(server: Server) -> dict[str, float]:
    returned, started, resident = [], [], []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        job = run([sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"])
        returned.append((time.perf_counter() - begin) * 1000)
        first = job.wait_for(r"\d+", timeout=30)
        while (workload := server.call("GET", f"logstream/v1/workloads/{job.id}"))["started"] is None:
            time.sleep(0.01)  # on a busy machine the first line may be read before the server has heard of the start
        started.append(workload["started"] - workload["created"])
        resident.append(memory(runner_of(int(first.message))))
        job.cancel()
        job.wait(30)
    return {
        "run() returns after, ms (median)": median(returned),
        "run() returns after, ms (worst)": max(returned),
        "runner: request to child running, ms (median)": median(started),
        "runner: resident, MB (most)": max(resident),
    }


def main() -> dict[str, float]:
    with jupyter() as server:
        os.environ["JUPYTER_LOGSTREAM_SERVER"] = str(server.folder / "data/logstream/1/server.json")
        return measure(server)


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
