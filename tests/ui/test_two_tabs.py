"""Several tabs of one browser: one connection carries the logs of all, whatever happens to one of them."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from ui.notebook_page import NotebookPage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, BrowserContext
    from serving import Server

pytestmark = pytest.mark.browser

UNENDING = "while true; do i=$((i+1)); echo line $i; sleep 0.2; done"
"""Prints five lines a second, until it is cancelled."""


def showing(command: str) -> str:
    return f"from jupyter_logstream import run\njob = run({command!r})\njob"


@pytest.fixture
def context(browser: Browser, server: Server) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1000, "height": 700})
    yield context
    context.close()
    for session in server.http.get(f"{server.url}api/sessions").json():
        server.http.delete(f"{server.url}api/sessions/{session['id']}")
    server.end_workloads()


def lines(tab: NotebookPage) -> int:
    return int(tab.views.first.get_attribute("data-lines") or 0)


def grows(tab: NotebookPage) -> None:
    """New lines come, now."""
    tab.wait_for("live", lines=lines(tab) + 3)


def connections(server: Server) -> int:
    return server.get("info")["connections"]


def test_eight_tabs_hold_one_connection_save_at_once_and_the_last_takes_it_along(context, server):
    tabs = [NotebookPage(context.new_page(), server, showing(UNENDING)) for _ in range(8)]
    for tab in tabs:
        tab.run()
    for tab in tabs:
        grows(tab)
    assert connections(server) == 1
    assert server.get("info")["open_streams"] == 8
    assert max(tab.save() for tab in tabs) < 2
    for tab in tabs[:-1]:
        tab.page.close()
        grows(tabs[-1])
        assert connections(server) == 1
    tabs[-1].eventually(lambda: server.get("info")["open_streams"] == 1, "one stream")
    last = tabs[-1]
    last.page.goto("about:blank")
    last.eventually(lambda: connections(server) == 0, "no connection")
