"""Tabs of a browser that many tests use one after the other: a renderer compiles JupyterLab once, not for every test.

Between two tests a tab is reset and the storage of its pages is cleared. What can't be undone (a script that runs in
every page, a clock, emulated media) is not for these tabs: such a test uses `page`, or a context of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from playwright.sync_api import Error

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

WIDTH, HEIGHT = 1200, 900


def leave(page: Page) -> None:
    """Go where nothing is; what the page kept in the browser (but for the session's) is gone."""
    left = urlsplit(page.url)
    page.goto("about:blank")
    if left.scheme.startswith("http"):
        devtools = page.context.new_cdp_session(page)  # not by a script in the page: one that hangs would not run it
        kept = {"origin": f"{left.scheme}://{left.netloc}", "storageTypes": "local_storage,indexeddb,cache_storage"}
        devtools.send("Storage.clearDataForOrigin", kept)
        devtools.detach()


class KeptTabs:
    """Tabs of one context, made as they are needed. A test takes some; `clear` ends its time with them."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._context: BrowserContext | None = None
        self._free: list[Page] = []
        self._taken: list[Page] = []

    def take(self, width: int = WIDTH, height: int = HEIGHT) -> Page:
        """Another tab, empty and in front."""
        if self._context is None:
            self._context = self._browser.new_context()
        page = self._free.pop(0) if self._free else self._context.new_page()
        self._taken.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.bring_to_front()
        return page

    def clear(self, keep: int = 2) -> None:
        """The test is over: at most so many tabs are kept for the next one, as if they were new."""
        if self._context is None:
            return
        try:
            self._clear(self._context, keep)
        except Error:  # a crashed tab can't be reset: the next test gets a new context
            self.close()

    def _clear(self, context: BrowserContext, keep: int) -> None:
        kept = [page for page in self._taken if not page.is_closed()][:keep]
        for page in context.pages:
            if page not in [*kept, *self._free]:
                page.close()
        for page in kept:
            page.unroute_all()
            page.mouse.move(0, 0)
            leave(page)
        context.clear_cookies()
        context.clear_permissions()
        self._free += kept
        self._taken = []

    def close(self) -> None:
        """Close the context."""
        if self._context is not None:
            self._context.close()
        self._context, self._free, self._taken = None, [], []
