"""Workloads on Ray: from a line's write in a job to a reader here, by the connection that the runner opens, beside
`ray job logs --follow` of the same lines in the same run; and the time until `run()` has its answer and the first line.

A Ray cluster of one node is started for it, in a network of its own on this machine, so both ends share its processors.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import time
from pathlib import Path
from tempfile import mkdtemp

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import httpx
from support.dial_server import dial_server
from support.elsewhere import Elsewhere
from support.process_table import kill_with_argument
from support.ray_cluster import RayCluster, environment, ray_cluster

from .engines import RATE, SECONDS, TICK, percentiles, starts
from .machine import HERE
from .mirror import waits


async def ours(elsewhere: Elsewhere) -> dict[str, float]:
    workload = await elsewhere.start([sys.executable, str(HERE / "ticks.py"), str(RATE), str(SECONDS)], tty=False)
    return percentiles("Ray", await waits(elsewhere.store, workload, RATE * SECONDS, elsewhere.end(workload)))


async def by_ray_s_command(cluster: RayCluster) -> dict[str, float]:
    """The same program as a plain job, followed by Ray's own command."""
    entrypoint = f"{sys.executable} {HERE / 'ticks.py'} {RATE} {SECONDS}"
    submit = {"url": f"{cluster.address}/api/jobs/", "json": {"entrypoint": entrypoint}}
    job = await asyncio.to_thread(httpx.post, **submit, trust_env=False, timeout=30)
    command = [
        "ip", "netns", "exec", cluster.name, str(environment() / "bin" / "ray"), "job", "logs", "--follow",
        f"--address={cluster.address}", job.json()["submission_id"],
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    found = []
    while data := await process.stdout.read(1 << 20):
        now = time.time_ns()
        found += [(now - int(match[1])) / 1e6 for match in TICK.finditer(data)]
    await process.wait()
    return percentiles("ray job logs --follow", found)


async def on_ray(root: Path, cluster: RayCluster) -> dict[str, float]:
    made: list[Elsewhere] = []
    entry = {"type": "ray", "address": cluster.address, "folder": str(root / "there")}
    with dial_server(cluster.here, lambda: made[0].backend.dial_in) as url:
        made.append(elsewhere := Elsewhere(root / "store", "ray", entry, public_url=lambda _: url))
        try:
            await elsewhere.run("true")
            return {**await starts("Ray", elsewhere), **await ours(elsewhere), **await by_ray_s_command(cluster)}
        finally:
            await elsewhere.stop()


def main() -> dict[str, float]:
    root = Path(mkdtemp(prefix="jls-"))
    try:
        with ray_cluster() as cluster:
            return asyncio.run(on_ray(root, cluster))
    finally:
        kill_with_argument(str(root))
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
