"""Containers whose daemon, client, supervisor or runner is killed, or that are ended from outside."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.process_table import children_of, command_line
from support.running import alive
from support.waiting import eventually

if TYPE_CHECKING:
    from support.docker_daemon import Docker
    from support.workbench import Run

pytestmark = [pytest.mark.slow, pytest.mark.large]

STEPS = "echo begun; until [ -e go ]; do sleep 0.05; done; echo more; until [ -e end ]; do sleep 0.05; done; exit 5"
"""Goes on when these files are made in its folder."""


async def started(run: Run, box: Docker) -> None:
    """Wait until the engine has recorded that the container runs: one that is killed before forgets it."""
    await run.waits_for_output("begun")
    await eventually(lambda: box.is_running(run.id))


def client_of(run: Run) -> int:
    """The engine's client that waits for the container: a child of the supervisor."""
    return next((pid for pid in children_of(run.status.pid or 0) if " wait " in command_line(pid)), 0)


def processes_in_container(run: Run) -> list[int]:
    """The processes of a workload in another pid namespace than this process."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            is_ours = f"JUPYTER_LOGSTREAM_WORKLOAD={run.id}".encode() in (process / "environ").read_bytes()
            if is_ours and os.readlink(process / "ns/pid") != os.readlink("/proc/self/ns/pid"):
                found.append(int(process.name))
    return found


async def test_killed_daemon_loses_no_line_and_no_exit_code(in_docker, docker, tmp_path):
    run = await in_docker().start(STEPS)
    await started(run, docker)
    docker.kill()
    (tmp_path / "go").touch()
    await run.waits_for_output("more")
    docker.start()
    (tmp_path / "end").touch()
    status = await run.end()
    assert (status.state, status.exit_code) == ("failed", 5)
    assert run.lines("stdout") == ["begun", "more"]


async def test_container_that_ends_while_its_daemon_is_dead_keeps_its_exit_code(in_docker, docker, tmp_path):
    run = await in_docker().start(STEPS)
    await started(run, docker)
    docker.kill()
    (tmp_path / "go").touch()
    (tmp_path / "end").touch()
    await run.waits_for_output("more")
    await run.waits_for_output("docker does not answer")
    docker.start()
    status = await run.end()
    assert (status.state, status.exit_code) == ("failed", 5)
    assert run.lines("stdout") == ["begun", "more"]
    assert docker.containers() == []


async def test_pipes_of_a_killed_daemon_lose_no_line_and_input_continues(in_docker, docker):
    code = "import sys; print('begun', flush=True); [print('got', line, end='', flush=True) for line in sys.stdin]"
    run = await in_docker().start([sys.executable, "-c", code], stdin=True, tty=False)
    await started(run, docker)
    docker.kill()
    await run.waits_for_output("docker does not answer")
    docker.start()
    await run.waits_for_output("docker answers again")
    await run.send(b"late input\n")
    await run.waits_for_output("got late input")
    await run.send(b"last\n", eof=True)
    assert (await run.end()).state == "succeeded"
    assert run.lines("stdout") == ["begun", "got late input", "got last"]


async def test_container_that_the_daemon_forgot_while_it_started_is_killed(in_docker, docker):
    """A daemon that is killed in its start call does not know that the container runs."""
    run = await in_docker().start("echo begun; sleep 600")
    await started(run, docker)
    (pid, *_) = processes_in_container(run)
    docker.command("rm", "--force", run.id)
    assert (await run.end()).state == "failed"
    assert not alive(pid)


async def test_cancel_reaches_a_container_whose_daemon_is_dead(in_docker, docker):
    bench = in_docker()
    run = await bench.start("trap '' TERM; echo begun; while :; do sleep 1; done")
    await started(run, docker)
    pids = processes_in_container(run)
    assert pids
    docker.kill()
    await run.cancel(0.2)
    assert (await run.end()).state == "cancelled"
    await eventually(lambda: not any(alive(pid) for pid in pids))
    docker.start()
    assert await bench.backend.leftovers([run.id]) == [f"container {run.id}"]
    await run.forget()
    assert docker.containers() == []


async def test_killed_client_loses_no_line_and_no_exit_code(in_box, tmp_path):
    run = await in_box().start(STEPS)
    await run.waits_for_output("begun")
    os.kill(await eventually(lambda: client_of(run)), signal.SIGKILL)
    for name in "go", "end":
        (tmp_path / name).touch()
    status = await run.end()
    assert (status.state, status.exit_code) == ("failed", 5)
    assert run.lines("stdout") == ["begun", "more"]


async def test_signals_to_the_workloads_process_reach_the_program(in_box, box):
    """Each once; but podman's init passes on the TERM that a cancel has sent to the program as well."""
    code = (
        "import os, signal, time\n"
        "def show(number, _):\n"
        "    os.write(1, signal.Signals(number).name.encode() + b'\\n')\n"  # print() fails if one interrupts another
        "for number in signal.SIGINT, signal.SIGTERM, signal.SIGUSR1:\n"
        "    signal.signal(number, show)\n"
        "print('up', flush=True)\n"
        "while True: time.sleep(1)\n"
    )
    run = await in_box().start([sys.executable, "-c", code])
    await run.waits_for_output("up")
    for number in signal.SIGINT, signal.SIGUSR1, signal.SIGTERM:
        os.kill(run.status.pid, number)
        await run.waits_for_output(number.name)
    await run.cancel(0.2)
    status = await run.end()
    assert (status.state, status.signal) == ("cancelled", 9)
    names = [line for line in run.lines("stdout") if line]
    assert names[:5] == ["up", "SIGINT", "SIGUSR1", "SIGTERM", "SIGTERM"]
    assert len(names) == 5 or box.program == "podman"


async def test_program_that_ignores_term_is_killed_after_the_grace_time(in_box, box):
    run = await in_box().start("trap '' TERM; echo up; while :; do sleep 1; done")
    await run.waits_for_output("up")
    await run.cancel(0.2)
    status = await run.end()
    assert (status.state, status.signal) == ("cancelled", 9)
    assert box.containers() == []


async def test_killed_supervisor_ends_its_container(in_box, box):
    run = await in_box().start("echo up; sleep 600")
    await run.waits_for_output("up")
    os.kill(run.status.pid, signal.SIGKILL)
    status = await run.end()
    assert (status.state, status.signal) == ("failed", 9)
    assert box.containers() == []


async def test_container_of_a_killed_runner_is_found_after_a_restart_and_removed(in_box, box):
    bench = in_box()
    run = await bench.start("echo up; sleep 600")
    await run.waits_for_output("up")
    await bench.restart()
    os.kill(run.runner, signal.SIGKILL)
    assert await bench.backend.leftovers([]) == [f"container {run.id}"]
    assert (await run.end()).state == "lost"
    assert box.containers() == []


@pytest.mark.parametrize(
    ("action", "number", "error"),
    [
        (["kill"], 9, "ended by signal SIGKILL"),
        (["kill", "--signal=INT"], 2, "ended by signal SIGINT"),
        (["stop", "--time=30"], 15, "ended by signal SIGTERM"),
        (["rm", "--force"], 9, "the container was removed while it ran"),
    ],
    ids=["kill", "interrupt", "stop", "rm"],
)
async def test_container_that_is_ended_from_outside_has_failed_with_the_reason(in_box, box, action, number, error):
    run = await in_box().start("echo up; exec sleep 600")
    await run.waits_for_output("up")
    if action[0] == "rm":
        box.command("kill", run.id) if box.program == "podman" else None
    box.command(*action, run.id)
    status = await run.end()
    assert (status.state, status.signal) == ("failed", number)
    assert status.error in {error, "ended by signal SIGKILL"}
    assert box.containers() == []


async def test_paused_container_can_be_cancelled(in_docker, docker):
    run = await in_docker().start("echo up; sleep 600")
    await run.waits_for_output("up")
    docker.command("pause", run.id)
    await run.cancel(0.2)
    assert (await run.end()).state == "cancelled"
    assert docker.containers() == []


async def test_name_that_is_taken_is_reported_and_the_command_does_not_run(in_box, box, tmp_path):
    run = in_box().create("touch made")
    box.command("create", f"--name={run.id}", "--network=none", "logstream-bare:1", "/bin/sh")
    await run.launch()
    status = await run.end()
    assert status.state == "failed"
    assert "already in use" in str(status.error)
    assert not (tmp_path / "made").exists()
