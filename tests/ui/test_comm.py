"""Views in pages that cannot reach the log server: everything passes through the kernel."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from support.browser_options import LABEXTENSION, OPTIONS, disable, quiet_news, serialize_comms
from support.kept_tabs import leave
from support.notebook_page import NotebookPage
from support.serving import Server, jupyter

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


def test_log_is_live_while_the_kernel_computes(notebook):
    page = notebook(
        IMPORT + "import time\ndisplay(run('for i in 1 2 3; do echo line $i; sleep 1; done'))\ntime.sleep(60)"
    )
    page.start(0)
    page.wait_for("done", lines=3)
    assert page.kernel_status() == "busy"
    assert page.walk() == [[1, "line 1"], [2, "line 2"], [3, "line 3"]]
