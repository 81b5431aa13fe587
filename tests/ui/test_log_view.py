"""Log view of a workload in JupyterLab and Notebook 7: live lines, reloads, restarts, search, keys."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from playwright.sync_api import expect
from support.browser_options import set_timings

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.notebook_page import NotebookPage
    from support.serving import Server

    Open = Callable[..., NotebookPage]

pytestmark = pytest.mark.browser

COUNT = """
import gc
from ipywidgets import Layout
from ipywidgets.widgets.widget import _instances
from jupyter_logstream import LogView
gc.collect()
"""
MODELS_AND_LAYOUTS = "[sum(isinstance(w, k) for w in _instances.values()) for k in (LogView, Layout)]"


def printing(lines: int, every: float) -> str:
    """A cell that runs a program with a number of unflushed lines and shows its log."""
    program = f"import time\nfor i in range({lines}): print('line', i); time.sleep({every})"
    return f"from jupyter_logstream import run\nrun([{sys.executable!r}, '-c', {program!r}])"


STEPS = """
import os, sys, time
for i in range(8):
    print('line', i)
    while not os.path.exists(f'{sys.argv[1]}-{i}'): time.sleep(0.02)
"""
UNTIL_GATE = """
import os, sys, time
i = 0
while not os.path.exists(sys.argv[1]):
    print('line', i)
    i += 1
    time.sleep(0.2)
"""
PROGRESS = """
import os, sys, time
i = 0
while not os.path.exists(sys.argv[1]):
    print(f'\\r{i * 5 % 100}%', end='', flush=True)
    i += 1
    time.sleep(0.1)
print('\\rdone')
"""


def showing(program: str, gate: Path) -> str:
    """A cell that shows the log of a program that waits for files of the test, so that it cannot end too early."""
    return f"from jupyter_logstream import run\nrun([{sys.executable!r}, '-c', {program!r}, {str(gate)!r}])"


@pytest.fixture
def gate(server: Server) -> Path:
    return server.folder / f"gate-{uuid4().hex}"


def written(page: NotebookPage) -> int:
    """The number of lines on the server."""
    return int(page.server.get(f"workloads/{page.views.first.get_attribute('data-workload')}")["lines"])


def streams(server: Server) -> int:
    return server.get("info")["open_streams"]


def test_lines_appear_one_by_one_while_they_are_written(notebook: Open, gate: Path):
    page = notebook(showing(STEPS, gate))
    page.run()
    for i in range(8):
        page.rows().get_by_text(f"line {i}").wait_for()
        assert page.rows().count() == i + 1
        gate.with_name(f"{gate.name}-{i}").touch()
    page.wait_for("done", lines=8)
    assert [row.strip() for row in page.rows().all_inner_texts()] == [f"line {i}" for i in range(8)]


def test_view_is_live_then_done_and_closes_its_stream(notebook: Open, server: Server, gate: Path):
    page = notebook(showing(UNTIL_GATE, gate))
    set_timings(page.page, BACKOFF_MS=[100])
    page.run()
    page.wait_for("live", lines=4)
    gate.touch()
    page.wait_for("done", lines=4)
    page.eventually(lambda: server.get("info")["connections"] == 0, "no connection")
    page.page.wait_for_timeout(1000)  # ten delays of the backoff
    assert server.get("info")["connections"] == 0


def test_reload_of_the_saved_page_shows_every_line(notebook: Open, gate: Path):
    page = notebook(showing(UNTIL_GATE, gate))
    page.run()
    page.wait_for("live", lines=3)
    page.save()
    page.reload()
    page.wait_for("live", lines=4)
    gate.touch()
    page.wait_for("done")
    lines = written(page)
    assert page.views.first.get_attribute("data-lines") == str(lines)
    page.reload()
    page.wait_for("done", lines=lines)
    page.rows().get_by_text(f"line {lines - 1}").wait_for()
    texts = [row.strip() for row in page.rows().all_inner_texts()]
    assert texts == [f"line {i}" for i in range(lines)][-len(texts) :]


def test_kernel_restart_stops_neither_workload_nor_view(notebook: Open, gate: Path):
    page = notebook(showing(UNTIL_GATE, gate))
    page.run()
    page.wait_for("live", lines=3)
    page.restart_kernel()
    page.wait_for("live", lines=written(page) + 2)
    gate.touch()
    page.wait_for("done")
    lines = written(page)
    assert page.views.first.get_attribute("data-lines") == str(lines)
    page.rows().get_by_text(f"line {lines - 1}").wait_for()


def test_closed_page_closes_its_stream(notebook: Open, server: Server):
    page = notebook(printing(1000, 0.5))
    page.run()
    page.wait_for("live", lines=1)
    page.page.goto("about:blank")
    page.eventually(lambda: server.get("info")["connections"] == 0, "no connection")


def test_eight_live_views_share_one_connection_and_the_notebook_saves_at_once(notebook: Open, server: Server):
    page = notebook(*[printing(1000, 0.2)] * 8)
    for cell in range(8):
        page.run(cell)
    # JupyterLab can detach views that are scrolled out of sight; the attached ones must be live.
    page.eventually(lambda: page.views.count() >= 1 and streams(server) >= page.views.count(), "streams")
    with page.kernel() as kernel:
        kernel.run(COUNT)
        assert max(kernel.json(MODELS_AND_LAYOUTS)) <= 8
    page.eventually(lambda: server.get("info")["connections"] == 1, "one connection")
    for view in range(page.views.count()):
        page.wait_for("live", lines=3, view=view)
    assert page.save() < 20  # does not wait for the streams to end
    saved = json.loads((server.root / page.file).read_text())
    assert all(cell["outputs"] for cell in saved["cells"])


def test_the_cancel_button_cancels(notebook: Open, server: Server):
    page = notebook("from jupyter_logstream import run\njob = run('echo started; sleep 1000')\njob")
    page.run()
    page.wait_for("live", lines=1)
    page.views.first.get_by_role("button", name=re.compile("cancel", re.IGNORECASE)).click()
    page.wait_for("done")
    with page.kernel() as kernel:
        assert kernel.json("job.state") == "cancelled"


def test_log_text_never_becomes_an_element(notebook: Open):
    text = '<img src=x onerror="window.hacked = 1"><b>bold</b>&amp;'
    page = notebook(f"from jupyter_logstream import run\nrun(['echo', {text!r}])")
    page.run()
    page.wait_for("done", lines=1)
    assert page.rows().first.inner_text().strip() == text
    assert page.views.first.locator("img, b").count() == 0
    assert page.page.evaluate("window.hacked") is None


def test_colours_are_drawn_and_their_escape_codes_hidden(notebook: Open):
    page = notebook("from jupyter_logstream import run\nrun(['printf', r'\\033[31mred\\033[0m plain\\n'])")
    page.run()
    page.wait_for("done", lines=1)
    row = page.rows().first
    assert row.inner_text().strip() == "red plain"
    words = [row.get_by_text(word).last for word in ("red", "plain")]
    red, plain = (word.evaluate("it => getComputedStyle(it).color") for word in words)
    assert red != plain


def test_progress_bar_is_updated_in_place_as_one_line(notebook: Open, gate: Path):
    page = notebook(showing(PROGRESS, gate))
    page.run()
    bar = page.views.first.get_by_text(re.compile(r"^\s*\d+%\s*$")).first
    bar.wait_for()
    before = bar.inner_text()
    page.eventually(lambda: bar.inner_text() != before, "the bar moves")
    gate.touch()
    page.wait_for("done", lines=1)
    assert [row.strip() for row in page.rows().all_inner_texts()] == ["done"]


def test_a_long_log_opens_at_its_end_and_scrolls_to_its_beginning_with_few_rows(notebook: Open):
    page = notebook("from jupyter_logstream import run\njob = run('seq 1 300000', tty=False).wait(60)", "job")
    page.run(0)
    page.run(1)
    page.wait_for("done", lines=300_000)
    page.views.first.locator('[data-seq="300000"]').wait_for()
    log = page.views.first.get_by_role("log")
    log.press("Home")
    first = page.views.first.locator('[data-seq="1"]')
    expect(first).to_have_text("1")  # the row appears first, its text after its range was read
    assert page.rows().count() < 500
    log.press("End")
    page.views.first.locator('[data-seq="300000"]').wait_for()


def test_scrolling_up_pauses_following_and_the_bottom_resumes_it(notebook: Open):
    page = notebook(printing(10_000, 0.02))
    page.run()
    page.wait_for("live", lines=100)
    log = page.views.first.get_by_role("log")
    log.press("Home")
    page.views.first.locator('[data-seq="1"]').wait_for()
    page.wait_for("live", lines=150)
    assert page.views.first.locator('[data-seq="1"]').is_visible()
    log.press("End")
    before = int(page.views.first.get_attribute("data-lines") or 0)
    page.eventually(lambda: int(page.rows().last.get_attribute("data-seq") or 0) > before, "the newest")


def test_search_finds_a_match_anywhere_in_a_long_log(notebook: Open):
    page = notebook("from jupyter_logstream import run\njob = run('seq 1 300000', tty=False).wait(60)", "job")
    page.run(0)
    page.run(1)
    page.wait_for("done", lines=300_000)
    view = page.views.first
    view.get_by_role("log").press("/")
    query = view.get_by_role("textbox")
    query.fill("/^12345.$/")
    expect(view.get_by_text("10 of 10")).to_be_visible()
    expect(view.locator("[data-hit]")).to_have_text("123459")
    query.press("Enter")
    expect(view.locator("[data-hit]")).to_have_text("123450")
    query.press("Escape")
    expect(view.locator("[data-hit]")).to_have_count(0)


PHRASE = r"\033[31mcon\033[1mnec\033[0mtion refused 7\nİİ zone apple\n"


def test_search_finds_and_marks_a_phrase_in_several_colours_far_above_the_end(notebook: Open):
    command = f"printf '{PHRASE}'; seq -f 'line %.0f' 200000"
    page = notebook(f'from jupyter_logstream import run\njob = run(r"{command}", tty=False).wait(60)', "job")
    page.run(0)
    page.run(1)
    page.wait_for("done", lines=200_002)
    view = page.views.first
    view.get_by_role("log").press("/")
    query = view.get_by_role("textbox")
    for q, marks in (
        ("connection refused", ["con", "nec", "tion refused"]),
        ("/^connection/", ["con", "nec", "tion"]),
        ("/(?i)APPLE/", ["apple"]),
        ("zone a", ["zone a"]),
    ):
        query.fill(q)
        expect(view.get_by_text("1 of 1")).to_be_visible()
        expect(view.locator("[data-hit] .mark")).to_have_text(marks)
    for q in ("[1m", "mcon"):
        query.fill(q)
        expect(view.get_by_text("No matches")).to_be_visible()
    query.fill("/(?=line)/")
    expect(view.get_by_text("lookaround is not supported")).to_be_visible()


def test_keys_pressed_in_a_log_do_not_edit_the_notebook(notebook: Open):
    page = notebook(printing(3, 0), "1")
    page.run()
    page.wait_for("done", lines=3)
    page.select(0)
    cells = "jupyterapp.shell.currentWidget.content.widgets.map(it => it.model.sharedModel.toJSON().source)"
    before = page.page.evaluate(cells)
    log = page.views.first.get_by_role("log")
    for key in (*"ddaxbmyzvc", *"nNeEfwtgG", "Escape", *"jkcC", "Enter", "Enter", "Escape", *"oo", "?", "Escape"):
        log.press(key)
        assert page.page.evaluate("jupyterapp.shell.currentWidget.content.mode") == "command", key
    log.press("/")
    page.page.keyboard.type("ddxa")
    page.page.keyboard.press("Escape")
    for name in ("Find in the complete log", "Display options and actions"):
        button = page.views.first.get_by_role("button", name=name)
        for key in "ddxabm":
            button.press(key)
    assert page.page.evaluate(cells) == before
    assert page.page.evaluate("jupyterapp.shell.currentWidget.content.activeCellIndex") == 0
