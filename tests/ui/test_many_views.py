"""Many live logs in one page: layouts per frame, and what a view out of the window costs."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from support.bare_page import BarePage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page
    from support.serving import Server

pytestmark = pytest.mark.browser

VIEWS = 12
PROGRAM = (
    "import time\nfor i in range(10_000):\n"
    "    time.sleep(0.05); print(f'INFO step {i} loss={1 / (i + 1):.4f} lr=0.001', flush=True)"
)
# Shows a log in a host of its own for each workload.
SHOW_ALL = """async ([url, workloads]) => {
  const { showLog } = await import(url);
  for (const workload of workloads) {
    const host = document.createElement("div");
    document.getElementById("host").append(host);
    showLog(host, { height: 0, protocol: 1, workload });
  }
}"""
# Counts frames, and changes within the shadow root of the last view.
COUNT = """() => {
  window.counted = { frames: 0, changes: 0 };
  const tick = () => { window.counted.frames += 1; requestAnimationFrame(tick); };
  tick();
  const last = [...document.querySelectorAll("[data-logstream]")].at(-1);
  new MutationObserver((changes) => { window.counted.changes += changes.length; })
    .observe(last.shadowRoot, { subtree: true, childList: true, characterData: true, attributes: true });
}"""
LINE_COUNTS = "() => [...document.querySelectorAll('[data-logstream]')].map((it) => Number(it.dataset.lines ?? 0))"


@contextmanager
def live_views(page: Page, server: Server, *, height: int) -> Iterator[BarePage]:
    """Twelve logs below each other that are written until the end of the block."""
    page.set_viewport_size({"width": 1200, "height": height})
    bare = BarePage(page, server)
    bare.open()
    workloads = [bare.python(PROGRAM, tty=False) for _ in range(VIEWS)]
    try:
        page.evaluate(SHOW_ALL, [f"{server.url}static/jupyter_logstream/view.js", workloads])
        wait_for_lines(page, 30)
        yield bare
    finally:
        for workload in workloads:
            server.http.post(f"{server.url}logstream/v1/workloads/{workload}/cancel")


def wait_for_lines(page: Page, number: int) -> None:
    """Wait until every view has counted this many lines."""
    page.wait_for_function(
        f"(number) => ({LINE_COUNTS})().every((lines) => lines >= number)", arg=number, timeout=60_000
    )


def counters(page: Page) -> dict[str, Any]:
    """The browser's own counters, and the frames and changes that the page has counted."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    found = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return {**found, **page.evaluate("window.counted")}


def test_twelve_live_views_share_one_layout_per_frame(page: Page, server: Server) -> None:
    with live_views(page, server, height=12 * 480):
        page.evaluate(COUNT)
        before, lines = counters(page), sum(page.evaluate(LINE_COUNTS))
        wait_for_lines(page, 120)
        after, grown_lines = counters(page), sum(page.evaluate(LINE_COUNTS)) - lines
    grown = {name: after[name] - before[name] for name in after}
    assert grown_lines > VIEWS * 20, "hardly any lines came meanwhile"
    assert grown["LayoutCount"] <= 1.3 * grown["frames"] + 20, grown


def test_view_out_of_the_window_changes_nothing_until_it_is_scrolled_to(page: Page, server: Server) -> None:
    with live_views(page, server, height=500) as bare:
        page.evaluate(COUNT)
        wait_for_lines(page, 90)
        assert counters(page)["changes"] == 0
        bare.view.last.scroll_into_view_if_needed()
        newest = "(host) => Number([...host.shadowRoot.querySelectorAll('.row.record')].at(-1).dataset.seq)"
        page.wait_for_function(f"() => ({newest})([...document.querySelectorAll('[data-logstream]')].at(-1)) >= 90")
