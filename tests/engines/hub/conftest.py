"""A real JupyterHub, a real browser in front of it, and what stands between them at many sites."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect, sync_playwright
from support.browser import find
from support.browser_options import ARGS
from support.jupyterhub import jupyterhub

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext
    from support.jupyterhub import JupyterHub, SingleUser

expect.set_options(timeout=60_000)


@pytest.fixture(autouse=True)
def jp_asyncio_loop() -> None:
    """Disabled: pytest-jupyter would close the event loop that playwright runs in this thread."""


@pytest.fixture(autouse=True)
def jp_server_cleanup() -> None:
    """Disabled, as above."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = find()
    assert path, "these tests need a browser: `make test-engines` installs one"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGS)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser of one person: cookies of its own."""
    context = browser.new_context(viewport={"width": 1100, "height": 800}, ignore_https_errors=True)
    yield context
    context.close()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterHub]:
    with jupyterhub(tmp_path_factory.mktemp("hub"), base_url="/notebooks/") as hub:
        yield hub


@pytest.fixture
def ann(hub: JupyterHub) -> Iterator[SingleUser]:
    """The server of the user ann; its workloads and kernels end with the test."""
    server = hub.server("ann")
    yield server
    server.end_workloads()
    server.end_kernels()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("large")
            item.add_marker("browser")
