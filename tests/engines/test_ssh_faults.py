"""Faults between this server and a machine over ssh: no line is missing or double, and nothing runs twice."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from support.process_table import children_of, command_line, with_argument
from support.tcp_proxy import proxied
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.tcp_proxy import TcpProxy

LINES = 3000
CANARY = f"i=1; while [ $i -le {LINES} ]; do echo canary $i; i=$((i+1)); [ $((i % 10)) = 0 ] && sleep 0.02; done; true"


def assert_complete(server, workload) -> None:
    written = (server.folder(workload).path / "stdout.000").read_text().splitlines()
    assert written == [f"canary {i}" for i in range(1, LINES + 1)]
    assert server.engine.get(workload).lines == LINES


@pytest.fixture
def proxy(gpu1) -> Iterator[TcpProxy]:
    with proxied(gpu1.port) as made:
        gpu1.connect_to(made.port)
        gpu1.kill_connections()
        yield made
    gpu1.connect_to(gpu1.port)
    gpu1.kill_connections()


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A disk of 24 MiB that has the folder of the other machine."""
    there = tmp_path / "there"
    there.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "tmpfs", there], check=False)
    if made.returncode:
        pytest.skip("this user may not mount a disk: a full disk of another machine is not tested")
    yield there
    subprocess.run(["umount", "-l", there], check=True)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as ballast, suppress(OSError):
        while True:
            ballast.write(b"x" * 4096)


async def test_connection_that_is_killed_again_and_again_loses_no_line(over_ssh, gpu1):
    server = over_ssh()
    workload = await server.start(CANARY)
    kills, before = 0, 0
    while not server.engine.get(workload).status.final:
        if (lines := len(server.lines(workload))) > before:  # it is connected
            kills += gpu1.kill_connections() > 0
            before = lines
        await asyncio.sleep(0.02)
    assert kills >= 3
    assert server.engine.get(workload).status.state == "succeeded"
    assert_complete(server, workload)


async def test_ssh_server_that_stops_for_a_while_loses_no_line(over_ssh, gpu1):
    server = over_ssh()
    workload = await server.start(CANARY)
    await eventually(lambda: len(server.lines(workload)))
    gpu1.stop()
    await eventually(lambda: server.engine.get(workload).link)
    assert server.engine.get(workload).status.state == "running"
    folder = server.there / "jobs" / workload
    await eventually(lambda: '"succeeded"' in (folder / "status.json").read_text())
    gpu1.start()
    assert (await server.end(workload)).state == "succeeded"
    assert_complete(server, workload)


async def test_delays_stalls_and_cuts_lose_no_line(over_ssh, proxy):
    server = over_ssh()
    proxy.behave(delay=0.2)
    workload = await server.start(CANARY)
    await eventually(lambda: len(server.lines(workload)))
    proxy.behave(block=True)
    before = len(server.lines(workload))
    await asyncio.sleep(1)
    proxy.behave()
    await eventually(lambda: len(server.lines(workload)) > before)
    proxy.cut(reset=True, streams=False)
    assert (await server.end(workload)).state == "succeeded"
    assert_complete(server, workload)


async def test_full_disk_of_the_other_machine_makes_the_program_wait_and_loses_no_line(small_disk, over_ssh):
    server = over_ssh()
    await server.run("true")  # takes the runner there
    workload = await server.start(CANARY)
    await eventually(lambda: len(server.lines(workload)))
    fill(small_disk / "ballast")
    before = -1
    while (now := len(server.lines(workload))) > before:  # a page of the disk may have been free
        before = now
        await asyncio.sleep(1)
    assert now < LINES
    assert server.engine.get(workload).status.state == "running"
    (small_disk / "ballast").unlink()
    assert (await server.end(workload)).state == "succeeded"
    assert_complete(server, workload)


async def test_runner_that_is_killed_is_lost_and_its_lines_are_here(over_ssh):
    server = over_ssh()
    workload = await server.start("for i in 1 2 3; do echo canary $i; done; sleep 4713.5")
    await eventually(lambda: len(server.lines(workload)) == 3)
    status = server.registry.status(workload)[0]
    (runner,) = [pid for pid in all_pids() if status.pid in children_of(pid)]
    os.kill(runner, 9)
    final = await server.end(workload)
    assert (final.state, final.error) == ("lost", "its runner was killed")
    assert server.lines(workload) == ["canary 1", "canary 2", "canary 3"]
    await eventually(lambda: with_argument("sleep 4713.5") == [])


async def test_folder_that_was_deleted_there_is_lost_with_the_lines_that_came(over_ssh, gpu1):
    server = over_ssh()
    workload = await server.start("echo canary; sleep 600")
    await eventually(lambda: server.lines(workload) == ["canary"])
    gpu1.stop()
    for pid in with_argument(str(server.there)):
        os.kill(pid, 9)
    shutil.rmtree(server.there)
    gpu1.start()
    final = await server.end(workload)
    assert final.state == "lost"
    assert server.lines(workload) == ["canary"]


async def test_workloads_share_one_connection_and_need_one_process_each(over_ssh, gpu1):
    server = over_ssh()
    workloads = [await server.start(f"echo {i}; read x", stdin=True) for i in range(8)]
    for workload in workloads:
        await eventually(lambda: len(server.lines(workload)) == 1)  # noqa: B023 - awaited at once
    ours = [pid for pid in with_argument(str(gpu1.config)) if command_line(pid).startswith("ssh")]
    assert len(ours) <= len(workloads) + 2
    for workload in workloads:
        await server.engine.send(workload, b"", eof=True)
    for workload in workloads:
        await server.end(workload)


def all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]
