"""A killed runner of followed files is started again and continues where it was: no line is missing or there twice."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.followed_files import append, busy_writer, follow, shows, waits
from support.running import runners
from support.waiting import eventually

from jupyter_logstream.backends import follower_restarts
from jupyter_logstream.backends.follow_roots import resolve_follow
from jupyter_logstream.backends.launcher import Launcher
from jupyter_logstream.backends.protocol import CannotLaunch
from jupyter_logstream.runner.followed_positions import PositionJournal
from jupyter_logstream.store.disk.folder import Folder

if TYPE_CHECKING:
    from support.running import Bench, Job


async def kill(job: Job) -> None:
    """Kill the runner, without a watch that starts another one."""
    runner = job.runner
    os.kill(runner, signal.SIGKILL)
    await eventually(lambda: not job.folder.is_locked())


@contextlib.asynccontextmanager
async def watched(job: Job) -> AsyncIterator[None]:
    """Watch the workload, as the server does."""
    watching = asyncio.ensure_future(job.end())
    try:
        yield
    finally:
        while not watching.done():  # repeatedly: wait_for() may swallow a cancellation (Python before 3.12, gh-86296)
            watching.cancel()
            await asyncio.wait([watching], timeout=0.1)


async def test_lines_written_while_no_runner_lived_follow_once(bench: Bench, logs: Path) -> None:
    append(logs / "a.log", b"one\nhal")
    job = await follow(bench, logs, "a.log", tail=1)
    await eventually(lambda: job.bytes() == b"hal")
    await kill(job)
    append(logs / "a.log", b"f\ntwo\n")
    async with watched(job):
        await shows(job, "half", "two")
        append(logs / "a.log", b"three\n")
        await shows(job, "half", "two", "three")
        started = job.status.started
        await job.cancel(1)
        await eventually(lambda: job.status.state == "cancelled")
    assert job.status.started == started
    assert job.lines("system") == []


async def test_a_file_without_lines_goes_on_at_its_former_end(bench: Bench, logs: Path) -> None:
    append(logs / "a.log", b"old\n")
    job = await follow(bench, logs, "a.log", "absent", tail=0)
    await waits(job, "waiting for absent")
    await kill(job)
    append(logs / "a.log", b"new\n")
    append(logs / "absent", b"all\n")
    async with watched(job):
        await eventually(lambda: sorted(job.lines("stdout")) == ["all", "new"])


async def test_files_renamed_meanwhile_are_read_to_their_end_first(bench: Bench, logs: Path) -> None:
    append(logs / "a.log", b"one\n")
    append(logs / "b.log", b"b1\n")
    job = await follow(bench, logs, "*.log")
    await shows(job, "one", "b1")
    await kill(job)
    append(logs / "a.log", b"two\n")
    (logs / "a.log").rename(logs / "a.log.1")
    append(logs / "a.log", b"three\n")
    append(logs / "b.log", b"b2\n")
    append(logs / "c.log", b"c1\n")
    async with watched(job):
        await eventually(lambda: len(job.lines("stdout")) == 6)
        append(logs / "a.log.1", b"late\n")
        await eventually(lambda: len(job.lines("stdout")) == 7)
    found = [(record.step, record.message) for record in job.records() if record.source == "stdout"]
    assert [message for step, message in found if step == "a.log"] == ["one", "two", "three", "late"]
    assert [message for step, message in found if step == "b.log"] == ["b1", "b2"]
    assert found[-1:] + [one for one in found if one[0] == "c.log"] == [("a.log", "late"), ("c.log", "c1")]
    assert job.lines("system") == []


async def test_files_renamed_one_after_the_other_are_read_in_their_order(bench: Bench, logs: Path) -> None:
    append(logs / "a.log", b"1a\n")
    job = await follow(bench, logs, "a.log")
    await shows(job, "1a")
    (logs / "a.log").rename(logs / "a.log.2")
    before = job.folder.positions.read_bytes()
    append(logs / "a.log", b"")
    await eventually(lambda: job.folder.positions.read_bytes() != before)  # it has opened the second file
    append(logs / "a.log.2", b"1b\n")  # the last that it reads
    await shows(job, "1a", "1b")
    await kill(job)
    append(logs / "a.log.2", b"1c\n")
    append(logs / "a.log", b"2\n")
    (logs / "a.log").rename(logs / "a.log.1")
    append(logs / "a.log", b"3\n")
    async with watched(job):
        await shows(job, "1a", "1b", "1c", "2", "3")
    assert job.lines("system") == []


async def test_a_closed_file_that_a_glob_matches_is_not_read_again(bench: Bench, logs: Path) -> None:
    append(logs / "a.log", b"one\n")
    job = await follow(bench, logs, "a.log*")
    await shows(job, "one")
    (logs / "a.log").rename(logs / "a.log.1")
    append(logs / "a.log", b"two\n")
    await shows(job, "one", "two")
    await kill(job)
    async with watched(job):
        append(logs / "a.log", b"three\n")
        await shows(job, "one", "two", "three")


@pytest.mark.parametrize("how", ["truncated", "removed", "rotated twice"])
async def test_what_was_lost_while_no_runner_lived_is_reported(bench: Bench, logs: Path, how: str) -> None:
    append(logs / "a.log", b"one\n")
    job = await follow(bench, logs, "a.log")
    await shows(job, "one")
    await kill(job)
    if how == "truncated":
        os.truncate(logs / "a.log", 0)
    elif how == "removed":
        append(logs / "new", b"")  # before the removal, so it has another inode
        (logs / "new").rename(logs / "a.log")
    else:
        (logs / "a.log").rename(logs / "a.log.2")
        append(logs / "a.log.1", b"between\n")
    append(logs / "a.log", b"two\n")
    async with watched(job):
        await shows(job, "one", "two")
    (report,) = job.lines("system")
    assert report.startswith({
        "truncated": "a.log was truncated or replaced after 4 bytes of it were read, while nothing followed it",
        "removed": "the file a.log of which 4 bytes were read is gone",
        "rotated twice": "a.log was rotated more than once between two checks: a.log.1 was not read",
    }[how])  # fmt: skip


async def test_a_secret_that_the_kill_cut_is_masked(bench: Bench, logs: Path) -> None:
    resolved = resolve_follow({"paths": ["a.log"]}, str(logs), [str(logs)])
    job = await bench.start("follow", cwd=str(logs), tty=False, follow=resolved)
    append(logs / "a.log", b"Authorization: Bearer ")
    await eventually(lambda: b"Authorization" in job.bytes())
    await kill(job)
    append(logs / "a.log", b"abcdefghijklmnopqrstuvwxyz0123456789\n")
    async with watched(job):
        await shows(job, "Authorization: Bearer ***")


async def test_a_timeout_counts_the_time_without_a_runner(bench: Bench, logs: Path) -> None:
    append(logs / "a.log", b"one\n")
    resolved = resolve_follow({"paths": ["a.log"]}, str(logs), [str(logs)])
    job = await bench.start("follow", cwd=str(logs), timeout=3600, follow=resolved)
    await shows(job, "one")
    await kill(job)
    status = job.status
    job.folder.write_status(replace(status, started=(status.started or 0) - 3_600_000))
    assert (await job.end()).state == "timed_out"


async def test_a_cancel_that_the_kill_interrupts_is_carried_out(bench: Bench, logs: Path) -> None:
    append(logs / "a.log", b"one\n")
    job = await follow(bench, logs, "a.log")
    await shows(job, "one")
    await kill(job)
    job.folder.write_status(replace(job.status, reason="stopping"))
    append(logs / "a.log", b"two\n")
    assert (await job.end()).state == "cancelled"
    assert job.lines() == ["one", "two"]
    assert not job.folder.positions.exists()


async def test_a_cancel_while_no_runner_lives_reaches_the_next_one(bench: Bench, logs: Path) -> None:
    append(logs / "a.log", b"one\n")
    job = await follow(bench, logs, "a.log")
    await shows(job, "one")
    await kill(job)
    ending = asyncio.ensure_future(job.end())
    await job.cancel(1)
    assert (await ending).state == "cancelled"


async def test_a_runner_with_a_fault_of_its_own_is_lost_with_the_reason(bench: Bench, logs: Path) -> None:
    append(logs / "a.log", b"one\n")
    job = await follow(bench, logs, "a.log")
    await shows(job, "one")
    await kill(job)
    job.folder.runner_log.write_text("MemoryError\n")
    status = await job.end()
    assert (status.state, status.error) == ("lost", "its runner failed: MemoryError")
    assert job.lines() == ["one"]


async def test_a_runner_that_is_killed_again_and_again_is_lost(
    bench: Bench, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower_restarts, "_MAX_RESTARTS", 2)
    monkeypatch.setattr(follower_restarts, "_RESTARTS_WINDOW_S", 3600.0)
    job = await follow(bench, logs, "a.log")
    ending = asyncio.ensure_future(job.end())
    for _ in range(3):
        (runner,) = await eventually(lambda: runners(job.folder))
        os.kill(runner, signal.SIGKILL)
        await eventually(lambda runner=runner: ending.done() or runners(job.folder) not in ([], [runner]))
    assert ((await ending).state, (await ending).error) == ("lost", "its runner was killed")


@pytest.mark.parametrize(("paths", "seed"), [(["a.log"], 1), (["*.log"], 2), (["a.log*"], 3)])
async def test_kills_at_random_moments_lose_and_double_no_line_of_a_rotated_file(
    bench: Bench, logs: Path, paths: list[str], seed: int
) -> None:
    moments = random.Random(seed)
    job = await follow(bench, logs, *paths)
    finish = await busy_writer(logs, "anew")
    await eventually(job.bytes)
    async with watched(job):
        for number in range(8):
            runner = job.runner
            os.kill(runner, signal.SIGKILL)
            for _ in range(moments.randrange(3)):
                await asyncio.sleep(moments.random() / 50)
            (logs / "a.log").rename(logs / f"a.log.{number}")
            await eventually((logs / "a.log").exists)
            first = await eventually(lambda: (logs / "a.log").read_bytes().partition(b"\n")[0])
            await eventually(lambda first=first: first + b"\n" in job.bytes())
        count = await finish()
        await eventually(lambda: job.bytes("stdout").count(b"\n") >= count)
    assert sorted(job.bytes("stdout").splitlines()) == sorted(b"line %d" % n for n in range(count))
    assert job.lines("system") == []


async def test_a_runner_that_is_killed_while_it_starts_is_started_again(
    bench: Bench, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(logs / "a.log", b"one\n")
    job = await follow(bench, logs, "a.log")
    await shows(job, "one")
    launch, failures = Launcher.launch, [CannotLaunch(None, "the runner did not start: it was killed")]

    async def fail_once(launcher: Launcher, folder: Folder) -> None:
        if failures:
            raise failures.pop()
        await launch(launcher, folder)

    monkeypatch.setattr(Launcher, "launch", fail_once)
    await kill(job)
    append(logs / "a.log", b"two\n")
    async with watched(job):
        await shows(job, "one", "two")
    assert failures == []


async def test_a_second_kill_before_anything_was_read_doubles_no_bytes(bench: Bench, logs: Path) -> None:
    data = b"x" * 2_000_000  # a line that is longer than one read, so reading it again takes a while
    append(logs / "a.log", data)
    job = await follow(bench, logs, "a.log")
    await eventually(lambda: job.bytes() == data)
    await kill(job)
    before = job.folder.positions.read_bytes()
    async with watched(job):
        await eventually(lambda: job.folder.positions.read_bytes() != before)
    await kill(job)
    append(logs / "a.log", b"\n")
    async with watched(job):
        await eventually(lambda: b"\n" in job.bytes())
    assert job.bytes() == data + b"\n"


async def test_another_runner_begins_at_the_last_line_however_much_was_read_before(bench: Bench, logs: Path) -> None:
    job = await follow(bench, logs, "a.log")
    append(logs / "a.log", b"a line of 20 bytes.\n" * 200_000 + b"half")
    await eventually(lambda: job.bytes().endswith(b".\nhalf"))
    await kill(job)
    (position,) = PositionJournal(job.folder).restored or []
    assert (position.offset - position.base, position.done) == (4, 4)


async def test_what_can_follow_again_after_a_power_cut_is_reported(bench: Bench, logs: Path) -> None:
    append(logs / "a.log", b"one\n")
    job = await follow(bench, logs, "a.log")
    await shows(job, "one")
    await kill(job)
    job.folder.positions.write_bytes(b"")
    async with watched(job):
        await shows(job, "one", "one")
    assert job.lines("system") == ["the files of the last 4 bytes before this line are unknown: they may follow again"]
