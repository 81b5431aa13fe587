"""The runner itself: small, robust against invalid requests, never blocked by readers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import resource
import signal
import socket
import stat
from pathlib import Path
from typing import Any

import pytest
from support.paths import ROOT
from support.programs import PYTHON
from support.running import Bench, alive, maps, memory
from support.waiting import eventually

from jupyter_logstream.wire.runner_socket import socket_path


async def test_a_killed_runner_makes_the_workload_lost_and_its_output_stays(bench: Bench) -> None:
    for tty in True, False:
        job = await bench.start("echo first; printf half; sleep 600", tty=tty)
        await job.waits_for_output("first")
        await eventually(lambda job=job: job.bytes() == b"first\nhalf")
        pid = job.status.pid or 0
        os.kill(job.runner, signal.SIGKILL)
        status = await job.end()
        assert (status.state, status.exit_code) == ("lost", None)
        assert status.error
        bench.store.finish(job.folder.id)
        assert job.lines() == ["first", "half"]
        assert bench.store.read(job.folder.id, 0, 0).closed
        await eventually(lambda pid=pid: not alive(pid))  # without its runner it could not be reached


async def test_terminal_signals_and_the_end_of_its_starter_do_not_end_the_runner(bench: Bench) -> None:
    job = await bench.start("echo ready; read x; echo $x", stdin=True)
    await job.waits_for_output("ready")
    for number in signal.SIGINT, signal.SIGHUP, signal.SIGTERM:
        os.kill(job.runner, number)
    await job.send(b"on\n")
    assert (await job.end()).state == "succeeded"
    assert job.lines() == ["ready", "on"]


@pytest.mark.parametrize(
    "data",
    [
        b"garbage\n", b"[]\n", b'{"do": 5}\n', b'{"do": "cancel"}\n', b'{"do": "cancel", "grace": "x"}\n', b"\xff\n",
        b'{"do": "input", "size": -5}\n', b'{"do": "input", "size": "a"}\n', b"x" * 10_000,
    ],
)  # fmt: skip
async def test_invalid_requests_on_its_socket_do_not_end_the_runner(bench: Bench, data: bytes) -> None:
    job = await bench.start("echo ready; read x; echo $x", stdin=True)
    await job.waits_for_output("ready")
    with socket.socket(socket.AF_UNIX) as client:
        with socket_path(job.folder.control) as path:
            client.connect(path)
        client.sendall(data)
        client.settimeout(1)
        with contextlib.suppress(OSError):
            client.recv(100)
    await job.send(b"on\n")
    assert (await job.end()).state == "succeeded"


async def test_only_its_user_can_reach_the_runner(bench: Bench) -> None:
    job = await bench.start("read x", stdin=True)
    assert stat.S_IMODE(job.folder.control.stat().st_mode) == 0o600
    assert stat.S_IMODE(job.folder.path.stat().st_mode) == 0o700
    assert stat.S_IMODE((job.folder.path / "spec.json").stat().st_mode) == 0o600
    await job.send(b"", eof=True)
    await job.end()


async def test_the_runner_is_small_and_imports_no_framework(bench: Bench) -> None:
    job = await bench.start("seq 1 20000; read x", stdin=True)
    await job.waits_for_output("20000")
    assert memory(job.runner) < 25 * 1024 * 1024
    loaded = maps(job.runner)
    await job.send(b"", eof=True)
    await job.end()
    assert "_ssl" not in loaded
    code = (
        "import sys\nbefore = set(sys.modules)\nimport jupyter_logstream.runner.__main__\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & "
        "{'asyncio', 'tornado', 'IPython', 'jupyter_server', 'traitlets', 'httpx', 're2', 'http', 'ssl', 'zmq'}))"
    )
    job = await bench.run([PYTHON, "-c", code], env={"PYTHONPATH": str(ROOT)})
    assert job.lines() == ["[]"]


async def test_a_workload_needs_no_reader(bench: Bench) -> None:
    for tty in True, False:
        job = await bench.run("head -c 10000000 /dev/zero | tr '\\0' 'x' | fold -w 99", tty=tty)
        assert job.status.state == "succeeded"
        assert job.bytes().replace(b"\n", b"") == b"x" * 10_000_000


async def test_a_huge_line_is_retained_whole_in_constant_memory(bench: Bench) -> None:
    size = 30_000_000
    command = f"head -c {size} /dev/zero | tr '\\0' x; echo; echo next; read x"
    job = await bench.start(command, tty=False, stdin=True)
    await eventually(lambda: bench.store.read(job.folder.id, 0, 0).end and job.records()[-1].message == "next", 60)
    assert memory(job.runner) < 35 * 1024 * 1024
    await job.send(b"", eof=True)
    await job.end()
    *parts, following = job.records()
    assert sum(len(r.message) for r in parts) == size
    assert all(r.part for r in parts[:-1])
    assert not parts[-1].part
    assert following.message == "next"
    assert job.bytes() == b"x" * size + b"\nnext\n"


@pytest.mark.parametrize("tty", [True, False])
async def test_every_byte_is_retained_as_written(bench: Bench, tmp_path: Path, tty: bool) -> None:
    data = bytes(range(256)) * 20 + random.Random(2).randbytes(200_000) + "\u2028\u2029\x85\ufeffü\n\n\r\n\r".encode()
    (tmp_path / "data").write_bytes(data)
    job = await bench.run(["cat", str(tmp_path / "data")], tty=tty)
    assert job.bytes("stdout") == data
    assert all(isinstance(r.message, str) for r in job.records())


async def test_valid_text_written_byte_by_byte_is_read_as_text(bench: Bench) -> None:
    code = "import os\nfor b in 'grüße €\U0001f600\\n'.encode() * 20: os.write(1, bytes([b]))"
    job = await bench.run([PYTHON, "-c", code])
    assert job.lines() == ["grüße €\U0001f600"] * 20


async def test_a_progress_bar_is_one_record_and_all_its_bytes(bench: Bench) -> None:
    code = "import sys\nfor i in range(20000): sys.stdout.write('\\r%d' % i); sys.stdout.flush()\nprint('\\rdone')"
    for tty in True, False:
        job = await bench.run([PYTHON, "-c", code], tty=tty)
        assert job.lines() == ["done9"]  # as on a terminal: a carriage return does not erase the longer text
        assert job.bytes() == b"".join(b"\r%d" % i for i in range(20000)) + b"\rdone\n"


async def test_a_full_disk_makes_the_child_wait_and_loses_nothing(tmp_path: Path) -> None:
    import resource  # noqa: PLC0415

    bench = Bench(tmp_path / "store")
    try:
        job = await bench.start("seq 1 20000; read x; seq 20001 60000; read x", stdin=True, tty=False)
        await job.waits_for_output("20000")
        runner = job.runner
        before = resource.prlimit(runner, resource.RLIMIT_FSIZE)
        size = (job.folder.path / "stdout.000").stat().st_size
        resource.prlimit(runner, resource.RLIMIT_FSIZE, (size + 50_001, before[1]))
        await job.send(b"\n")
        await asyncio.sleep(1)
        assert alive(runner)
        assert job.status.state == "running"
        assert [int(line) for line in job.lines()] == list(range(1, len(job.lines()) + 1))
        resource.prlimit(runner, resource.RLIMIT_FSIZE, before)
        await job.waits_for_output("60000")
        await job.send(b"\n")
        assert (await job.end()).state == "succeeded"
        assert job.bytes() == b"".join(b"%d\n" % i for i in range(1, 60001))
        assert job.lines() == [str(i) for i in range(1, 60001)]
    finally:
        bench.close()


async def test_a_flood_leaves_bounded_bytes_on_disk_and_reports_its_first_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = 130 * 1024 * 1024
    bench = Bench(tmp_path / "store", keep=keep)
    try:
        job = await bench.run("yes " + "x" * 4000 + " | head -c 300000000", tty=False)
        batch = bench.store.read(job.folder.id, 0, 1)
        assert batch.first > 1
        assert bench.store.size(job.folder.id) < keep + 70 * 1024 * 1024
        assert batch.messages == ["x" * 4000]
        assert list(batch.seqs) == [batch.first]
    finally:
        bench.close()


async def test_starting_a_runner_costs_little_more_than_starting_python(bench: Bench) -> None:
    async def cpu_seconds(work: Any) -> float:
        """CPU time of the processes that were started and reaped meanwhile: independent of the load of the machine."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        await work
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    async def python() -> None:
        process = await asyncio.create_subprocess_exec(PYTHON, "-c", "import json, subprocess, selectors, socket")
        await process.wait()

    await bench.start("exit 0")
    ours, bare = [], []
    for _ in range(9):
        ours.append(await cpu_seconds(bench.start("exit 0")))
        bare.append(await cpu_seconds(python()))
    assert min(ours) < 3 * min(bare)
