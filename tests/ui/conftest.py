"""A real browser, a real JupyterLab and a real Notebook 7. Without a browser these tests fail; they never skip."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect, sync_playwright
from support.bare_page import BarePage
from support.browser import find
from support.browser_options import ARGS, OPTIONS, quiet_news
from support.kept_tabs import HEIGHT, WIDTH, KeptTabs, leave
from support.notebook_page import NotebookPage
from support.serving import Server, jupyter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

expect.set_options(timeout=30_000)  # generous: other tests share the machine


@pytest.fixture(autouse=True)
def jp_asyncio_loop() -> None:
    """Disabled: pytest-jupyter would close the event loop that playwright runs in this thread."""


@pytest.fixture(autouse=True)
def jp_server_cleanup() -> None:
    """Disabled, as above."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = find()
    assert path, "the browser tests need a browser: `make test` installs one"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """JupyterLab. Notebook 7 has the same bundle and is covered by test_notebook7.py."""
    folder = tmp_path_factory.mktemp("lab")
    quiet_news(folder)
    with jupyter(folder, kind="lab", options=OPTIONS) as server:
        yield server


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A new tab of a context of its own."""
    context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})
    page = context.new_page()
    yield page
    context.close()


@pytest.fixture(scope="module")
def kept_tabs(browser: Browser) -> Iterator[KeptTabs]:
    tabs = KeptTabs(browser)
    yield tabs
    tabs.close()


@pytest.fixture
def tabs(kept_tabs: KeptTabs) -> Iterator[KeptTabs]:
    """Reused tabs, taken one by one with `take`; reset after the test."""
    yield kept_tabs
    kept_tabs.clear()


@pytest.fixture
def new_tab(request: pytest.FixtureRequest, tabs: KeptTabs) -> Callable[..., Page]:
    """`new_tab(width=..., height=...)`: a reused tab; the first is `page` in a test that requests that fixture."""
    own = [request.getfixturevalue("page")] if "page" in request.fixturenames else []

    def take(width: int = WIDTH, height: int = HEIGHT) -> Page:
        if not own:
            return tabs.take(width, height)
        page: Page = own.pop()
        page.set_viewport_size({"width": width, "height": height})
        return page

    return take


@pytest.fixture
def notebook(new_tab: Callable[..., Page], server: Server) -> Iterator[Callable[..., NotebookPage]]:
    """`notebook(cell, ...)`: open a new notebook, each in the same tab; kernels and workloads end with the test."""
    page = new_tab()
    yield partial(NotebookPage, page, server)
    leave(page)
    for session in server.http.get(f"{server.url}api/sessions").json():
        server.http.delete(f"{server.url}api/sessions/{session['id']}")
    server.end_workloads()


@pytest.fixture(scope="module")
def plain_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Jupyter server without JupyterLab, for `BarePage`."""
    with jupyter(tmp_path_factory.mktemp("plain"), kind="server", base_url="/user/a%20b/") as server:
        yield server


@pytest.fixture
def bare(new_tab: Callable[..., Page], plain_server: Server) -> Iterator[Callable[..., BarePage]]:
    """`bare(theme=..., width=...)`: a page with nothing but a log view; its workloads end with the test."""

    def open_page(*, theme: str = "light", width: int = 900, fragment: str = "") -> BarePage:
        tab = new_tab(width=width, height=700)
        tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = BarePage(tab, plain_server, theme=theme)
        page.open(fragment)
        return page

    yield open_page
    plain_server.end_workloads()
