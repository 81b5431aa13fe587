"""Workloads in Kubernetes: from a line's write in a pod to a reader here, by `kubectl exec`, beside `kubectl logs -f`
of the same pod, which writes each line to its own log too; and the time until `run()` has an answer and a line.

A cluster of one node is started for it on this machine, so both ends and the cluster's daemons share its processors.
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

from support.container_images import PYTHON_IMAGE
from support.elsewhere import Elsewhere
from support.kubernetes_client import HOST_NETWORK
from support.kubernetes_cluster import KubernetesCluster, kubernetes_cluster

from .engines import POLL_S, RATE, SECONDS, TICK, percentiles, starts
from .machine import HERE
from .mirror import waits

# Process 1 is the runner's; what it prints is the pod's own log.
_TICKS = f"python3 ticks.py {RATE} {SECONDS} | tee /proc/1/fd/1"


async def by_kubectl_logs(cluster: KubernetesCluster, pod: str) -> list[float]:
    command = ["kubectl", f"--kubeconfig={cluster.kubeconfig}", "logs", "--follow", pod]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    found: list[float] = []
    while len(found) < RATE * SECONDS and (data := await process.stdout.read(1 << 20)):
        now = time.time_ns()
        found += [(now - int(match[1])) / 1e6 for match in TICK.finditer(data)]
    process.kill()
    await process.wait()
    return found


async def pod_of(cluster: KubernetesCluster) -> str:
    """The pod that runs: there is one."""
    path = "jsonpath={.items[?(@.status.phase=='Running')].metadata.name}"
    while not (pod := cluster.kubectl("get", "pods", "-o", path)):  # noqa: ASYNC110 - another program's state
        await asyncio.sleep(POLL_S)
    return pod


async def latency(elsewhere: Elsewhere, cluster: KubernetesCluster) -> dict[str, float]:
    command = f"read begin; {_TICKS}"
    workload = await elsewhere.start(command, tty=False, stdin=True, files=["ticks.py"], files_from=str(HERE))
    beside = asyncio.ensure_future(by_kubectl_logs(cluster, await pod_of(cluster)))
    while elsewhere.engine.get(workload).status.state != "running":  # noqa: ASYNC110 - as a user sees it
        await asyncio.sleep(POLL_S)
    await elsewhere.engine.send(workload, b"begin\n", eof=True)
    ours = await waits(elsewhere.store, workload, RATE * SECONDS, elsewhere.end(workload))
    return {**percentiles("Kubernetes", ours), **percentiles("kubectl logs -f", await beside)}


async def in_kubernetes(root: Path, cluster: KubernetesCluster) -> dict[str, float]:
    entry = {"type": "kubernetes", "kubeconfig": str(cluster.kubeconfig), "image": PYTHON_IMAGE}
    elsewhere = Elsewhere(root / "store", "k8s", {**entry, "options": {"manifest": HOST_NETWORK}})
    try:
        await elsewhere.run("true")
        found = await starts("Kubernetes", elsewhere)
        while cluster.kubectl("get", "pods", "-o", "name"):  # noqa: ASYNC110 - their deletion takes processor time
            await asyncio.sleep(POLL_S)
        return {**found, **await latency(elsewhere, cluster)}
    finally:
        await elsewhere.stop()


def main() -> dict[str, float]:
    root = Path(mkdtemp(prefix="jlsk"))  # Docker's sockets need short paths
    try:
        (root / "c").mkdir()
        with kubernetes_cluster(root / "c") as cluster:
            return asyncio.run(in_kubernetes(root, cluster))
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
