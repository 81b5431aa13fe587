"""What a user does with a log view, the same in every front end: read, find, cancel, download. Test support."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import FrameLocator, Locator, Page

PROGRAM = (
    "for i in $(seq 1 50); do echo line $i; done; while [ ! -e {gate} ]; do sleep 0.1; done; echo last; sleep 1000"
)
"""A shell program: 50 lines at once, one more when the file `gate` exists, then nothing until it is cancelled."""


def log_view(place: Page | FrameLocator | Locator) -> Locator:
    """The hosts of the log views in a page, a frame or an output."""
    return place.locator('[data-logstream="log"]')


def row(view: Locator, text: str) -> Locator:
    """The row with exactly this text."""
    return view.locator("[data-seq]").filter(has=view.page.get_by_text(text, exact=True))


def expect_lines(view: Locator, last: str, count: int) -> None:
    """Wait until the view is live and shows its last line."""
    expect(view).to_have_attribute("data-state", "live")
    expect(view).to_have_attribute("data-lines", str(count))
    expect(view.locator("[data-seq]").last).to_contain_text(last)


def expect_find(view: Locator) -> None:
    """Find in the whole log."""
    view.get_by_role("log").press("/")
    query = view.get_by_role("textbox")
    query.fill("line 7")
    expect(view.get_by_text("1 of 1", exact=True)).to_be_visible()
    expect(view.locator("[data-hit]")).to_contain_text("line 7")
    query.press("Escape")
    expect(view.get_by_role("textbox")).to_have_count(0)


def expect_download(page: Page, view: Locator, lines: int) -> None:
    """Download the complete log."""
    with page.expect_download() as download:
        view.get_by_label("Download complete log (log.txt)").click()
    assert len(download.value.path().read_text().splitlines()) == lines


def expect_cancel(view: Locator) -> None:
    """Cancel the workload."""
    view.get_by_role("button", name=re.compile("cancel", re.IGNORECASE)).click()
    expect(view).to_have_attribute("data-state", "done")
