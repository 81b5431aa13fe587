"""capture(): the output of a block as records, without a change to the block."""

# ruff: noqa: T201 - what is captured is printed

from __future__ import annotations

import asyncio
import contextvars
import io
import logging
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from support.published import PLACE, completed, messages, named, place_of, spools
from support.serving import Server, jupyter

from jupyter_logstream import capture, step
from jupyter_logstream.kernel.errors import NoServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    with jupyter(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="module")
def place(server: Server) -> Path:
    return place_of(server)


@pytest.fixture(autouse=True)
def here(place, monkeypatch) -> None:
    monkeypatch.setenv(PLACE, str(place))


def lines(job) -> list[str]:
    return [record.message for record in job.logs()]


def test_every_line_is_a_record_and_the_output_is_what_it_was(capsys):
    with capture("x") as job:
        print("one")
        print("two", "words", end="")
        print(" in one line\n\nafter an empty one")
        print("WARNING: to stderr", file=sys.stderr)
        assert job.state == "running"
        print("open", end="")
    assert lines(job) == ["one", "two words in one line", "", "after an empty one", "WARNING: to stderr", "open"]
    assert (job.state, job.name) == ("succeeded", "x")
    warning = job.logs()[4]
    assert (warning.level, warning.fields, warning.source) == ("warn", {"stream": "stderr"}, "log")
    assert job.logs()[0].level == "unknown"
    assert capsys.readouterr() == (
        "one\ntwo words in one line\n\nafter an empty one\nopen", "WARNING: to stderr\n",
    )  # fmt: skip


def test_without_echo_nothing_is_printed(capsys):
    with capture(echo=False) as job:
        print("x")
    print("after")
    assert lines(job) == ["x"]
    assert capsys.readouterr().out == "after\n"


@pytest.mark.parametrize(("which", "kept"), [("stdout", ["e"]), ("stderr", ["o"])])
def test_a_stream_may_be_left_out(which, kept, capsys):
    with capture(**{which: False}) as job:
        print("o")
        print("e", file=sys.stderr)
    assert lines(job) == kept
    assert capsys.readouterr() == ("o\n", "e\n")


def test_of_a_progress_bar_the_final_text_becomes_the_record(capsys):
    with capture() as job:
        for percent in range(0, 101, 10):
            print(f"\r{percent}%", end="", flush=True)
        print()
        print("\x1b[31mred\x1b[0m\x1b[K")
        print("ETA: 10s 11s\rETA: 9s")
        print("Loading 10%\b\b\b25%")
        print("\x1b]8;;https://a.test/\x07link\x1b]8;;\x07\x1b]0;title\x07")
    drawn = ["ETA: 9ss 11s", "Loading 25%", "\x1b]8;;https://a.test/\x1b\\link\x1b]8;;\x1b\\"]
    assert lines(job) == ["100%", "\x1b[31mred\x1b[0m", *drawn]
    assert "\r50%" in capsys.readouterr().out


def test_loggers_that_hold_the_stream_already_are_heard():
    stream = logging.StreamHandler()
    logger = logging.Logger("held")  # noqa: LOG001 - of this test alone
    logger.addHandler(stream)
    with capture() as job:
        logger.error("held before")
    assert lines(job) == ["held before"]


def test_other_threads_are_not_heard_unless_they_run_in_the_blocks_context(capsys):
    with capture() as job:
        outside = threading.Thread(target=print, args=("outside",))
        inside = threading.Thread(target=contextvars.copy_context().run, args=(print, "inside"))
        for thread in (outside, inside):
            thread.start()
            thread.join()
    assert lines(job) == ["inside"]
    assert capsys.readouterr().out == "outside\ninside\n"


def test_lines_of_several_threads_do_not_mix():
    def work(n: int) -> None:
        for _ in range(200):
            for part in ("a", "b", "c\n"):
                sys.stdout.write(f"{n}{part}")

    with capture(echo=False) as job:
        threads = [threading.Thread(target=contextvars.copy_context().run, args=(work, n)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(lines(job)) == sorted(f"{n}a{n}b{n}c" for n in range(4) for _ in range(200))


def test_two_threads_each_capture_their_own():
    found = {}

    def work(n: int, both: threading.Barrier) -> None:
        with capture(f"thread {n}", echo=False) as job:
            both.wait(20)
            for i in range(100):
                print(n, i)
            both.wait(20)
        found[n] = lines(job)

    both = threading.Barrier(2)
    threads = [threading.Thread(target=work, args=(n, both)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: [f"{n} {i}" for i in range(100)] for n in range(2)}


def test_tasks_of_the_block_are_heard_also_after_an_await():
    async def talk(word: str) -> None:
        await asyncio.sleep(0.01)
        print(word)

    async def work():
        with capture(echo=False) as job:
            await asyncio.gather(talk("a"), talk("b"))
            late = asyncio.create_task(talk("too late"))
        await late
        return job

    assert lines(asyncio.run(work())) == ["a", "b"]


def test_a_block_within_another_is_part_of_it_if_it_echoes(capsys):
    with capture("outer") as outer:
        print("1")
        with capture("inner") as inner:
            print("2")
        with capture("silent", echo=False) as silent:
            print("3")
        print("4")
    assert (lines(outer), lines(inner), lines(silent)) == (["1", "2", "4"], ["2"], ["3"])
    assert capsys.readouterr().out == "1\n2\n4\n"


def test_a_block_that_raises_ends_failed_with_its_traceback():
    with pytest.raises(ZeroDivisionError), capture() as job:  # noqa: PT012 - the block is what is tested
        print("before")
        1 / 0  # noqa: B018
    first, second = job.logs()
    assert first.message == "before"
    assert second.message.startswith("Traceback (most recent call last):\n")
    assert second.message.endswith("ZeroDivisionError: division by zero")
    assert (second.level, job.state) == ("error", "failed")


def test_as_a_decorator_each_call_is_a_workload(server):
    @capture("decorated")
    def double(n: int) -> int:
        print(n)
        return 2 * n

    @capture("awaited")
    async def triple(n: int) -> int:
        await asyncio.sleep(0.01)
        print(n)
        return 3 * n

    assert double(2) == 4
    assert asyncio.run(triple(3)) == 9
    assert messages(server, "decorated") == ["2"]
    assert messages(server, "awaited") == ["3"]
    with pytest.raises(TypeError, match="generator"):

        @capture()
        def numbers():
            yield 1


def test_the_step_is_on_the_records_and_no_mark_is_printed(capsys):
    with capture() as job:
        print("before")
        with step("load"):
            print("in it")
    assert [(record.message, record.step) for record in job.logs()] == [("before", None), ("in it", "load")]
    assert capsys.readouterr().out == "before\nin it\n"


def test_nothing_is_left_on_the_streams_afterwards():
    for stream in (sys.stdout, sys.stderr):
        assert "write" not in vars(stream)
    with capture("outer"):
        with capture("inner"):
            assert "write" in vars(sys.stdout)
        assert "write" in vars(sys.stdout)
    for stream in (sys.stdout, sys.stderr):
        assert "write" not in vars(stream)


def test_stream_replaced_within_the_block_is_not_restored(monkeypatch):
    mine = io.StringIO()
    with capture() as job:
        print("one")
        monkeypatch.setattr(sys, "stdout", mine)
        print("two")
    assert lines(job) == ["one"]
    assert mine.getvalue() == "two\n"


def test_what_is_no_text_is_the_streams_to_complain_of():
    with capture(), pytest.raises(TypeError):
        sys.stdout.write(b"bytes")  # type: ignore[arg-type]


def test_one_capture_is_one_block():
    block = capture()
    with block, pytest.raises(RuntimeError, match="already active"):
        block.__enter__()


def test_unreachable_server_is_reported_before_the_block_starts(tmp_path, monkeypatch):
    monkeypatch.setenv(PLACE, str(tmp_path / "server.json"))
    (tmp_path / "server.json").write_text('{"url": "http://127.0.0.1:9/", "secret": "s"}')
    with pytest.raises(NoServer, match="does not answer"):
        capture().__enter__()
    assert spools(tmp_path / "server.json") == []
    assert "write" not in vars(sys.stdout)


def test_in_a_notebook_the_cell_shows_its_output_and_the_log(server):
    with server.kernel() as kernel:
        printed = kernel.run(
            "from jupyter_logstream import capture\nwith capture('cell') as job:\n    print('hi')\njob"
        )
        assert printed == "hi\n"
        assert kernel.shown["application/vnd.jupyter-logstream.v1+json"]["final"]["lines"] == ["hi"]


def test_script_that_dies_within_the_block_has_sent_its_output(server, place):
    code = "from jupyter_logstream import capture\nwith capture('dies'):\n    print('x')\n    1 / 0"
    assert completed(code, place)[0] == 1
    assert messages(server, "dies")[0] == "x"
    assert named(server, "dies")["state"] == "failed"


def test_write_of_the_stream_is_restored_also_if_another_wrapper_replaced_it(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    for wrapper in (None, lambda text: io.StringIO.write(stream, text.upper())):
        if wrapper is not None:
            stream.write = wrapper
        before, attributes = stream.write, dict(vars(stream))
        with pytest.raises(KeyError), capture(stderr=False) as job:  # noqa: PT012 - the block that raises
            built = io.StringIO()
            print("built", file=built)
            print("x", end="")
            print("y", end="")
            print("z")
            sys.stdout.write("p1\np2")
            raise KeyError
        assert (built.getvalue(), lines(job)[:3]) == ("built\n", ["xyz", "p1", "p2"])
        assert (stream.write, vars(stream)) == (before, attributes)
    assert stream.getvalue() == "xyz\np1\np2XYZ\nP1\nP2"
