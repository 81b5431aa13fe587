"""What every backend promises, as tests: subclass `BackendContract` and provide the fixture `bench`. Test support.

`bench` is a `Workbench` whose workloads run on this machine, however they get there.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.programs import PYTHON
from support.running import alive
from support.waiting import eventually

from jupyter_logstream.backends.protocol import CannotSend

if TYPE_CHECKING:
    from support.workbench import Workbench

EVERY_BYTE = bytes(range(256)) * 3


class BackendContract:
    """Tests of a backend; each starts real workloads."""

    async def test_output_keeps_its_exact_bytes_and_sources(self, bench: Workbench, tmp_path: Path) -> None:
        (tmp_path / "bytes").write_bytes(EVERY_BYTE)
        run = await bench.run(f"cat {tmp_path}/bytes; printf 'no line end' >&2", tty=False)
        assert (run.bytes("stdout"), run.bytes("stderr")) == (EVERY_BYTE, b"no line end")
        assert run.lines("stderr") == ["no line end"]

    async def test_records_have_levels_steps_and_totals(self, bench: Workbench) -> None:
        run = await bench.run("echo a; echo 'ERROR: b' >&2; echo WARNING c")
        levels = {record.message: record.level for record in run.records()}
        assert levels == {"a": "unknown", "ERROR: b": "error", "WARNING c": "warn"}
        assert run.summary["lines"] == 3
        assert run.summary["levels"] == {"unknown": 1, "error": 1, "warn": 1}

    async def test_exit_codes_and_signals_are_recorded(self, bench: Workbench) -> None:
        for command, state, code, number in [
            ("exit 0", "succeeded", 0, None),
            ("exit 7", "failed", 7, None),
            ("kill -9 $$", "failed", None, 9),
        ]:
            status = await (await bench.start(command)).end()
            assert (status.state, status.exit_code, status.signal) == (state, code, number)

    async def test_a_command_that_is_not_found_fails_with_the_reason(self, bench: Workbench) -> None:
        status = await (await bench.start(["no-such-program-of-the-tests"])).end()
        assert status.state == "failed"
        assert "command not found" in str(status.error)

    async def test_a_second_launch_finds_the_first(self, bench: Workbench, tmp_path: Path) -> None:
        run = bench.create(f"echo run >> {tmp_path}/runs; sleep 0.3")
        await run.launch()
        await run.launch()
        await bench.restart()
        await run.launch()  # as after a server was killed between the launch and its answer
        assert (await run.end()).state == "succeeded"
        assert (tmp_path / "runs").read_text() == "run\n"

    async def test_cancel_ends_the_whole_tree(self, bench: Workbench, tmp_path: Path) -> None:
        far = tmp_path / "far"
        code = (
            "import fcntl, os, signal, time\n"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "if os.fork() == 0:\n"
            "    os.setsid()\n"
            "    if os.fork(): os._exit(0)\n"
            f"    held = open({str(far)!r} + '.new', 'w')\n"
            "    fcntl.flock(held, fcntl.LOCK_EX)\n"
            f"    os.rename({str(far)!r} + '.new', {str(far)!r})\n"
            "    time.sleep(600)\n"
            "time.sleep(600)\n"
        )
        run = await bench.start([PYTHON, "-c", code])
        await eventually(far.exists)
        pid = (await run.running()).pid or 0
        assert _is_locked(far)  # not by its pid, which a container numbers for itself
        await run.cancel(0.2)
        status = await run.end()
        assert (status.state, status.signal) == ("cancelled", 9)
        await eventually(lambda: not alive(pid) and not _is_locked(far))
        await run.cancel(0.2)  # of an ended workload does nothing

    async def test_a_timeout_ends_it(self, bench: Workbench) -> None:
        status = await (await bench.start("sleep 600", timeout=0.3)).end()
        assert status.state == "timed_out"

    async def test_standard_input_reaches_the_child(self, bench: Workbench) -> None:
        run = await bench.start("cat; echo end", stdin=True, tty=False)
        await run.running()
        await eventually(lambda: run.sightings)
        await run.send(b"one\n")
        await run.send(b"two\n", eof=True)
        assert (await run.end()).state == "succeeded"
        assert run.bytes("stdout") == b"one\ntwo\nend\n"

    async def test_input_that_no_child_takes_is_refused(self, bench: Workbench) -> None:
        run = await bench.start("echo ready; sleep 600")
        await run.waits_for_output("ready")
        with pytest.raises(CannotSend) as refused:
            await run.send(b"x")
        assert refused.value.reason == "no_stdin"
        await run.cancel(0.1)
        await run.end()

    async def test_it_has_two_terminals_or_none(self, bench: Workbench) -> None:
        code = "import sys; print(sys.stdout.isatty(), sys.stderr.isatty()); print('err', file=sys.stderr)"
        for tty in True, False:
            run = await bench.run([PYTHON, "-c", code], tty=tty)
            assert run.lines("stdout") == [f"{tty} {tty}"]
            assert run.lines("stderr") == ["err"]

    async def test_its_environment_is_on_no_command_line(self, bench: Workbench) -> None:
        run = await bench.start("echo $LETTERS; sleep 600", env={"LETTERS": "abc" * 9})
        await run.waits_for_output("abc" * 9)
        assert "abc" * 9 not in "".join(_command_lines())
        await run.cancel(0.1)
        await run.end()

    async def test_secrets_are_masked_before_they_are_stored(self, bench: Workbench) -> None:
        run = await bench.run("echo key is $MY_API_KEY", env={"MY_API_KEY": "k3y-of-the-tests"})
        assert b"k3y-of" not in run.bytes("stdout")
        assert run.summary["masked"] == 1

    async def test_a_restart_while_it_runs_loses_nothing(self, bench: Workbench) -> None:
        run = await bench.start("for i in 1 2 3 4 5 6 7 8 9 10; do echo line $i; sleep 0.1; done; exit 3")
        await run.waits_for_output("line 2")
        await bench.restart()
        status = await run.end()
        assert (status.state, status.exit_code) == ("failed", 3)
        assert run.lines() == [f"line {i}" for i in range(1, 11)]

    async def test_a_workload_that_ended_while_the_server_was_down_is_found(self, bench: Workbench) -> None:
        run = await bench.start("echo begun; sleep 0.5; echo more; exit 4")
        pid = (await run.running()).pid or 0
        await bench.restart()
        await eventually(lambda: not alive(pid))
        status = await run.end()
        assert (status.state, status.exit_code) == ("failed", 4)
        assert run.lines() == ["begun", "more"]

    async def test_a_killed_runner_is_lost_with_all_its_lines(self, bench: Workbench) -> None:
        run = await bench.start("seq 1000; echo ready; sleep 600")
        pid = (await run.running()).pid or 0
        await run.waits_for_output("ready")
        os.kill(run.runner, signal.SIGKILL)
        status = await run.end()
        assert status.state == "lost"
        assert "killed" in status.reason
        assert run.lines()[:1001] == [*map(str, range(1, 1001)), "ready"]
        await eventually(lambda: not alive(pid))

    async def test_output_of_descendants_after_the_end_is_kept(self, bench: Workbench) -> None:
        run = await bench.run("echo before; (sleep 2.5; echo late) &", tty=False)
        await asyncio.wait_for(run.complete(), 60)
        assert "late" in run.lines("stdout")

    async def test_forget_leaves_nothing(self, bench: Workbench) -> None:
        run = await bench.run("echo x")
        await asyncio.wait_for(run.complete(), 60)
        await run.forget()
        await run.forget()
        await bench.restart()
        await run.forget()


def _is_locked(path: Path) -> bool:
    """Whether a process holds the lock of a file."""
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _command_lines() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return found
