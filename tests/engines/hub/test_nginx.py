"""nginx with TLS and HTTP/2 in front of JupyterHub, as sites have it: nothing waits in its buffers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.nginx import nginx
from support.notebook_page import NotebookPage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import BrowserContext
    from support.jupyterhub import JupyterHub, SingleUser
    from support.nginx import Nginx

pytestmark = pytest.mark.timeout(600)  # servers of a hub take seconds to start

READ_TIMEOUT_S = 20
"""Of nginx, whose default is 60: it ends a connection that is silent for so long."""
STEP_BY_STEP = "for i in 1 2 3 4 5; do echo line $i; while [ ! -e seen$i ]; do sleep 0.02; done; done; echo finished"
"""Prints each line only after the file `seen...` shows that the one before it was seen."""
RECORD_STATES = """() => {
  const host = document.querySelector("[data-logstream]");
  window.states = [];
  new MutationObserver(() => window.states.push(host.dataset.state)).observe(host, { attributes: true });
}"""
PROTOCOLS = """() => [...new Set(performance.getEntriesByType("resource").map((it) => it.nextHopProtocol))]"""


@pytest.fixture
def site(hub: JupyterHub, tmp_path) -> Iterator[Nginx]:
    with nginx(tmp_path, hub.port, read_timeout_s=READ_TIMEOUT_S) as site:
        yield site


@pytest.fixture
def notebook(site: Nginx, hub: JupyterHub, ann: SingleUser, context: BrowserContext) -> NotebookPage:
    """A notebook of ann's that shows a workload step by step; it is not run yet."""
    page = context.new_page()
    hub.log_in(page, "ann", f"{site.url}{hub.base_url}")
    ann.origin = site.url
    for i in range(1, 6):
        (ann.root / f"seen{i}").unlink(missing_ok=True)
    return NotebookPage(page, ann, f"from jupyter_logstream import run\njob = run({STEP_BY_STEP!r})\njob")


def go_on(notebook: NotebookPage, first: int, last: int) -> None:
    """See the lines one by one; each is printed after the one before it was seen."""
    for i in range(first, last + 1):
        notebook.wait_for("live", lines=i)
        (notebook.server.root / f"seen{i}").touch()


def test_each_line_is_seen_before_the_next_is_written(notebook: NotebookPage) -> None:
    notebook.run()
    go_on(notebook, 1, 5)
    notebook.wait_for("done", lines=6)
    assert "h2" in notebook.page.evaluate(PROTOCOLS)


def test_a_silent_log_stays_connected_beyond_the_read_timeout(notebook: NotebookPage) -> None:
    notebook.run()
    notebook.wait_for("live", lines=1)
    notebook.page.evaluate(RECORD_STATES)
    notebook.page.wait_for_timeout((READ_TIMEOUT_S + 10) * 1000)
    assert set(notebook.page.evaluate("() => window.states")) <= {"live"}
    go_on(notebook, 1, 5)
    notebook.wait_for("done", lines=6)


def test_lines_written_while_nginx_is_down_are_there_when_it_is_back(site: Nginx, notebook: NotebookPage) -> None:
    notebook.run()
    notebook.wait_for("live", lines=1)
    site.stop()
    notebook.wait_for("reconnecting")
    for i in range(1, 4):
        (notebook.server.root / f"seen{i}").touch()
    site.start()
    notebook.wait_for("live", lines=4)
    go_on(notebook, 4, 5)
    notebook.wait_for("done", lines=6)
    assert notebook.walk() == [*([i, f"line {i}"] for i in range(1, 6)), [6, "finished"]]
