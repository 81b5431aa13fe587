"""Faults of a real Kubernetes cluster in mid-run: no line is missing or double, and no running workload is lost."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.elsewhere import Elsewhere
    from support.kubernetes_cluster import KubernetesCluster

pytestmark = [pytest.mark.kubernetes, pytest.mark.slow, pytest.mark.timeout(600)]

LINES = 3000
COUNT = f"i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo line $i; sleep 0.01; done"
"""Prints about 70 lines a second for some 40 seconds."""


def kill_pipes(kubernetes: KubernetesCluster) -> int:
    """Kill the `kubectl exec` processes that carry the logs of this cluster; returns how many."""
    killed = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"exec" in arguments and f"--kubeconfig={kubernetes.kubeconfig}".encode() in arguments:
            os.kill(int(path.parent.name), signal.SIGKILL)
            killed += 1
    return killed


def lines(server: Elsewhere, workload: str) -> list[str]:
    """All lines of a log."""
    found: list[str] = []
    after = 0
    while len(batch := server.store.read(workload, after, 5000)):
        found += batch.messages
        after = batch.records()[-1].seq
    return found


EXPECTED = [f"line {i}" for i in range(1, LINES + 1)]


async def test_cut_connections_lose_and_repeat_no_line(
    kubernetes: KubernetesCluster, in_kubernetes: Callable[..., Elsewhere]
) -> None:
    server = in_kubernetes()
    workload = await server.start(COUNT)
    cuts = 0
    await eventually(lambda: len(server.lines(workload)) > 50, 60)
    while not server.engine.get(workload).status.final:
        cuts += kill_pipes(kubernetes)
        await asyncio.sleep(5)
    status = server.engine.get(workload).status
    assert (status.state, status.exit_code) == ("succeeded", 0)
    assert cuts >= 3
    assert lines(server, workload) == EXPECTED


async def test_api_server_that_is_down_is_a_lost_connection_and_no_lost_workload(
    kubernetes: KubernetesCluster, in_kubernetes: Callable[..., Elsewhere]
) -> None:
    server = in_kubernetes()
    workload = await server.start(COUNT)
    await eventually(lambda: len(server.lines(workload)) > 50, 60)
    with kubernetes.without("kube-apiserver"):
        await eventually(lambda: server.engine.get(workload).link is not None, 60)
        await asyncio.sleep(60)  # the time that an update of an API server takes
        assert server.engine.get(workload).status.state == "running"
    await eventually(lambda: server.engine.get(workload).status.final, 180)
    assert server.engine.get(workload).status.state == "succeeded"
    assert lines(server, workload) == EXPECTED
    kubernetes.ready()


async def test_killed_kubelet_that_comes_back_continues_the_log(
    kubernetes: KubernetesCluster, in_kubernetes: Callable[..., Elsewhere]
) -> None:
    server = in_kubernetes()
    workload = await server.start(COUNT)
    await eventually(lambda: len(server.lines(workload)) > 50, 60)
    with kubernetes.without("kubelet"):
        kill_pipes(kubernetes)
        await eventually(lambda: server.engine.get(workload).link is not None, 60)
    await eventually(lambda: server.engine.get(workload).status.final, 180)
    assert server.engine.get(workload).status.state == "succeeded"
    assert lines(server, workload) == EXPECTED
    kubernetes.ready()


async def test_server_that_is_restarted_while_the_pod_starts_finds_the_workload(
    in_kubernetes: Callable[..., Elsewhere],
) -> None:
    first = in_kubernetes()
    workload = await first.start(COUNT)
    await first.stop()
    second = in_kubernetes()
    await second.engine.recover()
    await eventually(lambda: second.engine.get(workload).status.final, 180)
    assert second.engine.get(workload).status.state == "succeeded"
    assert lines(second, workload) == EXPECTED


async def test_evicted_pod_is_a_failure_with_kubernetes_reason(in_kubernetes: Callable[..., Elsewhere]) -> None:
    small = {"volumes": [{"name": "log", "emptyDir": {"sizeLimit": "1Mi"}}], "hostNetwork": True}
    server = in_kubernetes(options={"manifest": {"spec": {"template": {"spec": small}}}})
    fill = "echo begin; read go; head -c 5000000 /dev/zero | tr '\\0' x | fold -w 100; sleep 600"
    workload = await server.start(fill, stdin=True, tty=False)
    await eventually(lambda: "begin" in server.lines(workload), 60)  # the pod gets no time to end
    await server.engine.send(workload, b"go\n", eof=True)
    await eventually(lambda: server.engine.get(workload).status.final, 120)
    status = server.engine.get(workload).status
    assert (status.state, "Evicted" in status.reason) == ("failed", True), status.reason
    assert server.lines(workload)[:1] == ["begin"]


async def test_workload_is_lost_only_when_its_node_is_really_gone(
    kubernetes: KubernetesCluster, in_kubernetes: Callable[..., Elsewhere]
) -> None:
    server = in_kubernetes()
    workload = await server.start("echo begin; sleep 600")
    await eventually(lambda: "begin" in server.lines(workload), 60)
    with kubernetes.without("kubelet"):
        kill_pipes(kubernetes)
        condition = "jsonpath={.items[0].status.conditions[?(@.type=='Ready')].status}"
        await eventually(lambda: kubernetes.kubectl("get", "nodes", "-o", condition) == "Unknown", 60)
        await eventually(lambda: server.engine.get(workload).link is not None, 60)
        assert server.engine.get(workload).status.state == "running"
        kubernetes.kubectl("delete", "nodes", "--all")
        await eventually(lambda: server.engine.get(workload).status.final, 180)
    status = server.engine.get(workload).status
    assert (status.state, "its node is gone" in status.reason) == ("lost", True), status.reason
    first, *_, last = server.lines(workload)
    assert (first, "can be missing" in last) == ("begin", True)
    kubernetes.ready()
