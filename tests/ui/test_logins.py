"""The page under the logins other than a token: reading by cookie, cancelling with the XSRF token."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from support.browser_options import OPTIONS, quiet_news, set_timings
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
        ("lab", "none", "/x/"),
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


def test_expired_login_is_reported_once_without_further_requests(page: Page, tmp_path: Path):
    quiet_news(tmp_path)
    with jupyter(tmp_path, kind="lab", auth="password", options=OPTIONS) as server, proxied(server.port) as proxy:
        server.page_port = proxy.port
        notebook = NotebookPage(page, server, "from jupyter_logstream import run\nrun('echo started; sleep 1000')")
        set_timings(page, BACKOFF_MS=[100])
        notebook.run()
        notebook.wait_for("live", lines=1)
        page.context.clear_cookies()
        proxy.cut()
        notebook.wait_for("error")
        assert notebook.views.first.get_by_text("Jupyter does not allow access to this log (403)").count() == 1
        requests = len(re.findall(r"403 (?:GET|POST) \S*/v1/events", server.log))
        page.wait_for_timeout(1000)  # ten delays of the backoff
        assert len(re.findall(r"403 (?:GET|POST) \S*/v1/events", server.log)) == requests in {1, 2}
