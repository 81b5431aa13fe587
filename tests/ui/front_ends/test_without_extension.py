"""JupyterLab and Notebook 7 with both of our extensions disabled: a private server, and views over the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.browser_options import LABEXTENSION, OPTIONS, disable, quiet_news
from support.log_checks import PROGRAM, expect_cancel, expect_download, expect_find, expect_lines
from support.notebook_page import NotebookPage
from support.without_extension import without_extension

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", params=["lab", "notebook"])
def open_notebook(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., NotebookPage]]:
    folder = tmp_path_factory.mktemp(request.param)
    quiet_news(folder)
    disable(folder, LABEXTENSION)
    with without_extension(folder, kind=request.param, base_url="/user/ann/", options=OPTIONS) as server:
        yield lambda page, *cells: NotebookPage(page, server, *cells)


def test_log_is_live_searched_downloaded_cancelled_and_there_after_a_reload(
    open_notebook: Callable[..., NotebookPage], page: Page, tmp_path: Path
):
    gate = tmp_path / "gate"
    notebook = open_notebook(page, f"from jupyter_logstream import run\nrun({PROGRAM.format(gate=gate)!r})")
    notebook.run()
    view = notebook.views
    expect_lines(view, "line 50", 50)
    gate.touch()
    expect_lines(view, "last", 51)
    expect_find(view)
    expect_download(page, view, 51)
    notebook.save()
    notebook.reload()
    expect_lines(view, "last", 51)
    expect_cancel(view)
