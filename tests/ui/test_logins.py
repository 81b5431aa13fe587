"""The page under every login but the token's (which all other tests use): reading by cookie, cancelling with XSRF."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from support.browser_options import OPTIONS, quiet_news
from support.notebook_page import NotebookPage
from support.serving import jupyter
from support.tcp_proxy import proxied

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("kind", "auth", "base_url"),
    [
        ("lab", "password", "/user/a%20b/"),
        ("notebook", "none", "/"),
        ("lab", "none", "/x/"),
        ("notebook", "password", "/"),
    ],
)
def test_a_log_is_live_and_can_be_cancelled(kind, auth, base_url, page: Page, tmp_path: Path):
    quiet_news(tmp_path)
    with jupyter(tmp_path, kind=kind, auth=auth, base_url=base_url, options=OPTIONS) as server:
        cell = "from jupyter_logstream import run\njob = run('echo started; sleep 1000')\njob"
        notebook = NotebookPage(page, server, cell)
        notebook.run()
        notebook.wait_for("live", lines=1)
        assert notebook.rows().first.inner_text().strip() == "started"
        notebook.views.first.get_by_role("button", name=re.compile("cancel", re.IGNORECASE)).click()
        notebook.wait_for("done")
        (workload,) = server.get("workloads")["workloads"]
        assert workload["state"] == "cancelled"


def test_a_login_that_ends_under_an_open_log_is_told_once_and_not_asked_again_and_again(page: Page, tmp_path: Path):
    quiet_news(tmp_path)
    with jupyter(tmp_path, kind="notebook", auth="password", options=OPTIONS) as server, proxied(server.port) as proxy:
        server.page_port = proxy.port
        notebook = NotebookPage(page, server, "from jupyter_logstream import run\nrun('echo started; sleep 1000')")
        notebook.run()
        notebook.wait_for("live", lines=1)
        page.context.clear_cookies()
        proxy.cut()
        notebook.wait_for("error")
        assert notebook.views.first.get_by_text("Jupyter does not allow access to this log (403)").count() == 1
        asked = len(re.findall(r"403 POST \S*/v1/events", server.log))
        page.wait_for_timeout(8000)  # three rungs of the ladder, if it were still climbing
        assert len(re.findall(r"403 POST \S*/v1/events", server.log)) == asked in {1, 2}
