"""Views in pages that cannot reach the log server: everything passes through the kernel."""

from __future__ import annotations

import json
import random
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from support.browser_options import LABEXTENSION, OPTIONS, disable, quiet_news, serialize_comms
from support.kept_tabs import leave
from support.notebook_page import NotebookPage
from support.serving import Server, jupyter
from support.tcp_proxy import proxied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def log_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server without a page, which kernels of the other one use for logs."""
    with jupyter(tmp_path_factory.mktemp("logs")) as server:
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, log_server: Server) -> Iterator[Server]:
    """JupyterLab with both of our extensions disabled."""
    folder = tmp_path_factory.mktemp("lab")
    quiet_news(folder)
    disable(folder, LABEXTENSION)
    serialize_comms(folder)
    with jupyter(folder, kind="lab", options=OPTIONS, ours=False, log_server=log_server) as server:
        assert server.http.get(f"{server.url}logstream/v1/info").status_code == 404
        yield server


@pytest.fixture
def notebook(new_tab: Callable, server: Server, log_server: Server) -> Iterator[Callable[..., NotebookPage]]:
    page = new_tab()
    yield partial(NotebookPage, page, server)
    leave(page)
    for session in server.http.get(f"{server.url}api/sessions").json():
        server.http.delete(f"{server.url}api/sessions/{session['id']}")
    log_server.end_workloads()


IMPORT = "from jupyter_logstream import run, Workload, WorkloadTable, RequestTable\n"


def test_log_is_live_while_the_kernel_is_idle(notebook):
    page = notebook(IMPORT + "run('echo first; sleep 1; echo second')")
    page.run()
    page.wait_for("done", lines=2)
    assert page.walk() == [[1, "first"], [2, "second"]]


def test_log_is_live_while_the_kernel_computes_and_requests_wait_for_it(notebook, tmp_path):
    end = tmp_path / "end"
    busy = f"while not os.path.exists({str(end)!r}): time.sleep(0.1)"
    page = notebook(IMPORT + f"import os, time\ndisplay(run('for i in 1 2 3; do echo line $i; sleep 1; done'))\n{busy}")
    page.start(0)
    page.wait_for("done", lines=3)
    assert page.kernel_status() == "busy"
    assert page.walk() == [[1, "line 1"], [2, "line 2"], [3, "line 3"]]
    search(page, "line 2")
    badge = page.views.first.locator(".badge")
    expect(badge).to_contain_text("waiting for the kernel")
    end.touch()
    expect(page.views.first.locator(".find .matches")).to_contain_text("1 of 1")
    expect(badge).not_to_contain_text("waiting")


def search(page: NotebookPage, text: str) -> None:
    page.views.first.locator("button.find-open").click()
    page.views.first.locator(".find input.query").fill(text)


def test_million_lines_are_searched_shown_and_counted(notebook):
    page = notebook(IMPORT + "job = run('seq 1000000')\njob.wait()\njob.show(height=400)")
    page.run()
    page.wait_for("done", lines=1_000_000)
    assert page.views.first.get_attribute("data-lines") == "1000000"
    expect(page.rows().last).to_have_text("1000000")
    search(page, "/^777777$/")
    expect(page.views.first.locator(".find .matches")).to_contain_text("1 of 1")
    expect(page.views.first.locator('[data-seq="777777"]')).to_contain_text("777777")


def test_complete_log_is_downloaded_and_the_limit_is_reported(notebook):
    page = notebook(
        IMPORT + "job = run('seq 100000')\njob.wait()\njob.show()", "job = run('seq 9000000')\njob.wait()\njob.show()"
    )
    page.run()
    page.wait_for("done", lines=100_000)
    with page.page.expect_download() as download:
        page.views.first.locator("a.download").click()
    text = download.value.path().read_text()
    assert text == "".join(f"{i}\n" for i in range(1, 100_001))
    page.run(1)
    page.wait_for("done", lines=9_000_000, view=1, timeout=100)
    page.views.nth(1).locator("a.download").click()
    expect(page.views.nth(1).locator(".toast")).to_contain_text("larger than 50 MB")


def test_workload_is_cancelled(notebook):
    page = notebook(IMPORT + "run('echo ready; sleep 600')")
    page.run()
    page.wait_for("live", lines=1)
    page.views.first.locator("button.cancel").click()
    page.wait_for("done")
    expect(page.views.first.locator(".badge")).to_contain_text("Cancelled")


def test_tables_are_live(notebook):
    page = notebook(
        IMPORT + "WorkloadTable()", "RequestTable()", "job = run('echo hi', name='the latest')\njob.wait().state"
    )
    page.run(0)
    page.run(1)
    table = page.page.locator('[data-logstream="workloads"]')
    expect(page.page.locator('[data-logstream="requests"]')).to_have_attribute("data-state", "live")
    expect(table).to_have_attribute("data-state", "live")
    page.run(2)
    row = table.locator("[data-id]").first
    expect(row).to_contain_text("the latest")
    expect(row).to_contain_text("Done")


def test_restarted_kernel_is_reported_and_the_last_lines_stay(notebook):
    page = notebook(IMPORT + "run('echo before; sleep 600')")
    page.run()
    page.wait_for("live", lines=1)
    page.restart_kernel()
    page.wait_for("reconnecting")
    expect(page.views.first.locator(".badge")).to_contain_text("the kernel does not answer or has ended")
    assert page.walk() == [[1, "before"]]


def test_view_made_again_while_the_kernel_is_busy_has_its_lines(notebook):
    page = notebook(IMPORT + "import time\ndisplay(run('seq 5; sleep 600'))\ntime.sleep(600)", "1")
    page.start(0)
    page.wait_for("live", lines=5)
    page.views.first.evaluate("it => { it.dataset.earlier = 'true'; }")
    page.select(0)
    page.command("notebook:move-cell-down")  # the front end makes the view again
    expect(page.page.locator("[data-earlier]")).to_have_count(0)
    page.wait_for("live", lines=5)
    assert [text for _, text in page.walk()] == ["1", "2", "3", "4", "5"]


@pytest.mark.timeout(300)
def test_page_shows_every_line_once_through_a_hundred_cuts_of_the_relay(new_tab, server, log_server, tmp_path):
    rng, enough, address = random.Random(5), tmp_path / "enough", tmp_path / "server.json"
    program = (
        "import os, sys, time\nfor i in range(1, 20_001):\n    print('line', i)\n"
        "    if i % 5 == 0 and not os.path.exists(sys.argv[1]): time.sleep(0.05)"
    )
    cell = (
        f"import os; os.environ['JUPYTER_LOGSTREAM_SERVER'] = {str(address)!r}\n"
        "from jupyter_logstream.kernel import reader; reader.BACKOFF_S = (0.05,)\n"
        f"{IMPORT}job = run([{sys.executable!r}, '-c', {program!r}, {str(enough)!r}])\ndisplay(job.show(height=600))"
    )
    with proxied(log_server.port) as proxy:
        known = json.loads(log_server.address_file.read_text())
        address.write_text(json.dumps({**known, "url": f"http://127.0.0.1:{proxy.port}"}))
        proxy.cut_streams_after(rng.randrange(1500, 6000) for _ in range(100))
        notebook = NotebookPage(new_tab(), server, cell)
        notebook.run()
        notebook.wait_for()
        notebook.eventually(lambda: proxy.cuts == 100, "all cuts", 200)
        enough.touch()
        notebook.wait_for("done", lines=20_000, timeout=100)
        assert notebook.views.first.get_attribute("data-lines") == "20000"
        assert notebook.walk() == [[i, f"line {i}"] for i in range(1, 20_001)]
        notebook.shut_down_kernel()
