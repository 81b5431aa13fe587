"""Execution of the notebooks for the documentation site, on a private server of their own. Build time, by `make docs`.

Writes `docs/tutorials/NAME.ipynb` with the static forms that a notebook without a page gets. Notebooks that need a
configured server or a package index are copied without outputs. `--copy` executes none, for a quick check of the pages.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from nbclient import NotebookClient
from nbconvert.preprocessors import CoalesceStreamsPreprocessor

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).resolve().parent
SOURCES, TARGETS = DOCS.parent / "notebooks", DOCS / "tutorials"
NOT_EXECUTED = {"llm_requests", "download"}
CELL_TIMEOUT_S = 600
LIVE = "application/vnd."
"""Types of the live forms: a static page cannot show them."""
SAVED = "This page shows the logs as they are saved in the notebook."
NO_OUTPUTS = "This page shows the notebook without its outputs."
IN_JUPYTERLAB = "In JupyterLab they are live ([The log view](../log-view.md)): `make demo` opens its folder."


def write(notebook: nbformat.NotebookNode, name: str, note: str) -> None:
    """Write a notebook with a note behind its first cell."""
    notebook.cells.insert(1, nbformat.v4.new_markdown_cell(f"```{{note}}\n{note} {IN_JUPYTERLAB}\n```"))
    nbformat.write(notebook, TARGETS / name)


def copy(source: Path) -> None:
    """Copy a notebook with the lexer that a kernel would name: Python's own warns at magics and shell cells."""
    notebook = nbformat.read(source, 4)
    notebook.metadata.language_info = {"name": "python", "pygments_lexer": "ipython3"}
    write(notebook, source.name, NO_OUTPUTS)


def execute(source: Path, folder: Path) -> None:
    """Run one notebook in `folder` and write it with its outputs."""
    notebook = nbformat.read(source, 4)
    NotebookClient(notebook, timeout=CELL_TIMEOUT_S, resources={"metadata": {"path": str(folder)}}).execute()
    CoalesceStreamsPreprocessor().preprocess(notebook, {})  # the client's own option loses outputs that are updated
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "data" in output:
                output.data = {mime: data for mime, data in output.data.items() if not mime.startswith(LIVE)}
    notebook.metadata.pop("widgets", None)
    write(notebook, source.name, SAVED)


@contextmanager
def private_server() -> Iterator[None]:
    """Start it before the notebooks: the first cell would print that it was started."""
    command = [sys.executable, "-m", "jupyter_logstream", "server"]
    subprocess.run([*command, "start"], check=True)
    try:
        yield
    finally:
        subprocess.run([*command, "stop"], check=True)


def main() -> None:
    """Execute all notebooks at once; each waits for its workloads most of the time."""
    TARGETS.mkdir(exist_ok=True)
    if "--copy" in sys.argv[1:]:
        for source in SOURCES.glob("*.ipynb"):
            copy(source)
        return
    with tempfile.TemporaryDirectory() as folder:
        for script in SOURCES.glob("*.py"):
            shutil.copy(script, folder)
        os.environ.update(JUPYTER_DATA_DIR=f"{folder}/data", JUPYTER_RUNTIME_DIR=f"{folder}/runtime")
        for name in NOT_EXECUTED:
            copy(SOURCES / f"{name}.ipynb")
        sources = sorted(path for path in SOURCES.glob("*.ipynb") if path.stem not in NOT_EXECUTED)
        with private_server(), ThreadPoolExecutor(len(sources)) as pool:
            list(pool.map(execute, sources, [Path(folder)] * len(sources)))
    sys.stdout.write(f"executed {len(sources)} notebooks into {TARGETS}\n")


if __name__ == "__main__":
    main()
