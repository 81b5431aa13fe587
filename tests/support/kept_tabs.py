"""Browser tabs reused from test to test, so that a renderer compiles JupyterLab once. Test support.

Between two tests a tab is reset and the storage of its pages is cleared. A test with changes that cannot be undone (an
init script, a clock, emulated media) uses the fixture `page`, or its own context.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from playwright.sync_api import Error

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

WIDTH, HEIGHT = 1200, 900


def leave(page: Page) -> None:
    """Go to about:blank and clear the storage of the page's origin (not sessionStorage)."""
    left = urlsplit(page.url)
    page.goto("about:blank")
    if left.scheme.startswith("http"):
        devtools = page.context.new_cdp_session(page)  # not by a script: a hanging page would not run it
        storage = {"origin": f"{left.scheme}://{left.netloc}", "storageTypes": "local_storage,indexeddb,cache_storage"}
        devtools.send("Storage.clearDataForOrigin", storage)
        devtools.detach()


class KeptTabs:
    """Tabs of one context, created on demand. A test takes some; `clear` resets them."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._context: BrowserContext | None = None
        self._free: list[Page] = []
        self._taken: list[Page] = []

    def take(self, width: int = WIDTH, height: int = HEIGHT) -> Page:
        """An empty tab, brought to the front."""
        if self._context is None:
            self._context = self._browser.new_context()
        page = self._free.pop(0) if self._free else self._context.new_page()
        self._taken.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.bring_to_front()
        return page

    def clear(self, keep: int = 2) -> None:
        """Reset the tabs after a test: `keep` of them are reused, the others closed."""
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
