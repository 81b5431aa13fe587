"""Workloads over ssh and in Slurm on loopback: from a line's write there to a reader here, throughput beside
`ssh HOST cat`, the time of `run()` and of the first line, and the processes here of 50 workloads on one host.

An ssh server and a Slurm cluster of one node are started for it; the other machine is this one, so both ends share its
processors.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Awaitable
from pathlib import Path
from statistics import median, quantiles
from tempfile import mkdtemp
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.elsewhere import Elsewhere
from support.process_table import command_line, kill_with_argument, with_argument
from support.slurm_cluster import slurm_cluster
from support.sshd import Sshd, sshd

from .emit import LINE_BYTES
from .machine import HERE
from .mirror import waits

LINES = 1_000_000
RATE, SECONDS = 1000, 10
STARTS = 10
ROUNDS = 3
MANY = 50
POLL_S = 0.002


async def line_waits(elsewhere: Elsewhere, name: str) -> dict[str, float]:
    """Percentiles of the time from a line's write there to a reader here."""
    workload = await elsewhere.start([sys.executable, str(HERE / "ticks.py"), str(RATE), str(SECONDS)], tty=False)
    end: Awaitable[Any] = elsewhere.end(workload)
    found = (await waits(elsewhere.store, workload, RATE * SECONDS, end))[RATE:]
    what = f"{name}, {RATE:,} lines/s: line there to reader here"
    return {f"{what}, p50, ms": median(found), f"{what}, p99, ms": quantiles(found, n=100)[98]}


async def first_line(elsewhere: Elsewhere, workload: str) -> None:
    while not elsewhere.lines(workload):  # noqa: ASYNC110 - as a reader sees it, without a watch
        await asyncio.sleep(POLL_S)


async def starts(elsewhere: Elsewhere) -> dict[str, float]:
    """Milliseconds until `run()` has its answer, and until the first line is here, with a connection that is open."""
    answers, lines = [], []
    for _ in range(STARTS):
        begin = time.perf_counter()
        workload = await elsewhere.start("echo here; read x", stdin=True)
        answers.append(time.perf_counter() - begin)
        await first_line(elsewhere, workload)
        lines.append(time.perf_counter() - begin)
        await elsewhere.engine.send(workload, b"", eof=True)
        await elsewhere.end(workload)
    return {
        "ssh: start of a workload, ms (median)": 1000 * median(answers),
        "ssh: first line here, ms (median)": 1000 * median(lines),
    }


async def throughput(elsewhere: Elsewhere, server: Sshd, plain: Path) -> dict[str, float]:
    """Lines a second from the first line's write there to the verified end here, beside `ssh HOST cat FILE`."""
    ours, cats, cpus = [], [], []
    for _ in range(ROUNDS):
        begin, cpu = time.perf_counter(), time.process_time()
        workload = await elsewhere.start([sys.executable, str(HERE / "emit.py"), str(LINES)], tty=False)
        await elsewhere.end(workload)
        first = int(elsewhere.store.read(workload, 0, 1).messages[0]) / 1e9
        ours.append(time.time() - first)
        cpus.append(time.process_time() - cpu)
        assert elsewhere.store.read(workload, 0, 0).tally().lines == LINES
        begin = time.perf_counter()
        cat = await asyncio.create_subprocess_exec(
            "ssh", *server.options, "gpu1", "cat", str(plain), stdout=asyncio.subprocess.PIPE
        )
        assert cat.stdout is not None
        while await cat.stdout.read(1 << 20):
            pass
        await cat.wait()
        cats.append(time.perf_counter() - begin)
    return {
        "ssh: child there to verified end here, lines/s (median)": LINES / median(ours),
        "ssh: cat of the same bytes, lines/s (median)": LINES / median(cats),
        "ssh: CPU of the server, ms per MB": 1000 * median(cpus) / (LINES * LINE_BYTES / 1e6),
    }


async def processes(elsewhere: Elsewhere, server: Sshd) -> dict[str, float]:
    """ssh processes here while many workloads run on one host."""
    workloads = [await elsewhere.start("echo here; read x", stdin=True) for _ in range(MANY)]
    for workload in workloads:
        await first_line(elsewhere, workload)
    ours = [pid for pid in with_argument(str(server.config)) if command_line(pid).startswith("ssh")]
    for workload in workloads:
        await elsewhere.engine.send(workload, b"", eof=True)
    for workload in workloads:
        await elsewhere.end(workload)
    return {f"ssh: processes here of {MANY} workloads on one host": len(ours)}


async def over_ssh(root: Path, server: Sshd, plain: Path) -> dict[str, float]:
    entry = {"type": "ssh", "host": "gpu1", "folder": str(root / "there"), "ssh_options": server.options}
    elsewhere = Elsewhere(root / "store", "gpu1", entry)
    try:
        await elsewhere.run("true")  # opens the connection and takes the runner there
        return {
            **await starts(elsewhere),
            **await line_waits(elsewhere, "ssh"),
            **await throughput(elsewhere, server, plain),
            **await processes(elsewhere, server),
        }
    finally:
        await elsewhere.stop()


async def in_slurm(root: Path) -> dict[str, float]:
    entry = {"type": "slurm", "partition": "main", "options": {"mem": "50"}, "folder": str(root / "there")}
    elsewhere = Elsewhere(root / "store", "cluster", entry)
    try:
        return await line_waits(elsewhere, "Slurm, srun")
    finally:
        await elsewhere.stop()


def main() -> dict[str, float]:
    results: dict[str, float] = {}
    root = Path(mkdtemp(prefix="jls-"))  # munge's socket needs a short path
    try:
        plain = root / "plain.txt"
        with plain.open("wb") as out:
            subprocess.run([sys.executable, str(HERE / "emit.py"), str(LINES)], stdout=out, check=True)
        with sshd(root / "sshd") as server:
            results.update(asyncio.run(over_ssh(root / "ssh", server, plain)))
        root.chmod(0o755)  # and one that others can enter
        with slurm_cluster(root / "slurm") as cluster:
            os.environ.update(cluster.env)
            results.update(asyncio.run(in_slurm(root / "jobs")))
    finally:
        kill_with_argument(str(root))
        shutil.rmtree(root, ignore_errors=True)
    return results


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
