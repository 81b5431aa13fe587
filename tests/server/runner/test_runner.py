"""Workloads as their users see them: real processes through the local backend and a file store."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import stat
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from server.running import Bench, alive, maps, memory, runners
from server.waiting import eventually, until

from jupyter_logstream.backends import CannotSend
from jupyter_logstream.control import socket_path

PYTHON = sys.executable


# --- how it ends ------------------------------------------------------------------------------------------------------


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
async def test_the_end_is_told_as_it_was(
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
async def test_what_cannot_be_started_has_failed_with_a_cause(
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


async def test_a_command_that_is_nowhere_in_the_path_is_not_found(bench: Bench) -> None:
    job = await bench.run(["no-such-binary"])
    assert job.status.error == "no-such-binary: command not found"
    job = await bench.run("no-such-binary")
    assert (job.status.state, job.status.exit_code) == ("failed", 127)  # the shell ran


async def test_a_relative_directory_as_command_is_told_as_one(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    job = await bench.run(["./here"], cwd=str(tmp_path))
    assert "is a directory" in (job.status.error or "")


async def test_a_script_whose_interpreter_is_missing_is_not_told_to_be_missing_itself(
    bench: Bench, tmp_path: Path
) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    job = await bench.run([str(script)])
    assert "command not found" not in (job.status.error or "")


async def test_output_before_a_kill_is_kept_though_its_line_never_ended(bench: Bench) -> None:
    for tty in True, False:
        job = await bench.run("printf abc; kill -9 $$", tty=tty)
        assert (job.status.state, job.status.signal, job.status.exit_code) == ("failed", 9, None)
        assert job.lines() == ["abc"]
        assert job.bytes() == b"abc"


async def test_closing_its_output_is_not_the_end(bench: Bench) -> None:
    job = await bench.start("exec >&- 2>&-; read x; exit 5", stdin=True)
    await eventually(lambda: job.status.state == "running")
    await asyncio.sleep(0.3)
    assert job.status.state == "running"
    await bench.backend.send(job.folder, b"go\n")
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
        told = job.records()
        assert [r.message for r in told if r.source != "system"] == ["first"]
        assert [r.source for r in told] == ["stdout", "system"]
        gate.touch()
        until(sign.exists)  # what it wrote after the end did not end it
        assert [r.message for r in job.records()] == [r.message for r in told]
        await eventually(lambda job=job: not runners(job.folder))


async def test_a_chatty_grandchild_delays_the_end_by_a_bounded_time(bench: Bench) -> None:
    job = await bench.start("(trap '' HUP; while :; do echo tick; sleep 0.1; done) & exit 0")
    assert (await job.end(patience=20)).state == "succeeded"
    assert job.records()[-1].source == "system"


async def test_all_that_was_written_before_the_exit_is_there(bench: Bench) -> None:
    for tty in True, False:
        job = await bench.run("seq 1 30000; seq 1 5000 >&2", tty=tty)
        assert job.lines("stdout") == [str(i) for i in range(1, 30001)]
        assert job.lines("stderr") == [str(i) for i in range(1, 5001)]


# --- what it runs in --------------------------------------------------------------------------------------------------


async def test_with_a_terminal_both_outputs_are_terminals_of_a_known_size(bench: Bench) -> None:
    code = "import os,sys; print(sys.stdout.isatty(), sys.stderr.isatty(), sys.stdin.isatty(), *os.get_terminal_size())"
    assert (await bench.run([PYTHON, "-c", code])).lines() == ["True True False 120 40"]
    assert (await bench.run([PYTHON, "-c", code.split(", *", maxsplit=1)[0] + ")"], tty=False)).lines() == [
        "False False False"
    ]


async def test_with_a_terminal_programs_write_colours_and_no_program_pages(bench: Bench) -> None:
    job = await bench.run("ls --color=auto -d /; echo $TERM $PAGER $GIT_PAGER")
    assert "\x1b[" in job.lines()[0]
    assert job.lines()[1] == "xterm-256color cat cat"
    assert job.bytes().count(b"\r") == 0


@pytest.mark.parametrize("tty", [True, False])
async def test_a_python_program_that_does_not_flush_is_live(bench: Bench, tty: bool) -> None:
    assert "PYTHONUNBUFFERED" not in os.environ
    job = await bench.start([PYTHON, "-c", "import sys; print('live'); sys.stdin.read()"], tty=tty, stdin=True)
    await job.says("live")
    assert job.status.state == "running"
    await bench.backend.send(job.folder, b"", eof=True)
    assert (await job.end()).state == "succeeded"


async def test_the_two_outputs_are_told_apart_and_each_is_in_order(bench: Bench) -> None:
    code = "import sys\nfor i in range(300): print('out', i, flush=True); print('err', i, file=sys.stderr, flush=True)"
    for tty in True, False:
        job = await bench.run([PYTHON, "-c", code], tty=tty)
        for source in "out", "err":
            assert job.lines(f"std{source}") == [f"{source} {i}" for i in range(300)]
            assert job.bytes(f"std{source}") == b"".join(b"%s %d\n" % (source.encode(), i) for i in range(300))


async def test_it_runs_where_and_with_what_it_was_told_to(bench: Bench, tmp_path: Path) -> None:
    job = await bench.run("pwd; echo $SAID", cwd=str(tmp_path), env={"SAID": "ü $x 'y'"})
    assert job.lines() == [str(tmp_path), "ü $x 'y'"]


async def test_standard_input_is_empty_unless_asked_for(bench: Bench) -> None:
    job = await bench.run("cat; echo end")
    assert job.lines() == ["end"]
    with pytest.raises(CannotSend):
        await bench.backend.send(job.folder, b"x")


async def test_it_inherits_no_file_and_no_ignored_signal(bench: Bench) -> None:
    job = await bench.run("ls /proc/self/fd | wc -l; grep -E 'SigIgn|SigBlk' /proc/self/status", tty=False)
    count, *masks = job.lines()
    assert int(count) == 4  # its three, and the folder that ls reads
    assert all(int(mask.split()[1], 16) & (1 << 14 | 1 << 1 | 1 << 0 | 1 << 12 | 1 << 16) == 0 for mask in masks)


async def test_a_store_path_too_long_for_a_socket_works(tmp_path: Path) -> None:
    bench = Bench(tmp_path.joinpath(*["a-rather-long-name"] * 8))
    try:
        job = await bench.start("echo here; read x; echo $x", stdin=True)
        assert len(os.fsencode(job.folder.control)) > 108
        await job.says("here")
        await bench.backend.send(job.folder, b"there\n")
        await job.end()
        assert job.lines() == ["here", "there"]
        job = await bench.start("sleep 600")
        await bench.backend.cancel(job.folder, 5)
        assert (await job.end()).state == "cancelled"
    finally:
        bench.close()


# --- cancel and timeout -----------------------------------------------------------------------------------------------


async def test_cancel_ends_it_by_term(bench: Bench) -> None:
    job = await bench.start("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done")
    await job.says("ready")
    await bench.backend.cancel(job.folder, 30)
    assert (await job.end()).state == "cancelled"
    assert job.lines()[-1] == "bye"  # some shells tell of their killed `sleep` before


async def test_cancel_kills_what_ignores_term_with_its_whole_tree(bench: Bench, tmp_path: Path) -> None:
    far = tmp_path / "far"
    code = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork(): os._exit(0)\n"
        f"    open({str(far)!r} + '.new', 'w').write(str(os.getpid()))\n"
        f"    os.rename({str(far)!r} + '.new', {str(far)!r})\n"
        "    time.sleep(600)\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    for closes in "", "os.close(1); os.close(2)\n":
        far.unlink(missing_ok=True)
        closing = (
            code.replace("    time.sleep(600)\nprint", f"    {closes}    time.sleep(600)\nprint") if closes else code
        )
        job = await bench.start([PYTHON, "-c", closing])
        await job.says("ready")
        until(far.exists)
        pids = [int(far.read_text()), job.status.pid or 0]
        assert all(map(alive, pids))
        await bench.backend.cancel(job.folder, 0.3)
        status = await job.end()
        assert (status.state, status.signal) == ("cancelled", 9)
        await eventually(lambda pids=pids: not any(map(alive, pids)))
        await eventually(lambda job=job: not runners(job.folder))


async def test_what_outlives_a_polite_child_is_killed_after_the_grace_time(bench: Bench, tmp_path: Path) -> None:
    far = tmp_path / "far"
    stubborn = f"trap '' TERM HUP; echo $$ > {far}; exec >/dev/null 2>&1; while :; do sleep 0.1; done"
    job = await bench.start(f'(sh -c "{stubborn.replace("$", chr(92) + "$")}") & wait')
    until(lambda: far.exists() and far.read_text().strip())
    pid = int(far.read_text())
    await bench.backend.cancel(job.folder, 0.3)
    assert (await job.end()).state == "cancelled"
    await eventually(lambda: not alive(pid))


async def test_a_stopped_process_is_cancelled_too(bench: Bench) -> None:
    job = await bench.start("echo ready; kill -STOP $$; echo never")
    await job.says("ready")
    await bench.backend.cancel(job.folder, 1)
    assert (await job.end()).state == "cancelled"
    assert job.lines() == ["ready"]


async def test_many_cancels_are_one(bench: Bench) -> None:
    code = (
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('term', flush=True))\n"
        "print('ready', flush=True)\n"
        "end = time.monotonic() + 0.5\n"
        "while time.monotonic() < end: time.sleep(0.01)\n"
    )
    job = await bench.start([PYTHON, "-c", code])
    await job.says("ready")
    await asyncio.gather(*(bench.backend.cancel(job.folder, 20) for _ in range(20)))
    assert (await job.end()).state == "cancelled"
    assert job.lines() == ["ready", "term"]
    await bench.backend.cancel(job.folder, 20)  # it has ended: nothing happens


def test_no_process_gets_a_signal_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    from jupyter_logstream.runner import process_tree  # noqa: PLC0415

    told: list[tuple[int, int]] = []
    groups = {1001: [1001, 1002]}
    monkeypatch.setattr(process_tree, "descendants", lambda _: [1001, 1002, 1003])
    monkeypatch.setattr(os, "getpgid", lambda pid: 1001 if pid in groups[1001] else pid)
    monkeypatch.setattr(os, "kill", lambda pid, number: told.append((pid, number)))
    monkeypatch.setattr(os, "killpg", lambda group, number: told.extend((pid, number) for pid in groups[group]))
    process_tree.signal_all(1000, 1001, signal.SIGTERM)
    assert sorted(pid for pid, number in told if number == signal.SIGTERM) == [1001, 1002, 1003]


async def test_a_timeout_ends_it_and_says_so(bench: Bench) -> None:
    job = await bench.start("echo ready; sleep 600", timeout=0.5)
    status = await job.end()
    assert status.state == "timed_out"
    assert "0.5 s" in (status.error or "")
    assert job.lines() == ["ready"]
    job = await bench.start("trap '' TERM; echo ready; while :; do sleep 0.05; done", timeout=0.5)
    assert ((await job.end()).state, job.status.signal) == ("timed_out", 9)


async def test_a_timeout_that_is_not_reached_changes_nothing(bench: Bench) -> None:
    assert (await bench.run("exit 0", timeout=600)).status.state == "succeeded"


# --- standard input ---------------------------------------------------------------------------------------------------


async def test_input_arrives_byte_for_byte_and_ends_when_told(bench: Bench) -> None:
    data = random.Random(1).randbytes(300_000)
    job = await bench.start("cat", tty=False, stdin=True)
    for at in range(0, len(data), 70_000):
        await bench.backend.send(job.folder, data[at : at + 70_000])
    assert job.status.state == "running"
    await bench.backend.send(job.folder, b"")
    await bench.backend.send(job.folder, b"", eof=True)
    assert (await job.end()).state == "succeeded"
    assert job.bytes("stdout") == data
    with pytest.raises(CannotSend):
        await bench.backend.send(job.folder, b"late")


async def test_input_larger_than_a_pipe_waits_for_a_slow_reader_and_arrives_whole(bench: Bench, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    job = await bench.start(f"echo ready; while [ ! -e {gate} ]; do sleep 0.02; done; wc -c", tty=False, stdin=True)
    await job.says("ready")
    sending = asyncio.ensure_future(bench.backend.send(job.folder, b"x" * 3_000_000))
    await asyncio.sleep(0.2)
    assert not sending.done()  # it is not said to be taken before it is
    gate.touch()
    await sending
    await bench.backend.send(job.folder, b"", eof=True)
    await job.end()
    assert job.lines()[-1].strip() == "3000000"


async def test_input_to_a_workload_that_has_closed_it_is_refused(bench: Bench) -> None:
    job = await bench.start("exec <&-; echo closed; sleep 600", stdin=True)
    await job.says("closed")
    with pytest.raises(CannotSend):
        await bench.backend.send(job.folder, b"x" * 100_000)  # more than a pipe takes
    assert job.status.state == "running"
    await bench.backend.cancel(job.folder, 5)


async def test_input_that_nobody_took_before_the_end_is_refused(bench: Bench) -> None:
    job = await bench.start("echo ready; sleep 0.3; exit 0", stdin=True)
    await job.says("ready")
    with pytest.raises(CannotSend):
        await asyncio.wait_for(bench.backend.send(job.folder, b"x" * 3_000_000), 20)
    assert (await job.end()).state == "succeeded"


# --- the runner -------------------------------------------------------------------------------------------------------


async def test_a_killed_runner_makes_the_workload_lost_and_its_output_stays(bench: Bench) -> None:
    for tty in True, False:
        job = await bench.start("echo first; printf half; sleep 600", tty=tty)
        await job.says("first")
        await eventually(lambda job=job: job.bytes() == b"first\nhalf")
        pid = job.status.pid or 0
        os.kill(job.runner, signal.SIGKILL)
        status = await job.end()
        assert (status.state, status.exit_code) == ("lost", None)
        assert status.error
        bench.store.finish(job.folder.id)
        assert job.lines() == ["first", "half"]
        assert bench.store.read(job.folder.id, 0, 0).closed
        await eventually(lambda pid=pid: not alive(pid))  # nobody could reach it any more


async def test_terminal_signals_and_the_end_of_whoever_started_it_do_not_end_the_runner(bench: Bench) -> None:
    job = await bench.start("echo ready; read x; echo $x", stdin=True)
    await job.says("ready")
    for number in signal.SIGINT, signal.SIGHUP, signal.SIGTERM:
        os.kill(job.runner, number)
    await bench.backend.send(job.folder, b"on\n")
    assert (await job.end()).state == "succeeded"
    assert job.lines() == ["ready", "on"]


@pytest.mark.parametrize(
    "said",
    [
        b"garbage\n", b"[]\n", b'{"do": 5}\n', b'{"do": "cancel"}\n', b'{"do": "cancel", "grace": "x"}\n', b"\xff\n",
        b'{"do": "input", "size": -5}\n', b'{"do": "input", "size": "a"}\n', b"x" * 10_000,
    ],
)  # fmt: skip
async def test_nonsense_on_its_socket_does_not_end_the_runner(bench: Bench, said: bytes) -> None:
    job = await bench.start("echo ready; read x; echo $x", stdin=True)
    await job.says("ready")
    with socket.socket(socket.AF_UNIX) as client:
        with socket_path(job.folder.control) as path:
            client.connect(path)
        client.sendall(said)
        client.settimeout(1)
        with contextlib.suppress(OSError):
            client.recv(100)
    await bench.backend.send(job.folder, b"on\n")
    assert (await job.end()).state == "succeeded"


async def test_only_its_user_can_reach_the_runner(bench: Bench) -> None:
    job = await bench.start("read x", stdin=True)
    assert stat.S_IMODE(job.folder.control.stat().st_mode) == 0o600
    assert stat.S_IMODE(job.folder.path.stat().st_mode) == 0o700
    assert stat.S_IMODE((job.folder.path / "spec.json").stat().st_mode) == 0o600
    await bench.backend.send(job.folder, b"", eof=True)
    await job.end()


async def test_the_runner_is_small_and_imports_no_framework(bench: Bench) -> None:
    job = await bench.start("seq 1 20000; read x", stdin=True)
    await job.says("20000")
    assert memory(job.runner) < 25 * 1024 * 1024
    loaded = maps(job.runner)
    await bench.backend.send(job.folder, b"", eof=True)
    await job.end()
    assert "_ssl" not in loaded
    code = (
        "import sys\nbefore = set(sys.modules)\nimport jupyter_logstream.runner.__main__\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & "
        "{'asyncio', 'tornado', 'IPython', 'jupyter_server', 'traitlets', 'httpx', 'regex', 'http', 'ssl', 'zmq'}))"
    )
    job = await bench.run([PYTHON, "-c", code], env={"PYTHONPATH": str(Path(__file__).parents[3])})
    assert job.lines() == ["[]"]


async def test_it_needs_no_reader(bench: Bench) -> None:
    for tty in True, False:
        job = await bench.run("head -c 10000000 /dev/zero | tr '\\0' 'x' | fold -w 99", tty=tty)
        assert job.status.state == "succeeded"
        assert job.bytes().replace(b"\n", b"") == b"x" * 10_000_000


async def test_a_huge_line_is_kept_whole_in_flat_memory(bench: Bench) -> None:
    size = 30_000_000
    command = f"head -c {size} /dev/zero | tr '\\0' x; echo; echo next; read x"
    job = await bench.start(command, tty=False, stdin=True)
    await eventually(lambda: bench.store.read(job.folder.id, 0, 0).end and job.records()[-1].message == "next", 60)
    assert memory(job.runner) < 35 * 1024 * 1024
    await bench.backend.send(job.folder, b"", eof=True)
    await job.end()
    *parts, following = job.records()
    assert sum(len(r.message) for r in parts) == size
    assert all(r.part for r in parts[:-1])
    assert not parts[-1].part
    assert following.message == "next"
    assert job.bytes() == b"x" * size + b"\nnext\n"


@pytest.mark.parametrize("tty", [True, False])
async def test_every_byte_is_kept_as_it_was_written(bench: Bench, tmp_path: Path, tty: bool) -> None:
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
        assert job.lines() == ["done"]
        assert job.bytes() == b"".join(b"\r%d" % i for i in range(20000)) + b"\rdone\n"


async def test_a_full_disk_makes_the_child_wait_and_loses_nothing(tmp_path: Path) -> None:
    import resource  # noqa: PLC0415

    bench = Bench(tmp_path / "store")
    try:
        job = await bench.start("seq 1 20000; read x; seq 20001 60000; read x", stdin=True, tty=False)
        await job.says("20000")
        runner = job.runner
        before = resource.prlimit(runner, resource.RLIMIT_FSIZE)
        size = (job.folder.path / "stdout.000").stat().st_size
        resource.prlimit(runner, resource.RLIMIT_FSIZE, (size + 50_001, before[1]))
        await bench.backend.send(job.folder, b"\n")
        await asyncio.sleep(1)
        assert alive(runner)
        assert job.status.state == "running"
        assert [int(line) for line in job.lines()] == list(range(1, len(job.lines()) + 1))
        resource.prlimit(runner, resource.RLIMIT_FSIZE, before)
        await job.says("60000")
        await bench.backend.send(job.folder, b"\n")
        assert (await job.end()).state == "succeeded"
        assert job.bytes() == b"".join(b"%d\n" % i for i in range(1, 60001))
        assert job.lines() == [str(i) for i in range(1, 60001)]
    finally:
        bench.close()


async def test_a_flood_leaves_bounded_bytes_on_disk_and_says_where_it_begins(
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


async def test_starting_takes_little_longer_than_starting_python(bench: Bench) -> None:
    async def seconds(work: Any) -> float:
        start = time.perf_counter()
        await work
        return time.perf_counter() - start

    async def python() -> None:
        process = await asyncio.create_subprocess_exec(PYTHON, "-c", "import json, subprocess, selectors, socket")
        await process.wait()

    await bench.start("exit 0")
    ours, bare = [], []
    for _ in range(9):  # in turn, so that a busy machine is busy for both
        ours.append(await seconds(bench.start("exit 0")))
        bare.append(await seconds(python()))
    assert min(ours) < 3 * min(bare)
