"""The canary in the page: the lines in the view after its server was killed, stopped and restarted."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest
from support.bare_page import BarePage
from support.canary.comparing import compare
from support.canary.flight import flying
from support.notebook_page import walk
from support.running import kill_runners
from support.serving import jupyter
from support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


@pytest.mark.timeout(240)
def test_page_shows_every_line_once_after_its_server_was_killed_and_stopped(page: Page, tmp_path: Path):
    try:
        with jupyter(tmp_path) as server, flying(server, rate=200, follow=False) as canary:
            bare = BarePage(page, server)
            bare.open()
            bare.show(canary.workload, height=4000)
            bare.rows.first.wait_for()
            canary.wait_for_lines(200)
            server.stop(signal.SIGKILL)
            server.start(server.port)
            page.wait_for_function("document.querySelector('[data-logstream]').dataset.state === 'live'")
            canary.wait_for_lines(200)
            assert server.process
            server.process.send_signal(signal.SIGSTOP)
            time.sleep(1)
            server.process.send_signal(signal.SIGCONT)
            canary.wait_for_lines(200)
            canary.land()
            sent = canary.sent()
            done = "document.querySelector('[data-logstream]').dataset.state === 'done'"
            page.wait_for_function(done, timeout=60_000)
            until(lambda: bare.view.get_attribute("data-lines") == str(sent))
            found = walk(bare.view)
            assert [seq for seq, _ in found] == list(range(1, sent + 1))
            verdict = compare(canary.run, sent, [text for _, text in found])
            assert verdict.faults == {}, str(verdict)
    finally:
        kill_runners(tmp_path)
