"""Steps: marks in a workload's output, nothing printed anywhere else."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest
from support.published import PLACE, place_of
from support.serving import Server, jupyter

from jupyter_logstream import run, step
from jupyter_logstream.kernel.publish.step import current_step

if TYPE_CHECKING:
    from collections.abc import Iterator

IMPORTED = "from jupyter_logstream import step\n"


def prints(code: str, *, workload: bool = True, **how) -> str:
    """What a script prints."""
    env = {name: value for name, value in os.environ.items() if name != "JUPYTER_LOGSTREAM_WORKLOAD"}
    env.pop("PYTHONUNBUFFERED", None)
    if workload:
        env["JUPYTER_LOGSTREAM_WORKLOAD"] = "01JD"
    command = [sys.executable, "-c", IMPORTED + textwrap.dedent(code)]
    return subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=False, **how).stdout


def test_in_a_workload_a_step_is_two_lines_of_the_output():
    code = "with step('load data'): print('x')\nprint('y')"
    assert prints(code) == "::step:: load data\nx\n::endstep::\ny\n"


def test_in_a_script_run_by_hand_nothing_is_printed():
    assert prints("with step('load'): print('x')", workload=False) == "x\n"


def test_a_block_that_raises_has_failed():
    code = """
    try:
        with step('load'):
            raise ValueError
    except ValueError:
        print('caught')
    with step('fit'): raise SystemExit(0)
    """
    assert prints(code) == "::step:: load\n::endstep:: failed\ncaught\n::step:: fit\n::endstep::\n"
    assert prints("with step('a'): raise SystemExit(1)") == "::step:: a\n::endstep:: failed\n"


def test_a_mark_begins_a_line_whatever_was_printed_before():
    code = """
    print('open', end='')
    with step('a'): print('open again', end='', flush=True)
    print('x')
    """
    assert prints(code) == "open\n::step:: a\nopen again\n::endstep::\nx\n"


def test_marks_keep_their_place_among_lines_also_in_a_pipe():
    code = "for i in range(3):\n    print('before', i)\n    with step(f's{i}'): print('in', i)"
    expected = "".join(f"before {i}\n::step:: s{i}\nin {i}\n::endstep::\n" for i in range(3))
    assert prints(code) == expected


def test_behind_an_inner_step_the_outer_one_goes_on():
    code = """
    with step('outer'):
        print(1)
        with step('inner'): print(2)
        print(3)
    """
    assert prints(code) == ("::step:: outer\n1\n::step:: inner\n2\n::endstep::\n::step:: outer\n3\n::endstep::\n")


def test_marks_go_to_the_workloads_output_not_to_where_print_was_sent():
    code = """
    import contextlib, io
    with contextlib.redirect_stdout(io.StringIO()) as text:
        with step('a'): print('kept')
    print(repr(text.getvalue()))
    """
    assert prints(code) == "::step:: a\n::endstep::\n'kept\\n'\n"


def test_marks_are_not_captured():
    """A capture() in a workload publishes what is printed, and the marks stay the workload's own."""
    code = """
    import sys
    from jupyter_logstream.kernel.publish.stdio_tap import tap
    heard = []
    tap(sys.stdout).add(lambda text: heard.append(text) or True)
    with step('a'): print('x')
    print(heard)
    """
    assert prints(code) == "::step:: a\nx\n::endstep::\n['x', '\\n']\n"


@pytest.mark.parametrize(
    "preamble",
    ["import sys; sys.stdout.close()", "import sys; sys.stdout = sys.__stdout__ = None", "import os; os.close(1)"],
)
def test_a_closed_output_is_nothing_to_fail_for(preamble, tmp_path):
    code = f"{preamble}\nwith step('a'): pass\nimport os\nopen({str(tmp_path / 'done')!r}, 'w').close()"
    prints(code, stderr=subprocess.DEVNULL)
    assert (tmp_path / "done").exists()


def test_an_output_that_was_detached_for_another_one_is_followed():
    code = """
    import io, sys
    sys.stdout = io.TextIOWrapper(sys.stdout.detach(), encoding='utf-8', line_buffering=True)
    with step('\u00e4'): print('x')
    """
    assert prints(code, encoding="utf-8") == "::step:: \u00e4\nx\n::endstep::\n"


def test_a_name_is_one_line_without_colours_and_not_too_long():
    assert step("  a\n \x1b[31mred\x1b[0m\tb ").name == "a red b"
    assert len(step("x" * 300).name) == 200
    for nothing in ("", " \n", "\x1b[31m"):
        with pytest.raises(ValueError, match="needs a name"):
            step(nothing)


def test_a_step_decorates_functions_of_both_kinds():
    @step("load")
    def load(n):
        return n, current_step()

    @step("fit")
    async def fit(n):
        await asyncio.sleep(0)
        return n, current_step()

    assert load(1) == (1, "load")
    assert load.__name__ == "load"
    assert asyncio.run(fit(2)) == (2, "fit")
    assert current_step() is None
    with pytest.raises(TypeError, match="generator"):

        @step("x")
        def generate():
            yield 1


def test_tasks_side_by_side_have_each_their_own_step():
    async def work(name):
        with step(name):
            await asyncio.sleep(0.01)
            return current_step()

    async def both():
        return await asyncio.gather(work("a"), work("b"))

    assert asyncio.run(both()) == ["a", "b"]


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    with jupyter(tmp_path_factory.mktemp("server")) as server:
        yield server


SCRIPT = (
    IMPORTED
    + """
import subprocess, sys
print("begin", end="")
with step("load"):
    print("loading", end="")
with step("fit"):
    print("fitting")
    sys.exit(3)
"""
)


@pytest.mark.parametrize("tty", [True, False])
def test_a_real_workload_has_its_marks_as_lines_of_their_own(tty, server, tmp_path, monkeypatch):
    monkeypatch.setenv(PLACE, str(place_of(server)))
    (tmp_path / "script.py").write_text(SCRIPT)
    job = run([sys.executable, str(tmp_path / "script.py")], tty=tty).wait(60)
    assert [record.message for record in job.logs()] == [
        "begin", "::step:: load", "loading", "::endstep::", "::step:: fit", "fitting", "::endstep:: failed",
    ]  # fmt: skip
    states = [(step["name"], step["state"]) for step in job.info["steps"]]
    assert states == [("load", "succeeded"), ("fit", "failed")]
    assert [record.step for record in job.logs()] == [None, *["load"] * 3, *["fit"] * 3]


def test_a_kernel_within_a_workload_prints_no_marks_into_its_cells(server):
    with server.kernel() as kernel:
        code = "import os; os.environ['JUPYTER_LOGSTREAM_WORKLOAD'] = 'x'\n" + IMPORTED + "with step('a'): print('x')"
        assert kernel.run(code) == "x\n"
