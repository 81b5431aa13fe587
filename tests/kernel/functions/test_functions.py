"""Functions as workloads, with a real server: results, exceptions, what cannot be pickled, restarts, limits."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import functools
import importlib
import os
import re
import signal
import sqlite3
import sys
import threading
import time
import types
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.by_value import by_value, square

from jupyter_logstream import (
    CannotPickle,
    LogStreamError,
    NotFound,
    WorkloadFailed,
    attach,
    run,
)
from jupyter_logstream.kernel.connection import call

if TYPE_CHECKING:
    from support.serving import Server


def test_a_function_gives_its_value_and_its_prints_are_the_log() -> None:
    job = run(functools.partial(square, 7))
    assert job.result(60) == 49
    assert job.text() == "squaring 7\n"
    assert job.info["call"] == job.name == "square(7)"
    assert job.info["result"]["type"] == "int"
    assert job.info["result"]["repr"] == "49"
    assert job.exit_code == 0
    assert job.exception() is None


def test_a_result_is_there_for_another_handle_and_after_a_restart_of_the_server(server: Server) -> None:
    job = run(functools.partial(square, 3))
    job.wait(60)
    server.stop(signal.SIGKILL)
    server.start(server.port)
    assert attach(job.id).result(60) == 9


def test_a_function_that_runs_while_the_server_is_killed_gives_its_result(server: Server, here: Path) -> None:
    gate = here / "gate"

    @by_value
    def waits() -> str:
        print("begun", flush=True)  # noqa: T201 - its output
        while not gate.exists():
            time.sleep(0.02)
        return "ended"

    job = run(waits)
    job.wait_for("begun", 60)
    server.stop(signal.SIGKILL)
    gate.touch()
    server.start(server.port)
    assert attach(job.id).result(60) == "ended"
    assert job.text() == "begun\n"


def test_an_exception_comes_back_with_its_type_and_the_remote_traceback() -> None:
    @by_value
    def fails() -> None:
        {}["missing key"]

    job = run(fails)
    with pytest.raises(KeyError, match="missing key") as caught:
        job.result(60)
    note = caught.value.__notes__[0]
    assert "in fails" in note
    assert '{}["missing key"]' in note
    assert "jupyter_logstream" not in note
    assert (job.state, job.exit_code) == ("failed", 1)
    assert "KeyError: 'missing key'" in job.text()
    assert "jupyter_logstream" not in job.text()
    assert isinstance(job.exception(), KeyError)


def test_an_exception_that_cannot_be_rebuilt_comes_as_text() -> None:
    @by_value
    def fails() -> None:
        class Odd(Exception):
            def __init__(self, a: int, b: int) -> None:
                super().__init__(f"{a} and {b}")

        raise Odd(1, 2)

    with pytest.raises(WorkloadFailed, match="1 and 2") as caught:
        run(fails).result(60)
    assert caught.value.type_name.endswith("Odd")
    assert "in fails" in caught.value.traceback


def test_sys_exit_ends_the_function_with_that_code() -> None:
    job = run(by_value(lambda: sys.exit(3)))
    with pytest.raises(WorkloadFailed, match=r"sys\.exit"):
        job.result(60)
    assert job.exit_code == 3


def test_a_killed_process_gives_no_result_and_says_so() -> None:
    job = run(by_value(lambda: os.kill(os.getpid(), 9)))
    with pytest.raises(WorkloadFailed, match="SIGKILL"):
        job.result(60)


def test_a_cancelled_function_says_so() -> None:
    @by_value
    def sleeps() -> None:
        print("here", flush=True)  # noqa: T201 - its output
        time.sleep(600)

    job = run(sleeps)
    job.wait_for("here", 60)
    with pytest.raises(TimeoutError):
        job.result(0.01)
    job.cancel()
    with pytest.raises(WorkloadFailed, match=r"(?i)cancelled"):
        job.result(60)


def test_a_command_has_no_result() -> None:
    with pytest.raises(LogStreamError, match="is a command"):
        run("true").result(60)


def test_the_result_of_a_removed_workload_says_that_it_was_removed() -> None:
    job = run(functools.partial(square, 2))
    job.result(60)
    call("DELETE", f"workloads/{job.id}")
    with pytest.raises(NotFound, match="removed"):
        job.result(60)


# --- what is pickled --------------------------------------------------------------------------------------------------


@by_value
@dataclasses.dataclass
class Point:
    x: int


@by_value
class Colour(enum.Enum):
    RED = 1


def recursive(n: int) -> int:
    return 1 if n == 0 else n * recursive(n - 1)


recursive.__module__ = "__main__"
COUNTER = [0]


@by_value
def counts() -> int:
    COUNTER[0] += 1
    return COUNTER[0]


@by_value
async def later() -> str:
    await asyncio.sleep(0)
    return "later"


def logged(function):
    @functools.wraps(function)
    def inner(*args):
        return function(*args)

    inner.__module__ = logged.__module__
    return inner


logged.__module__ = "__main__"
MADE: dict[str, object] = {"__name__": "__main__"}
exec("def made(): return 'made'", MADE)


@pytest.mark.parametrize(
    ("function", "value"),
    [
        (functools.partial(recursive, 5), 120),
        (counts, 1),
        (later, "later"),
        (functools.partial(logged(square), 2), 4),
        (by_value(lambda: Point(3)), Point(3)),
        (by_value(lambda: Colour.RED), Colour.RED),
        (MADE["made"], "made"),
        (functools.partial(max, [3, 1, 2]), 3),
        (by_value(lambda: None), None),
        (by_value(lambda: b"\0" * 1_000_000), b"\0" * 1_000_000),
    ],
    ids=["recursion", "globals", "async", "decorated", "dataclass", "enum", "exec", "builtin", "none", "bytes"],
)
def test_what_a_notebook_defines_runs_and_comes_back(function, value) -> None:
    assert run(function).result(60) == value
    assert COUNTER == [0]


class Stubborn:
    def __reduce__(self):
        raise RuntimeError("not me")


def closing_over(value):
    def train():
        return value

    train.__module__ = "__main__"
    return train


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (sqlite3.connect(":memory:"), 'train -> closure "value" -> sqlite3.Connection'),
        (threading.Lock(), 'train -> closure "value" -> _thread.lock'),
        ((i for i in "ab"), 'train -> closure "value" -> generator'),
        (Stubborn(), 'train -> closure "value" -> '),
        ({"a": [1, threading.Lock()]}, "train -> closure \"value\" -> ['a'] -> [1] -> _thread.lock"),
        (types.SimpleNamespace(db=threading.Lock()), 'attribute "db" -> _thread.lock'),
    ],
    ids=["connection", "lock", "generator", "reduce", "nested", "attribute"],
)
def test_what_cannot_be_pickled_is_refused_in_the_cell_with_the_path_to_it(value, path: str) -> None:
    with pytest.raises(CannotPickle, match=re.escape(path)):
        run(closing_over(value))


def test_an_argument_that_cannot_be_pickled_is_named() -> None:
    with pytest.raises(CannotPickle, match=re.escape('square -> argument "x" -> _thread.lock')):
        run(functools.partial(square, x=threading.Lock()))


def test_a_function_that_needs_arguments_is_refused_with_the_way_to_give_them() -> None:
    with pytest.raises(TypeError, match=r"square: missing a required argument: 'x'; bind them: run\(partial"):
        run(square)


@by_value
def generator():
    return (i for i in "ab")


@by_value
def frame():
    return sys._getframe()


@pytest.mark.parametrize("make", [generator, threading.Lock, frame])
def test_a_result_that_cannot_be_pickled_is_a_clear_error(make) -> None:
    job = run(make)
    with pytest.raises(WorkloadFailed, match="cannot be pickled"):
        job.result(60)
    assert job.state == "failed"
    assert "cannot be pickled" in job.text()


def test_a_module_by_value_is_sent_as_it_is_now(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "my_module_of_tests.py").write_text("def f():\n    return 'as imported'\n")
    monkeypatch.syspath_prepend(str(here))
    my_module_of_tests = importlib.import_module("my_module_of_tests")

    (here / "my_module_of_tests.py").write_text("def f():\n    return 'edited after the import'\n")
    assert run(my_module_of_tests.f, by_value=[my_module_of_tests]).result(60) == "as imported"
    assert run(my_module_of_tests.f).result(60) == "edited after the import"


# --- limits and versions ----------------------------------------------------------------------------------------------


def test_a_call_and_a_result_beyond_the_limit_name_both_sizes() -> None:
    data = os.urandom(3_000_000)
    with pytest.raises(CannotPickle, match=r"3,000,\d\d\d bytes.*2,000,000"):
        run(functools.partial(len, data))
    job = run(by_value(lambda: b"x" * 3_000_000))
    with pytest.raises(WorkloadFailed, match=r"3,000,\d\d\d bytes.*2,000,000"):
        job.result(60)


def test_a_result_of_another_python_is_refused_before_it_is_loaded(server: Server) -> None:
    job = run(functools.partial(square, 4))
    job.result(60)
    (path,) = server.folder.rglob(f"{job.id}/result")
    version = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    path.write_bytes(path.read_bytes().replace(version.encode(), b"2" + version[1:].encode()))
    with pytest.raises(LogStreamError, match=r"was pickled by Python 2.*cannot be loaded by Python 3"):
        job.result(60)


def test_call_and_result_are_readable_by_the_user_only(server: Server) -> None:
    job = run(functools.partial(square, 4))
    job.result(60)
    for name in "call", "result":
        (path,) = server.folder.rglob(f"{job.id}/{name}")
        assert path.stat().st_mode & 0o777 == 0o600


def test_uploads_that_became_workloads_leave_nothing_behind(server: Server) -> None:
    run(functools.partial(square, 4)).result(60)
    (folder,) = server.folder.rglob("payloads")
    assert list(folder.iterdir()) == []
