"""Solara: a page that shows a log view. Its widgets live in threads of Solara's server, not in a Jupyter kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.log_checks import PROGRAM, expect_cancel, expect_download, expect_find, expect_lines, log_view
from support.page_program import page_program

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page
    from support.private_home import Home

pytestmark = pytest.mark.browser

APP = """
import solara
from jupyter_logstream import LogView, run

@solara.component
def Page():
    started, set_started = solara.use_state(False)
    solara.Button("Start", on_click=lambda: set_started(True))
    view = solara.use_memo(lambda: LogView(run({program!r})) if started else None, [started])
    if view is not None:
        solara.display(view)
"""


def test_page_shows_finds_downloads_and_cancels(home: Home, page: Page, tmp_path: Path):
    gate = tmp_path / "gate"
    (home.folder / "app.py").write_text(APP.format(program=PROGRAM.format(gate=gate)))
    options = ["run", "app.py", "--no-open", "--production", "--host", "127.0.0.1", "--port", "{port}"]
    with page_program(home.folder, home.env, "solara", *options) as url:
        page.goto(url)
        page.get_by_role("button", name="Start").click(timeout=60_000)
        view = log_view(page)
        expect_lines(view, "line 50", 50)
        gate.touch()
        expect_lines(view, "last", 51)
        expect_find(view)
        expect_download(page, view, 51)
        expect_cancel(view)
