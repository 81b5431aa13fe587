"""Runners come from a fork server: fast, detached, with the server's current limits, and again after it has died."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.running import Bench, alive, runners
from support.waiting import eventually

from jupyter_logstream.backends.protocol import CannotLaunch


def fork_server(bench: Bench) -> int:
    """The pid of the process at the other end of the control socket: the one that has it as standard input."""
    control = bench.backend._launcher._control
    assert control is not None
    here = os.readlink(f"/proc/self/fd/{control.fileno()}")
    ours = int(here.removeprefix("socket:[").removesuffix("]"))
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (entry / "cmdline").read_bytes()
            inode = os.readlink(entry / "fd/0")
        except OSError:
            continue
        near = abs(int(inode.removeprefix("socket:[").removesuffix("]")) - ours) if inode.startswith("socket:") else 0
        if b"fork_server" in arguments and near == 1:  # both ends of a pair are made at once
            return int(entry.name)
    raise AssertionError("no fork server")


def ancestors(pid: int) -> list[int]:
    """The parent, its parent ... of a process."""
    found = []
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])
        found.append(pid)
    return found


async def test_a_runner_is_found_by_its_folder_and_is_outside_the_servers_process_tree(bench: Bench) -> None:
    job = await bench.start("read x", stdin=True)
    await eventually(lambda: len(runners(job.folder)) == 1)  # the process between two forks can still be there
    (runner,) = runners(job.folder)
    assert os.getpid() not in ancestors(runner)
    assert os.getsid(runner) == runner
    await job.send(b"", eof=True)
    await job.end()


async def test_launches_continue_after_the_fork_server_was_killed(bench: Bench) -> None:
    first = await bench.start("read x", stdin=True)
    os.kill(fork_server(bench), signal.SIGKILL)
    second = await bench.run("echo again")
    assert second.lines() == ["again"]
    await first.send(b"", eof=True)  # the runners of the dead one live on
    assert (await first.end()).state == "failed"


async def test_the_fork_server_ends_with_its_server_and_its_runners_do_not(bench: Bench) -> None:
    job = await bench.start("read x; echo end", stdin=True)
    pid = fork_server(bench)
    bench.backend._launcher._give_up()
    await eventually(lambda: not alive(pid))
    await job.send(b"go\n")
    assert (await job.end()).state == "succeeded"


async def test_a_workload_has_the_resource_limits_of_its_start(bench: Bench) -> None:
    await bench.run("true")
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (4096, hard))
    try:
        low = await bench.run(["sh", "-c", "ulimit -c"])
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    assert low.lines() == ["8"]  # blocks of 512 bytes
    assert (await bench.run(["sh", "-c", "ulimit -c"])).lines() != ["8"]


async def test_a_runner_that_fails_before_it_is_ready_is_reported_with_its_last_line(bench: Bench) -> None:
    await bench.run("true")
    folder = bench.store.folder("broken")
    folder.path.mkdir()
    (folder.path / "spec.json").write_text("[]")
    with pytest.raises(CannotLaunch, match="is not a JSON object"):
        await bench.backend._launcher.launch(folder)
    assert runners(folder) == []


async def test_a_fork_server_that_cannot_start_is_reported_with_its_last_line(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_logstream.backends.launcher._PACKAGE", "/nowhere")
    with pytest.raises(CannotLaunch, match="No module named 'jupyter_logstream'"):
        await bench.start("true")


def test_a_runner_finds_all_modules_for_its_first_line_in_the_fork_server(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from jupyter_logstream.runner import fork_server\n"
        "from jupyter_logstream.store.disk.writer import LogWriter\n"
        "before = set(sys.modules)\n"
        "LogWriter(Path(sys.argv[1]), keep=1 << 20).write('stdout', b'ERROR: no space\\n', 0)\n"
        "print(sorted(set(sys.modules) - before))"
    )
    written = subprocess.run([sys.executable, "-c", program, tmp_path], check=True, capture_output=True, text=True)
    assert written.stdout == "[]\n"
    assert list(tmp_path.glob("index*"))  # the line was indexed
