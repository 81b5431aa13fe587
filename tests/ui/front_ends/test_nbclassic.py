"""nbclassic, the page of Notebook 6: its outputs are widgets, and it names its base URL in the body."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.log_checks import PROGRAM, expect_cancel, expect_download, expect_find, expect_lines, log_view
from support.serving import NBCLASSIC, TOKEN, Server, jupyter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

WIDGETS_ARE_READY = """() => {
  const kernel = window.Jupyter?.notebook?.kernel;
  return kernel?.is_connected() && kernel.comm_manager.targets["jupyter.widget"] !== undefined;
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    options = {"base_url": "/user/a%20b/", "front_ends": (NBCLASSIC,)}
    with jupyter(tmp_path_factory.mktemp("nbclassic"), kind="server", **options) as server:
        yield server


def test_log_of_a_busy_and_restarted_kernel_is_live_searched_downloaded_and_cancelled(
    server: Server, page: Page, tmp_path: Path
):
    gate = tmp_path / "gate"
    code = f"from jupyter_logstream import run\nrun({PROGRAM.format(gate=gate)!r})"
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [{**cell, "source": code}, {**cell, "source": "import time\ntime.sleep(1000)"}]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 4}
    (server.root / "a.ipynb").write_text(json.dumps(notebook))
    page.goto(f"{server.page_url}nbclassic/notebooks/a.ipynb?token={TOKEN}")
    page.wait_for_function(WIDGETS_ARE_READY, timeout=60_000)
    page.evaluate("() => Jupyter.notebook.execute_cells([0, 1])")
    view = log_view(page)
    expect_lines(view, "line 50", 50)
    gate.touch()
    expect_lines(view, "last", 51)  # the kernel is busy
    page.evaluate("() => { Jupyter.notebook.kernel.restart(); }")
    page.wait_for_function("() => Jupyter.notebook.kernel.is_connected()")
    expect_find(view)
    expect_download(page, view, 51)
    expect_cancel(view)
