"""Magics in real kernels of a real server, and in IPython's terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.published import PLACE, named, place_of
from support.serving import Kernel, Server, jupyter

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = "application/vnd.jupyter-logstream.v1+json"


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    with jupyter(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="module")
def kernel(server: Server) -> Iterator[Kernel]:
    with server.kernel() as kernel:
        kernel.run("%load_ext jupyter_logstream\nfrom jupyter_logstream import attach, run")
        yield kernel


def test_loading_the_magics_imports_no_widgets_and_no_http_client() -> None:
    code = (
        "import sys; from IPython.core.interactiveshell import InteractiveShell\n"
        "InteractiveShell.instance().run_line_magic('load_ext', 'jupyter_logstream')\n"
        "print(sorted({'anywidget', 'httpx', 'ipywidgets', 'jupyter_logstream.text.terminal'} & set(sys.modules)))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout == "[]\n"


def fails(kernel: Kernel, cell: str) -> str:
    """The error of a cell; those of usage IPython prints, without a traceback."""
    try:
        kernel.run(cell)
    except AssertionError as error:
        return str(error)
    assert kernel.warned.startswith("UsageError: ")
    return kernel.warned


def test_a_cell_of_shell_runs_as_a_workload_and_shows_it(kernel, server, tmp_path):
    kernel.run(
        f"%%workload --name shell --cwd {tmp_path} --tag a=b --tag c=d=e --no-tty --timeout 50 --wait --as job\n"
        "# a comment\nfor word in one two; do\n    echo $word {not_python}\ndone\npwd"
    )
    assert kernel.shown[OURS]["workload"] == kernel.json("job.id")
    assert kernel.json("[record.message for record in job.logs()]") == (
        ["one {not_python}", "two {not_python}", str(tmp_path)]
    )
    info = named(server, "shell")
    assert (info["state"], info["tags"]) == ("succeeded", {"a": "b", "c": "d=e"})


def test_it_returns_at_once_unless_it_is_to_wait(kernel):
    kernel.run("%%workload --as job\nsleep 60")
    assert kernel.json("job.state") in {"queued", "running"}
    assert kernel.json("job.name") == "sleep 60"
    kernel.run("job.cancel()")


def test_it_ends_at_the_first_command_that_fails(kernel):
    text = fails(kernel, "%%workload --wait --as job\necho begin\nfalse\necho never")
    assert "has not succeeded: Failed (exit code 1)" in text
    assert kernel.json("[job.text().split(), job.exit_code]") == [["begin"], 1]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("--cwd /no/such/folder", "cwd"),
        ("--timeout soon", "argument --timeout: invalid float value: 'soon'"),
        ("--tag x", "--tag x does not have the form NAME=VALUE"),
        ("--as 1x", "--as 1x is not a valid variable name"),
        ("--unknown", "unrecognized arguments: --unknown"),
    ],
)
def test_a_wrong_option_is_named(line, problem, kernel):
    assert problem in fails(kernel, f"%%workload {line}\ntrue")


def test_an_empty_cell_is_nothing_to_run(kernel):
    assert "the cell is empty" in fails(kernel, "%%workload\n \n")


def test_logs_shows_a_workload_by_id_or_variable(kernel):
    kernel.run("job = run('echo INFO: a; echo ERROR: b; echo INFO: c').wait(30)")
    for name in ("job", kernel.json("job.id")):
        kernel.run(f"%logs {name}")
        assert kernel.shown[OURS]["workload"] == kernel.json("job.id")


def test_logs_prints_the_last_lines_or_those_of_a_level(kernel):
    kernel.run("job = run('echo INFO: a; echo ERROR: b; echo INFO: c').wait(30)")
    assert kernel.run("%logs job --tail 2") == "ERROR: b\nINFO: c\n"
    assert kernel.run("%logs job --level warn") == "ERROR: b\n"
    assert kernel.run("%logs job --tail 0") == ""
    assert "invalid choice: 'loud'" in fails(kernel, "%logs job --level loud")
    assert "a number of lines, 0 or more" in fails(kernel, "%logs job --tail -1")
    assert "There is no workload 'nothing'" in fails(kernel, "%logs nothing")
    assert "the following arguments are required: ID" in fails(kernel, "%logs")


def test_ids_are_completed(kernel):
    kernel.run("job = run('true').wait(30)")
    kernel.run("text, found = get_ipython().complete('', '%logs ' + job.id[:12], len('%logs ') + 12)")
    assert kernel.json("job.id in found")


def test_workloads_shows_the_table(kernel):
    kernel.run("job = run('exit 3').wait(30)")
    kernel.run("%workloads --state failed")
    assert "application/vnd.jupyter.widget-view+json" in kernel.shown
    assert kernel.json("job.id") in kernel.shown["text/plain"]
    assert "succeeded" not in kernel.shown["text/plain"]
    assert "invalid choice: 'x'" in fails(kernel, "%workloads --state x")


def test_in_a_terminal_they_print(server):
    script = """
%load_ext jupyter_logstream
get_ipython().run_cell_magic("workload", "--name in-a-terminal --wait --as job", "echo from a terminal")
%logs job --tail 1
%workloads
"""
    env = {**os.environ, PLACE: str(place_of(server)), "IPYTHONDIR": str(server.folder / "ipython")}
    command = [sys.executable, "-m", "IPython", "--no-banner", "--simple-prompt", "--no-confirm-exit"]
    text = subprocess.run(command, input=script, env=env, capture_output=True, text=True, check=True).stdout
    assert "]: from a terminal\n" in text
    assert "state" in text
    assert "in-a-terminal" in text
