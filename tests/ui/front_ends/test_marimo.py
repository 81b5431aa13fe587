"""marimo: a bare workload and `mo.ui.anywidget`, and what running a cell again leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from support.log_checks import PROGRAM, expect_cancel, expect_download, expect_find, expect_lines, log_view
from support.page_program import page_program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Locator, Page
    from support.private_home import Home

pytestmark = pytest.mark.browser

NOTEBOOK = """
import marimo
app = marimo.App()

@app.cell
def _():
    import itertools, threading
    import marimo as mo
    from ipywidgets.widgets.widget import _instances as instances
    from jupyter_logstream import LogView, run
    turns = itertools.count(1)
    return LogView, instances, mo, run, threading, turns

@app.cell
def _(run):
    job = run({program!r})
    return (job,)

@app.cell
def _(job):
    job
    return

@app.cell
def _(LogView, job, mo):
    mo.ui.anywidget(LogView(job))
    return

@app.cell
def _(instances, mo, threading, turns):
    threads = sorted(it.name for it in threading.enumerate() if not it.name.startswith("asyncio_"))  # a pool
    mo.plain_text(f"turn {{next(turns)}}: {{len(instances)}} models, {{threads}}")
    return

@app.cell
def _(LogView, mo, run):
    import os, time
    if os.path.exists({busy!r}):
        mo.output.replace(mo.ui.anywidget(LogView(run("for i in 1 2 3; do echo line $i; sleep 1; done; sleep 1000"))))
        time.sleep(1000)
    return

if __name__ == "__main__":
    app.run()
"""
CONFIG = "[tool.marimo.runtime]\nauto_instantiate = true\n"
START, BARE, WIDGET, COUNT, BUSY = range(1, 6)


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gate") / "gate"


@pytest.fixture(scope="module")
def url(home: Home, gate: Path) -> Iterator[str]:
    folder, env = home.folder, home.env
    (folder / "notebook.py").write_text(
        NOTEBOOK.format(program=PROGRAM.format(gate=gate), busy=str(gate.with_name("busy")))
    )
    (folder / "pyproject.toml").write_text(CONFIG)
    options = ["--yes", "edit", "notebook.py", "--headless", "--no-token", "--skip-update-check", "--port", "{port}"]
    with page_program(folder, env, "marimo", *options) as url:
        yield url


def cell(page: Page, n: int) -> Locator:
    return page.locator("[data-cell-id]").nth(n)


def run_cell(page: Page, n: int) -> None:
    cell(page, n).get_by_role("textbox").first.click()
    page.keyboard.press("Control+Enter")


def run_again(page: Page, n: int) -> None:
    """Run a cell and wait until its view is another one."""
    view = log_view(cell(page, n))
    view.evaluate("(host) => { host.dataset.old = '1'; }")
    run_cell(page, n)
    expect(view.locator("xpath=self::*[not(@data-old)]")).to_be_visible()


def test_log_is_live_there_after_a_reload_searched_downloaded_and_cancelled(page: Page, url: str, gate: Path):
    page.goto(url)
    bare, widget = (log_view(cell(page, n)) for n in (BARE, WIDGET))
    for view in bare, widget:
        expect_lines(view, "line 50", 50)
    gate.touch()
    for view in bare, widget:
        expect_lines(view, "last", 51)
    page.reload()
    for view in bare, widget:
        expect_lines(view, "last", 51)
    expect_find(bare)
    expect_download(page, bare, 51)
    expect_cancel(widget)


@pytest.mark.timeout(240)
def test_twenty_runs_of_a_cell_leave_one_view_and_no_model_thread_or_stream(page: Page, url: str, home: Home):
    page.goto(url)
    expect(log_view(page)).to_have_count(2)
    run_cell(page, START)  # another workload, which runs
    for n in BARE, WIDGET:
        expect_lines(log_view(cell(page, n)), "last", 51)
    before = counts(page, home, turn=2)
    for _ in range(20):
        for n in BARE, WIDGET:
            run_again(page, n)
    for n in BARE, WIDGET:
        expect_lines(log_view(cell(page, n)), "last", 51)
        expect(log_view(cell(page, n))).to_have_count(1)
    assert counts(page, home, turn=3) == before


def counts(page: Page, home: Home, turn: int) -> list[object]:
    """Models and threads in the kernel, and streams on the log server."""
    run_cell(page, COUNT)
    text = cell(page, COUNT).get_by_text(f"turn {turn}:")
    code = "from jupyter_logstream.kernel.connection import call; print(call('GET', 'info').json()['open_streams'])"
    return [text.inner_text().partition(":")[2], int(home.python(code).stdout)]


def test_log_is_live_while_the_kernel_computes(page: Page, url: str, gate: Path):
    page.goto(url)
    expect(log_view(page)).to_have_count(2)
    gate.with_name("busy").touch()
    run_cell(page, BUSY)
    expect_lines(log_view(cell(page, BUSY)), "line 3", 3)
