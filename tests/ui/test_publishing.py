"""Published logs of a notebook are live in the cell that shows them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.paths import NOTEBOOKS

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.notebook_page import NotebookPage

    Open = Callable[..., NotebookPage]

pytestmark = pytest.mark.browser

LOG = """
import logging
from jupyter_logstream import LogHandler, capture
handler = LogHandler("training")
log = logging.getLogger("train")
log.addHandler(handler)
handler.workload
"""


def test_handler_log_is_live_below_its_cell(notebook: Open):
    shown = notebook(LOG, "log.warning('<b>loss</b> grows'); log.error('it broke')", "handler.close()")
    shown.run(0)
    shown.wait_for("live", lines=0)
    shown.run(1)
    shown.wait_for("live", lines=2)
    rows = shown.rows()
    assert [rows.nth(n).get_attribute("data-level") for n in range(2)] == ["warn", "error"]
    assert "<b>loss</b> grows" in rows.nth(0).text_content()
    shown.run(2)
    shown.wait_for("done", lines=2)


def test_cell_magic_shows_its_workload(notebook: Open):
    shown = notebook("%load_ext jupyter_logstream", "%%workload --name shell\necho one\necho two")
    shown.run(0)
    shown.run(1)
    shown.wait_for("done", lines=2)


def test_cells_of_the_publishing_notebook_show_their_logs(notebook: Open):
    path = NOTEBOOKS / "publishing.ipynb"
    cells = ["".join(cell["source"]) for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    shown = notebook(*cells)
    for n in range(len(cells)):
        shown.run(n)
    for view in range(shown.views.count()):
        shown.wait_for("done", lines=1, view=view)
