"""Notebooks that run without a page (nbconvert, papermill), and pytest: static outputs, no hang at the end."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from support.private_home import Home, new_home

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = "application/vnd.jupyter-logstream.v1+json"
CELLS = [
    "from jupyter_logstream import run",
    "ended = run('echo ended-line')\nended",
    "running = run('echo running-line; sleep 600')\nrunning",
    "assert ended.wait(60).state == 'succeeded'; running.wait_for('running-line', 60)\nNone",
]
TOOLS = {
    "nbconvert": ["nbconvert", "--to", "notebook", "--execute", "in.ipynb", "--output", "out.ipynb"],
    "papermill": ["papermill", "in.ipynb", "out.ipynb"],
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    yield from new_home(tmp_path_factory.mktemp("batch") / "home")


def execute(home: Home, *command: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=home.folder,
        env=home.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for noise in "Exception ignored", "Traceback", "never awaited":
        assert noise not in done.stdout + done.stderr
    return done


@pytest.mark.parametrize("tool", TOOLS)
def test_saved_notebook_has_the_final_form_or_the_running_state(tool: str, home: Home) -> None:
    kernel = {"name": "python3", "display_name": "Python", "language": "python"}
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]
    nbformat.write(notebook, home.folder / "in.ipynb")
    execute(home, *TOOLS[tool])
    outputs: list[Any] = [
        output["data"]
        for cell in nbformat.read(home.folder / "out.ipynb", 4).cells
        for output in cell["outputs"]
        if "data" in output
    ]
    assert [set(data) for data in outputs] == [{OURS, "text/plain", "text/html"}] * 2
    ended, running = outputs
    assert "Done" in ended["text/plain"]
    assert "ended-line" in ended["text/html"].split("<pre>")[1]
    assert ended[OURS]["final"]["job"]["state"] == "succeeded"
    assert "Running" in running["text/plain"]
    assert "final" not in running[OURS]


def test_pytest_ends_at_once_while_a_workload_runs(home: Home) -> None:
    (home.folder / "test_user.py").write_text(
        "from jupyter_logstream import run\n"
        "def test_ended(): assert run('echo hi').wait(60).text() == 'hi\\n'\n"
        "def test_running(): run('sleep 600')\n"
    )
    done = execute(home, "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "test_user.py")
    assert "2 passed" in done.stdout
