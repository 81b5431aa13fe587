"""Faults between a mirror and its remote end: nothing is missing, double or in another order afterwards."""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import segments
from support.broken_pipes import BreakingBackend, archive_with_small_segments, interpreter_ahead
from support.canary import writer as canary
from support.canary.comparing import compare
from support.running import alive
from support.waiting import eventually
from support.workbench import Workbench

from jupyter_logstream.backends import log_copy
from jupyter_logstream.backends.protocol import CannotReach
from jupyter_logstream.store.disk import replica

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.workbench import Run

pytestmark = pytest.mark.slow

WRITER = str(Path(canary.__file__))
SMALL_SEGMENT_BYTES, SMALL_SEGMENT_ENTRIES = 65536, 1024


@pytest.fixture
def bench(tmp_path: Path, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[Workbench]:
    made = Workbench(tmp_path, lambda context: BreakingBackend("loopback", context, tmp_path / "there"))
    yield made
    jp_asyncio_loop.run_until_complete(made.close())


def canary_command(tmp_path: Path, count: int, rate: int) -> list[str]:
    """Lines "RUN SEQ NS FILLER" of 100 bytes."""
    return [sys.executable, WRITER, "canary", str(count), str(rate), "70", str(tmp_path / "stop"), str(tmp_path / "n")]


def faults(run: Run, sent: int) -> dict[str, int]:
    return compare("canary", sent, run.lines("stdout")).faults


@pytest.mark.parametrize(
    ("count", "rate", "limits"), [(30_000, 0, (150_000, 400_000, 700_000)), (2_000, 1000, (9000,))]
)
async def test_connections_that_break_lose_and_double_nothing(
    bench: Workbench, tmp_path: Path, count: int, rate: int, limits: tuple[int, ...]
) -> None:
    bench.backend.limits = limits
    run = await bench.run(canary_command(tmp_path, count, rate), tty=False)
    assert run.status.state == "succeeded"
    assert faults(run, count) == {}
    assert bench.backend.opened > 4
    assert {sighting.link for sighting in run.sightings} == {"up", "down"}


async def test_a_connection_that_is_lost_is_reported_with_its_reason_and_age(bench: Workbench) -> None:
    run = await bench.start("echo before; sleep 1; echo while down; sleep 600")
    await run.waits_for_output("before")
    begun = time.time() * 1000
    await bench.backend.break_all()
    await eventually(lambda: run.sightings[-1].link == "down" and "No route" in run.sightings[-1].reason)
    down = run.sightings[-1]
    assert down.state == "running"  # a broken connection is no state
    assert begun - 1000 <= down.link_since <= time.time() * 1000
    assert "connection to loopback lost" in down.reason
    with pytest.raises(CannotReach, match="input is not stored"):
        await run.send(b"x")
    bench.backend.is_down = False
    await run.waits_for_output("while down")
    assert run.sightings[-1].link == "up"


async def test_a_cancel_is_kept_while_the_connection_is_lost(bench: Workbench) -> None:
    run = await bench.start("echo ready; sleep 600")
    await run.waits_for_output("ready")
    pid = run.status.pid or 0
    await bench.backend.break_all()
    await eventually(lambda: run.sightings[-1].link == "down")
    await run.cancel(0.2)
    assert alive(pid)
    await bench.restart()  # the request survives the server
    assert (await run.end()).state == "cancelled"
    await eventually(lambda: not alive(pid))


async def test_a_full_disk_of_the_server_pauses_the_mirror(bench: Workbench) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    run = bench.create(["seq", "100000"], tty=False)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))  # of this process: the server's side
    try:
        await asyncio.to_thread(bench.backend.command, "--version")
        await _launch_without_limit(run, before)
        run.watch()
        await eventually(lambda: any("disk of this server is full" in s.reason for s in run.sightings))
        await eventually(lambda: not run.status.final)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (await run.end()).state == "succeeded"
    assert run.bytes() == "".join(f"{i}\n" for i in range(1, 100_001)).encode()


async def _launch_without_limit(run: Run, before: tuple[int, int]) -> None:
    """Only the mirror has the limit: children inherit it."""
    limited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    await run.launch()
    resource.setrlimit(resource.RLIMIT_FSIZE, limited)


async def test_a_replica_that_was_changed_is_repaired_before_the_end(bench: Workbench, tmp_path: Path) -> None:
    run = await bench.start(f"seq 20000; echo ready; while [ ! -e {tmp_path}/go ]; do sleep 0.1; done")
    await run.waits_for_output("ready")
    for name in "stdout.000", "index.000":
        fd = os.open(run.folder.path / name, os.O_WRONLY)
        os.pwrite(fd, b"damage!", 4096)
        os.close(fd)
    (tmp_path / "go").touch()
    assert (await run.end()).state == "succeeded"
    assert run.lines() == [*map(str, range(1, 20_001)), "ready"]


async def test_a_clock_that_is_an_hour_ahead_is_corrected(bench: Workbench, tmp_path: Path) -> None:
    python = interpreter_ahead(tmp_path, 3600)
    bench._make = lambda context: BreakingBackend("loopback", context, tmp_path / "there", python=python)
    await bench.restart()
    run = await bench.run("echo x; echo y")
    await run.complete()
    now = time.time() * 1000
    assert all(abs(record.ts - now) < 120_000 for record in run.records())
    assert abs((run.status.started or 0) - now) < 120_000
    assert abs((run.status.ended or 0) - now) < 120_000
    assert not bench.backend.there(run.id).path.exists()  # it was verified


async def test_a_text_that_a_login_shell_prints_is_skipped(bench: Workbench, tmp_path: Path) -> None:
    python = tmp_path / "noisy"
    python.write_text(f'#!/bin/sh\n[ "$3" = serve ] && echo "Welcome to gpu1"\nexec {sys.executable} "$@"\n')
    python.chmod(0o700)
    bench._make = lambda context: BreakingBackend("loopback", context, tmp_path / "there", python=str(python))
    await bench.restart()
    assert (await bench.run("echo x")).lines() == ["x"]


async def test_a_remote_folder_that_is_gone_is_lost(bench: Workbench) -> None:
    run = await bench.start("echo ready; sleep 600")
    await run.waits_for_output("ready")
    await bench.backend.break_all()
    pid = run.status.pid
    run.kill()
    await eventually(lambda: not alive(pid or 0))
    there = bench.backend.there(run.id).path
    there.rename(there.with_name("elsewhere"))
    bench.backend.is_down = False
    status = await run.end()
    assert (status.state, status.reason) == ("lost", "its folder there is gone")
    assert run.lines() == ["ready"]


# --- retention on the other machine ---------------------------------------------------------------------------------


@pytest.fixture
def small(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    """A log limit of five segments of 64 KiB."""
    segments.shrink(monkeypatch, SMALL_SEGMENT_BYTES, SMALL_SEGMENT_ENTRIES)
    for module in log_copy, replica:
        monkeypatch.setattr(module, "SEGMENT", SMALL_SEGMENT_BYTES)
    archive_with_small_segments(bench.backend.archive, SMALL_SEGMENT_BYTES, SMALL_SEGMENT_ENTRIES)
    bench.backend._run = type(bench.backend._run)(5 * SMALL_SEGMENT_BYTES)
    return bench


async def test_retention_there_is_followed_here(small: Workbench, tmp_path: Path) -> None:
    count = 12_000  # of 100 bytes
    run = await small.run(canary_command(tmp_path, count, 4000), tty=False)
    assert run.status.state == "succeeded"
    lines = run.lines()
    assert int(lines[-1].split()[1]) == count
    first = int(lines[0].split()[1])
    assert first > 1
    assert [int(line.split()[1]) for line in lines] == list(range(first, count + 1))
    assert not (run.folder.path / "stdout.000").exists()


async def test_what_retention_took_before_it_was_copied_is_counted(small: Workbench, tmp_path: Path) -> None:
    small.backend.is_down = True
    count = 12_000
    run = await small.start(canary_command(tmp_path, count, 4000), tty=False)
    there = small.backend.there(run.id)
    await eventually(lambda: there.read_status()[0].final)
    used = sum(path.stat().st_size for path in there.path.iterdir())
    assert used > 5 * SMALL_SEGMENT_BYTES  # what is not acknowledged stays ...
    assert used < 12 * SMALL_SEGMENT_BYTES  # ... up to a limit
    small.backend.is_down = False
    assert (await run.end()).state == "succeeded"
    records = run.records()
    missing = next(record for record in records if record.source == "system")
    assert "bytes of stdout were no longer available" in missing.message
    lines = [record.message for record in records if record.source == "stdout"]
    assert [int(line.split()[1]) for line in lines] == list(range(count - len(lines) + 1, count + 1))
    assert len(lines) * 100 > 5 * SMALL_SEGMENT_BYTES
