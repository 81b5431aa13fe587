"""What a workload runs in, and its standard input."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from pathlib import Path

import pytest
from support.programs import PYTHON
from support.running import Bench
from support.waiting import eventually

from jupyter_logstream.backends.protocol import CannotSend
from jupyter_logstream.text.terminal import plain_text


async def test_with_a_terminal_both_outputs_are_terminals_of_a_known_size(bench: Bench) -> None:
    code = "import os,sys; print(sys.stdout.isatty(), sys.stderr.isatty(), sys.stdin.isatty(), *os.get_terminal_size())"
    assert (await bench.run([PYTHON, "-c", code])).lines() == ["True True False 120 40"]
    assert (await bench.run([PYTHON, "-c", code.split(", *", maxsplit=1)[0] + ")"], tty=False)).lines() == [
        "False False False"
    ]


PAGERS = [program for program in ("less", "more") if shutil.which(program)]


@pytest.mark.parametrize("pager", PAGERS)
@pytest.mark.parametrize("command", ["{} FILE", "cat FILE | {}", "{} FILE; echo behind"])
async def test_a_pager_called_by_name_shows_everything_and_ends(
    bench: Bench, tmp_path: Path, pager: str, command: str
) -> None:
    file = tmp_path / "file"
    file.write_text("".join(f"line {i}\n" for i in range(300)))
    job = await bench.run(command.format(pager).replace("FILE", str(file)))
    assert job.status.state == "succeeded"
    shown = [plain_text(line) for line in job.lines()]
    assert [line for line in shown if line.startswith("line ")] == [f"line {i}" for i in range(300)]
    assert ("behind" in shown) == ("behind" in command)


async def test_output_that_looks_like_a_pagers_prompt_is_not_answered(bench: Bench) -> None:
    job = await bench.run("stty -echo <&2; printf -- --More-- >&2; sleep 0.2; echo >&2; echo done")
    assert job.lines("stderr") == ["--More--"]


async def test_with_a_terminal_programs_write_colours_and_no_program_pages(bench: Bench) -> None:
    job = await bench.run("ls --color=auto -d /; echo $TERM $PAGER $GIT_PAGER")
    assert "\x1b[" in job.lines()[0]
    assert job.lines()[1] == "xterm-256color cat cat"
    assert job.bytes().count(b"\r") == 0


@pytest.mark.parametrize("tty", [True, False])
async def test_a_python_program_that_does_not_flush_is_live(bench: Bench, tty: bool) -> None:
    assert "PYTHONUNBUFFERED" not in os.environ
    job = await bench.start([PYTHON, "-c", "import sys; print('live'); sys.stdin.read()"], tty=tty, stdin=True)
    await job.waits_for_output("live")
    assert job.status.state == "running"
    await job.send(b"", eof=True)
    assert (await job.end()).state == "succeeded"


async def test_the_two_outputs_are_distinguished_and_each_is_in_order(bench: Bench) -> None:
    code = "import sys\nfor i in range(300): print('out', i, flush=True); print('err', i, file=sys.stderr, flush=True)"
    for tty in True, False:
        job = await bench.run([PYTHON, "-c", code], tty=tty)
        for source in "out", "err":
            assert job.lines(f"std{source}") == [f"{source} {i}" for i in range(300)]
            assert job.bytes(f"std{source}") == b"".join(b"%s %d\n" % (source.encode(), i) for i in range(300))


async def test_a_workload_runs_in_its_directory_with_its_environment(bench: Bench, tmp_path: Path) -> None:
    job = await bench.run("pwd; echo $GREETING", cwd=str(tmp_path), env={"GREETING": "ü $x 'y'"})
    assert job.lines() == [str(tmp_path), "ü $x 'y'"]


async def test_standard_input_is_empty_unless_requested(bench: Bench) -> None:
    job = await bench.run("cat; echo end")
    assert job.lines() == ["end"]
    with pytest.raises(CannotSend):
        await job.send(b"x")


async def test_a_workload_inherits_no_file_and_no_ignored_signal(bench: Bench) -> None:
    job = await bench.run("ls /proc/self/fd | wc -l; grep -E 'SigIgn|SigBlk' /proc/self/status", tty=False)
    count, *masks = job.lines()
    assert int(count) == 4  # its three, and the folder that ls reads
    assert all(int(mask.split()[1], 16) & (1 << 14 | 1 << 1 | 1 << 0 | 1 << 12 | 1 << 16) == 0 for mask in masks)


async def test_a_store_path_too_long_for_a_socket_works(tmp_path: Path) -> None:
    bench = Bench(tmp_path.joinpath(*["a-rather-long-name"] * 8))
    try:
        job = await bench.start("echo here; read x; echo $x", stdin=True)
        assert len(os.fsencode(job.folder.control)) > 108
        await job.waits_for_output("here")
        await job.send(b"there\n")
        await job.end()
        assert job.lines() == ["here", "there"]
        job = await bench.start("sleep 600")
        await job.cancel(5)
        assert (await job.end()).state == "cancelled"
    finally:
        bench.close()


async def test_input_arrives_byte_for_byte_and_ends_on_request(bench: Bench) -> None:
    data = random.Random(1).randbytes(300_000)
    job = await bench.start("cat", tty=False, stdin=True)
    for at in range(0, len(data), 70_000):
        await job.send(data[at : at + 70_000])
    assert job.status.state == "running"
    await job.send(b"")
    await job.send(b"", eof=True)
    assert (await job.end()).state == "succeeded"
    assert job.bytes("stdout") == data
    with pytest.raises(CannotSend):
        await job.send(b"late")


async def test_input_larger_than_a_pipe_waits_for_a_slow_reader_and_arrives_whole(bench: Bench, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    job = await bench.start(f"echo ready; while [ ! -e {gate} ]; do sleep 0.02; done; wc -c", tty=False, stdin=True)
    await job.waits_for_output("ready")
    sending = asyncio.ensure_future(job.send(b"x" * 3_000_000))
    await asyncio.sleep(0.2)
    assert not sending.done()  # not acknowledged before the pipe accepted it
    gate.touch()
    await sending
    await job.send(b"", eof=True)
    await job.end()
    assert job.lines()[-1].strip() == "3000000"


async def test_input_to_a_workload_that_has_closed_it_is_refused(bench: Bench) -> None:
    job = await bench.start("exec <&-; echo closed; sleep 600", stdin=True)
    await job.waits_for_output("closed")
    with pytest.raises(CannotSend):
        await job.send(b"x" * 100_000)  # more than a pipe takes
    assert job.status.state == "running"
    await job.cancel(5)


async def test_input_that_was_not_read_before_the_end_is_refused(bench: Bench) -> None:
    job = await bench.start("echo ready; sleep 0.3; exit 0", stdin=True)
    await job.waits_for_output("ready")
    with pytest.raises(CannotSend):
        await asyncio.wait_for(job.send(b"x" * 3_000_000), 20)
    assert (await job.end()).state == "succeeded"


ASKS = "import getpass; p = getpass.getpass('Vault password: '); print('len', len(p))"


async def test_a_program_that_asks_for_a_password_without_input_ends_with_an_error(bench: Bench) -> None:
    job = await bench.run([PYTHON, "-c", ASKS])
    assert job.status.state == "failed"
    assert any("Vault password: " in line for line in job.lines())


async def test_a_program_that_asks_for_a_password_gets_the_input_and_no_log_shows_it(bench: Bench) -> None:
    job = await bench.start([PYTHON, "-c", ASKS], stdin=True)
    await eventually(lambda: b"Vault password: " in job.bytes())
    await job.send(b"abc123\n")
    assert (await job.end()).state == "succeeded"
    assert job.lines()[-1] == "len 6"
    assert b"abc123" not in job.bytes()
