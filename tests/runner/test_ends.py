"""How a workload ends, and its final status."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.running import Bench, runners
from support.waiting import eventually, until


@pytest.mark.parametrize(
    ("command", "state", "exit_code", "number"),
    [
        ("exit 0", "succeeded", 0, None),
        ("exit 3", "failed", 3, None),
        (["true"], "succeeded", 0, None),
        ("kill -SEGV $$", "failed", None, signal.SIGSEGV),
        ("kill -TERM $$", "failed", None, signal.SIGTERM),
        ("kill -40 $$", "failed", None, 40),
        ("exec >&- 2>&-; exit 4", "failed", 4, None),
    ],
    ids=str,
)
async def test_the_final_status_matches_the_exit(
    bench: Bench, command: Any, state: str, exit_code: int | None, number: int | None
) -> None:
    job = await bench.run(command)
    assert (job.status.state, job.status.exit_code, job.status.signal) == (state, exit_code, number)
    assert job.records() == []
    assert job.status.started is not None
    assert job.status.ended is not None
    assert job.status.started <= job.status.ended
    assert bench.store.read(job.folder.id, 0, 0).closed


@pytest.mark.parametrize(
    "made",
    ["none", "directory", "not executable", "bad interpreter", "no program", "missing in a missing folder"],
)
@pytest.mark.parametrize("tty", [True, False])
async def test_a_command_that_cannot_be_started_fails_with_a_cause(
    bench: Bench, tmp_path: Path, made: str, tty: bool
) -> None:
    path = tmp_path / "thing"
    if made == "directory":
        path.mkdir()
    elif made != "none":
        path.write_text(
            {"bad interpreter": "#!/no/such/interpreter\n", "no program": "\0\0\0"}.get(made, "#!/bin/sh\n")
        )
        path.chmod(0o644 if made == "not executable" else 0o755)
    if made.startswith("missing"):
        path = tmp_path / "none" / "thing"
    job = await bench.run([str(path)], tty=tty)
    assert (job.status.state, job.status.exit_code, job.status.signal) == ("failed", None, None)
    assert str(path) in (job.status.error or "")
    assert bench.store.read(job.folder.id, 0, 0).closed
    assert await eventually(lambda: not runners(job.folder))


async def test_a_command_outside_the_path_is_not_found(bench: Bench) -> None:
    job = await bench.run(["no-such-binary"])
    assert job.status.error == "no-such-binary: command not found"
    job = await bench.run("no-such-binary")
    assert (job.status.state, job.status.exit_code) == ("failed", 127)  # the shell ran


async def test_a_relative_directory_as_command_is_reported_as_a_directory(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    job = await bench.run(["./here"], cwd=str(tmp_path))
    assert "is a directory" in (job.status.error or "")


async def test_a_missing_interpreter_is_not_reported_as_a_missing_script(bench: Bench, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    job = await bench.run([str(script)])
    assert "command not found" not in (job.status.error or "")


async def test_an_unfinished_line_before_a_kill_is_retained(bench: Bench) -> None:
    for tty in True, False:
        job = await bench.run("printf abc; kill -9 $$", tty=tty)
        assert (job.status.state, job.status.signal, job.status.exit_code) == ("failed", 9, None)
        assert job.lines() == ["abc"]
        assert job.bytes() == b"abc"


async def test_closing_the_output_does_not_end_a_workload(bench: Bench) -> None:
    job = await bench.start("exec >&- 2>&-; read x; exit 5", stdin=True)
    await eventually(lambda: job.status.state == "running")
    await asyncio.sleep(0.3)
    assert job.status.state == "running"
    await job.send(b"go\n")
    assert (await job.end()).exit_code == 5


async def test_a_grandchild_that_holds_the_output_does_not_delay_the_end_and_is_not_killed_by_it(
    bench: Bench, tmp_path: Path
) -> None:
    sign = tmp_path / "sign"
    gate = tmp_path / "gate"
    late = f"while [ ! -e {gate} ]; do sleep 0.05; done; echo late; echo late >&2 && echo lived > {sign}"
    for tty in True, False:
        gate.unlink(missing_ok=True)
        sign.unlink(missing_ok=True)
        job = await bench.start(f"echo first; (trap '' HUP; {late}) & exit 0", tty=tty)
        assert (await job.end()).state == "succeeded"
        assert not gate.exists()
        records = job.records()
        assert [r.message for r in records if r.source != "system"] == ["first"]
        assert [r.source for r in records] == ["stdout", "system"]
        ended = job.status
        gate.touch()
        until(sign.exists)  # what it wrote after the end did not end it
        await eventually(lambda job=job: not runners(job.folder))
        assert [r.message for r in job.records()][2:] == ["late", "late"]
        assert job.bytes("stdout") == b"first\nlate\n"
        assert job.status == ended
        assert job.folder.read_status()[1]["lines"] == len(job.records()) == 4


async def test_a_chatty_grandchild_delays_the_end_by_a_bounded_time(bench: Bench) -> None:
    job = await bench.start("(trap '' HUP; while :; do echo tick; sleep 0.1; done) & exit 0")
    assert (await job.end(patience=20)).state == "succeeded"
    assert "system" in {record.source for record in job.records()}  # later output can follow it


async def test_all_output_before_the_exit_is_retained(bench: Bench) -> None:
    for tty in True, False:
        job = await bench.run("seq 1 30000; seq 1 5000 >&2", tty=tty)
        assert job.lines("stdout") == [str(i) for i in range(1, 30001)]
        assert job.lines("stderr") == [str(i) for i in range(1, 5001)]


async def test_late_output_is_counted_when_the_log_is_complete(bench: Bench, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    late = f"while [ ! -e {gate} ]; do sleep 0.05; done; echo late"
    job = await bench.start(f"(trap '' HUP; {late}) & exit 0")
    await job.end()
    assert job.lines()[:1] != ["late"]
    complete = asyncio.ensure_future(bench.backend.log_complete(job.folder.id))
    gate.touch()
    await complete
    assert job.lines()[-1] == "late"
    assert job.folder.read_status()[1]["lines"] == len(job.records()) == 2


async def test_the_time_for_late_output_is_bounded(bench: Bench) -> None:
    bench.backend._run = replace(bench.backend._run, linger_s=0.2)
    job = await bench.start("(trap '' HUP PIPE; while :; do echo tick; sleep 0.02; done) & exit 0")
    assert (await job.end(patience=20)).state == "succeeded"
    await eventually(lambda: not runners(job.folder))
    system = next(record for record in job.records() if record.source == "system")
    assert "0.2 s" in system.message
