"""The view of a workload while its server is killed and restarted."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import pytest
from support.browser_options import OPTIONS, quiet_news
from support.notebook_page import NotebookPage
from support.serving import jupyter

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def test_view_shows_every_line_once_after_its_server_was_killed(page: Page, tmp_path: Path):
    quiet_news(tmp_path)
    stop = tmp_path / "stop"
    program = (
        f"import os, time\ni = 0\nwhile not os.path.exists({str(stop)!r}): print('line', i); i += 1; time.sleep(0.1)"
    )
    with jupyter(tmp_path, kind="lab", options=OPTIONS) as server:
        notebook = NotebookPage(
            page, server, f"from jupyter_logstream import run\nrun([{sys.executable!r}, '-c', {program!r}])"
        )
        notebook.run()
        notebook.wait_for("live", lines=5)
        server.stop(signal.SIGKILL)
        host = notebook.views.first
        page.wait_for_function("() => document.querySelector('[data-logstream]').dataset.state === 'reconnecting'")
        server.start(server.port)
        written = server.get("workloads")["workloads"][0]["lines"]
        assert written > 10
        notebook.wait_for("live", lines=written + 10, timeout=60)
        stop.touch()
        notebook.wait_for("done")
        written = server.get("workloads")["workloads"][0]["lines"]
        assert host.get_attribute("data-lines") == str(written)
        if page.locator(".jp-Dialog").count():  # on the lost connection; it takes the keys
            page.locator(".jp-Dialog .jp-mod-reject").click()
        host.get_by_role("log").press("Home")
        host.locator('[data-seq="1"]').wait_for()
        texts = [row.strip() for row in notebook.rows().all_inner_texts()]
        assert texts == [f"line {i}" for i in range(written)][: len(texts)]
