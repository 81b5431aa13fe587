"""LogHandler and capture in a workload on another machine than the server: by its runner, whatever it inherited."""

from __future__ import annotations

import os
import socket
import textwrap
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.environment import own_environment
from support.programs import PYTHON

from jupyter_logstream.kernel.publish import runner_outbox
from jupyter_logstream.wire.runner_socket import answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.running import Bench, Job

__all__ = ["own_environment"]

LOGGER = """
import logging, os, sys, time
from jupyter_logstream import LogHandler, capture, step
log = logging.getLogger("train")
log.setLevel("DEBUG")
"""


def script(code: str) -> list[str]:
    return [PYTHON, "-c", LOGGER + textwrap.dedent(code)]


async def ran(bench: Bench, code: str, **given: Any) -> Job:
    """A script that has succeeded."""
    job = await bench.run(script(code), elsewhere=True, **given)
    assert job.status.state == "succeeded", job.lines()
    return job


async def test_records_of_a_handler_are_in_the_log_of_the_workload_itself(bench: Bench, tmp_path: Path) -> None:
    code = """
    handler = LogHandler("any name", tags={"a": "b"})
    log.addHandler(handler)
    print("first")
    with step("fit"):
        log.warning("loss is %.2f", 0.3, extra={"epoch": 3})
        handler.flush()
    log.info("after")
    handler.close()
    log.info("ignored")
    assert handler.workload.id == os.environ["JUPYTER_LOGSTREAM_WORKLOAD"]
    print("last")
    """
    job = await ran(bench, code, env={"JUPYTER_LOGSTREAM_SERVER": str(tmp_path / "server.json")})
    assert job.lines() == ["first", "::step:: fit", "loss is 0.30", "::endstep::", "after", "last"]
    _, _, warning, _, info, _ = job.records()
    assert (warning.level, warning.source, warning.step) == ("warn", "log", "fit")
    assert warning.fields is not None
    assert (warning.fields["logger"], warning.fields["epoch"]) == ("train", 3)
    assert (info.level, info.step) == ("info", None)
    assert [step.name for step in job.folder.read_status()[1]["steps"]] == ["fit"]
    assert "spool" not in os.listdir(tmp_path)


async def test_no_private_server_is_started_there(bench: Bench, tmp_path: Path) -> None:
    code = """
    from jupyter_logstream import NoServer, run
    with capture() as job: print("captured")
    for ask in lambda: job.state, lambda: run("true"):
        try: ask()
        except NoServer as error: print("a workload on another machine starts none there" in str(error))
    """
    job = await ran(bench, code, env={"JUPYTER_LOGSTREAM_PRIVATE": "", "JUPYTER_DATA_DIR": str(tmp_path / "data")})
    assert job.lines() == ["captured", "True", "True"]
    assert not (tmp_path / "data").exists()


async def test_ten_thousand_records_of_eight_threads_are_there_once_and_in_order_at_the_end(bench: Bench) -> None:
    code = """
    import threading
    log.addHandler(LogHandler())
    def work(n):
        for i in range(1250): log.info("%d:%d", n, i)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    """
    job = await ran(bench, code)
    found = job.lines()
    assert len(found) == 10_000
    for n in range(8):
        assert [line for line in found if line.startswith(f"{n}:")] == [f"{n}:{i}" for i in range(1250)]


async def test_forked_children_publish_too(bench: Bench) -> None:
    code = """
    log.addHandler(LogHandler())
    log.info("parent")
    for i in range(3):
        if not os.fork():
            for k in range(20): log.info("child %d:%d", i, k)
            os._exit(0)
    for i in range(3): os.wait()
    log.info("end")
    """
    job = await ran(bench, code)
    assert sorted(job.lines()) == sorted(["parent", "end", *(f"child {i}:{k}" for i in range(3) for k in range(20))])
    assert [line for line in job.lines() if line.startswith("child 1")] == [f"child 1:{k}" for k in range(20)]


@pytest.mark.parametrize("tty", [True, False])
async def test_captured_lines_are_in_the_log_once_whether_they_are_printed_or_not(bench: Bench, tty: bool) -> None:
    code = """
    for echo in True, False:
        with capture("fit", echo=echo) as job:
            print("epoch", echo)
            print("to stderr", echo, file=sys.stderr)
    print("outside", job.id == os.environ["JUPYTER_LOGSTREAM_WORKLOAD"])
    """
    job = await ran(bench, code, tty=tty)
    expected = ["epoch True", "to stderr True", "epoch False", "to stderr False", "outside True"]
    assert job.lines() == expected
    assert [(r.source, r.fields) for r in job.records()] == [
        ("log", None), ("log", {"stream": "stderr"}), ("log", None), ("log", {"stream": "stderr"}), ("stdout", None),
    ]  # fmt: skip


async def test_captured_lines_are_printed_where_the_runner_does_not_read_them(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(LOGGER + "with capture(): print('epoch 1')")
    job = await bench.run(f"{PYTHON} {tmp_path}/script.py > {tmp_path}/out.txt", elsewhere=True)
    assert job.lines("log") == ["epoch 1"]
    assert (tmp_path / "out.txt").read_text() == "epoch 1\n"


async def test_a_block_that_raises_leaves_its_traceback_as_a_record_and_the_workload_running(bench: Bench) -> None:
    code = """
    try:
        with capture(): raise ValueError("no")
    except ValueError: pass
    print("on")
    """
    job = await ran(bench, code)
    *_, record, last = job.records()
    assert (record.level, record.source, last.message) == ("error", "log", "on")
    assert record.message.endswith("ValueError: no")


@pytest.fixture
def listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket of the runner of this process, which accepts connections and does nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JUPYTER_LOGSTREAM_RUNNER", "control")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("control")
        made.listen()
        yield made


def test_a_runner_that_is_gone_does_not_disturb_the_program_and_losses_are_counted_once(
    listener: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    outbox = runner_outbox.open_outbox()
    outbox.put("stored")
    connection, _ = listener.accept()
    assert b"stored" in connection.recv(1000)
    connection.sendall(answer())
    assert outbox.flush()
    connection.close()
    listener.close()
    for _ in range(1000):
        outbox.put("lost")
    outbox.end("succeeded")
    outbox.end("succeeded")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("jupyter-logstream: 1000 log records were not stored: the runner of this workload cannot be")


async def test_a_record_that_the_runner_refuses_takes_no_other_with_it(bench: Bench) -> None:
    code = """
    log.addHandler(LogHandler())
    for i in range(100):
        made = log.makeRecord("train", 20, "a.py", 1, f"record {i}", (), None)
        if i == 50: made.created = -1
        log.handle(made)
    """
    job = await ran(bench, code)
    assert job.lines("log") == [f"record {i}" for i in range(100) if i != 50]
    (line,) = job.lines("stderr")
    assert "1 log records were not stored: [0].ts: must be a time in Unix milliseconds" in line


@pytest.mark.usefixtures("listener")
def test_a_runner_that_hangs_bounds_the_memory_and_delays_the_program_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runner_outbox, "MAX_QUEUE_BYTES", 10_000)
    monkeypatch.setattr(runner_outbox, "FLUSH_TIMEOUT_S", 0.3)
    outbox = runner_outbox.open_outbox()
    assert isinstance(outbox, runner_outbox.RunnerOutbox)
    began = time.monotonic()
    for _ in range(1000):
        outbox.put("x" * 100)
    assert outbox._bytes <= 10_000
    outbox.end("succeeded")
    assert time.monotonic() - began < 30
    assert "1000 log records were not stored: the runner did not take them in time" in capsys.readouterr().err


async def test_on_the_machine_of_the_server_nothing_goes_by_the_runner(bench: Bench, tmp_path: Path) -> None:
    code = """
    log.addHandler(LogHandler())
    log.info("to the server")
    """
    inherited = {"JUPYTER_LOGSTREAM_RUNNER": "/of/another", "JUPYTER_LOGSTREAM_SERVER": str(tmp_path / "server.json")}
    job = await bench.run(script(code), env=inherited)
    assert (job.status.state, job.lines()) == ("succeeded", [])
    assert len(list((tmp_path / "spool").iterdir())) == 1
