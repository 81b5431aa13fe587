"""A hundred disconnects while 100,000 lines are written: the page shows every line once, in order."""

from __future__ import annotations

import random
import sys
from typing import TYPE_CHECKING

import pytest
from support.browser_options import OPTIONS, quiet_news
from support.notebook_page import NotebookPage
from support.serving import jupyter
from support.tcp_proxy import proxied

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

CUTS, LINES = 100, 100_000
PROGRAM = f"""
import os, sys, time
time.sleep(3)
for i in range(1, {LINES} + 1):
    print("line", i)
    if i % 20 == 0 and not os.path.exists(sys.argv[1]):
        time.sleep(0.005 if i < {LINES // 2} else 0.02 if i < {LINES * 4 // 5} else 0.25)
"""
"""Writes slower and slower until the given file exists, so that all disconnects happen while it runs."""

# Records in every animation frame which rows are wrong, and clicks "Retry now" at once after each disconnect.
WATCH = """() => {
  const seen = window.seen = { frames: 0, newest: 0, wrong: [], clicked: 0 };
  const host = document.querySelector('[data-logstream="log"]');
  const check = () => {
    let before;
    for (const row of host.shadowRoot.querySelectorAll("[data-seq]")) {
      const seq = Number(row.dataset.seq), text = row.textContent.trim();
      if (text !== "" && text !== `line ${seq}`) seen.wrong.push([seq, text]);
      if (before !== undefined && seq !== before + 1) seen.wrong.push([before, seq]);
      before = seq;
      seen.newest = Math.max(seen.newest, seq);
    }
    seen.frames++;
    const waits = / s$/.test(host.shadowRoot.querySelector(".badge .detail").textContent);
    // At most every 100 ms: a click during an attempt starts another one.
    if (waits && performance.now() - seen.clicked > 100) {
      host.shadowRoot.querySelector("button.retry").click();
      seen.clicked = performance.now();
    }
    if (host.dataset.state !== "done" || seen.newest < Number(host.dataset.lines)) requestAnimationFrame(check);
  };
  check();
}"""


@pytest.mark.timeout(300)
def test_page_shows_100000_lines_once_in_order_through_a_hundred_disconnects(page: Page, tmp_path: Path):
    quiet_news(tmp_path)
    rng, enough = random.Random(7), tmp_path / "enough"
    cell = f"from jupyter_logstream import run\njob = run([{sys.executable!r}, '-c', {PROGRAM!r}, {str(enough)!r}])\n"
    with jupyter(tmp_path, kind="lab", options=OPTIONS) as server, proxied(server.port) as proxy:
        server.page_port = proxy.port
        notebook = NotebookPage(page, server, cell + "job.show(height=6000)")
        # At least the size of the first frame: only a received frame resets the backoff.
        proxy.cut_streams_after(rng.randrange(4000, rng.choice([15_000, 80_000])) for _ in range(CUTS))
        notebook.run()
        notebook.wait_for()
        page.evaluate(WATCH)
        notebook.eventually(lambda: proxy.cuts == CUTS, "all disconnects", 200)
        assert server.get("info")["running"] == 1
        enough.touch()
        notebook.wait_for("done", lines=LINES, timeout=100)
        assert notebook.views.first.get_attribute("data-lines") == str(LINES)
        seen = page.evaluate("window.seen")
        assert (seen["wrong"], seen["newest"]) == ([], LINES)
        found = notebook.walk()
    assert len(found) == LINES
    assert found == [[i, f"line {i}"] for i in range(1, LINES + 1)]
