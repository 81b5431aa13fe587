"""Notebooks as workloads: steps, live output, parameters, errors, the executed notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from jupyter_logstream import CellFailed, notebook, run

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, *cells: object) -> Path:
    nbformat.write(new_notebook(cells=list(cells)), path)
    return path


def parameters(source: str):
    return new_code_cell(source, metadata={"tags": ["parameters"]})


def test_cells_are_steps_their_output_is_the_log_and_parameters_replace_the_defaults(here: Path) -> None:
    path = write(
        here / "report.ipynb",
        parameters("# Settings\nday, n = 'none', 1"),
        new_markdown_cell("## Train the model\nText."),
        new_code_cell("for i in range(n):\n    print(day, i)"),
        new_code_cell("6 * 7"),
    )
    job = run(notebook(path, parameters={"day": "2026-01-01", "n": 2}, output=here / "out.ipynb"))
    assert job.result(100) == str(here / "out.ipynb")
    assert [step["name"] for step in job.info["steps"]] == [
        "1 Settings",
        "2 Parameters",
        "3 Train the model",
        "4 6 * 7",
    ]
    assert [record.message for record in job.logs(step="3 Train the model")][1:3] == ["2026-01-01 0", "2026-01-01 1"]
    assert "42" in [record.message for record in job.logs(step="4 6 * 7")]
    executed = nbformat.read(here / "out.ipynb", 4)
    assert executed.cells[1].metadata.tags == ["injected-parameters"]
    assert executed.cells[4].outputs[0].data["text/plain"] == "42"
    assert job.info["call"] == "notebook(report.ipynb, day='2026-01-01', n=2)"


def test_output_of_the_running_cell_is_live_and_the_cells_before_it_are_saved(here: Path) -> None:
    path = write(
        here / "n.ipynb",
        new_code_cell("print('first')"),
        new_code_cell(
            "import os, time\nprint('running')\nfor _ in range(3000):\n"
            "    if os.path.exists('gate'): break\n    time.sleep(0.02)"
        ),
    )
    job = run(notebook(path))
    job.wait_for("^running", 100)
    assert job.state == "running"
    saved = nbformat.read(here / "n-out.ipynb", 4)
    assert saved.cells[0].outputs[0].text == "first\n"
    (here / "gate").touch()
    assert job.result(100) == str(here / "n-out.ipynb")


def test_a_progress_bar_stays_one_line(here: Path) -> None:
    path = write(
        here / "bar.ipynb", new_code_cell("import sys\nfor i in range(5): sys.stdout.write(f'\\r{i}/4')\nprint()")
    )
    job = run(notebook(path))
    job.result(100)
    assert [record.message for record in job.logs() if "/4" in record.message] == ["4/4"]


def test_an_error_names_cell_and_line_and_keeps_what_was_done(here: Path) -> None:
    path = write(
        here / "bad.ipynb", new_code_cell("x = 1"), new_code_cell("y = 2\n\n1 / (x - 1)"), new_code_cell("'no'")
    )
    job = run(notebook(path))
    with pytest.raises(CellFailed, match="cell 2, line 3: ZeroDivisionError: division by zero"):
        job.result(100)
    assert (job.state, job.info["steps"][-1]["state"]) == ("failed", "failed")
    saved = nbformat.read(here / "bad-out.ipynb", 4)
    assert saved.cells[1].outputs[0].ename == "ZeroDivisionError"


def test_what_is_wrong_with_the_call_is_said_in_the_cell(here: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.ipynb"):
        notebook("nothing.ipynb")
    path = write(here / "n.ipynb", new_code_cell("1"))
    with pytest.raises(ValueError, match="data has a value of type object"):
        notebook(path, parameters={"data": object()})
    with pytest.raises(ValueError, match="'a b' is not the name"):
        notebook(path, parameters={"a b": 1})
