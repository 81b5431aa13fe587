"""A hundred cuts of the connection while 100,000 lines are written: in the page every line is there, once, in order."""

from __future__ import annotations

import random
import sys
from typing import TYPE_CHECKING

import pytest
from serving import jupyter
from tcp_proxy import proxied
from ui.conftest import OPTIONS, quiet_news
from ui.notebook_page import NotebookPage

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
    if i % 20 == 0 and not os.path.exists(sys.argv[1]): time.sleep(0.005 if i < {LINES // 2} else 0.02)
"""
"""Writes slower and slower, until the file that it is given is there: so that all cuts fall into its time."""

# Notes what is wrong with the rows that are shown, frame by frame; and, as an impatient user does, wants each cut mended now.
WATCH = """() => {
  const seen = window.seen = { frames: 0, newest: 0, wrong: [], waits: false };
  const host = document.querySelector('[data-logstream="log"]');
  const look = () => {
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
    if (waits && !seen.waits) host.shadowRoot.querySelector("button.retry").click();
    seen.waits = waits;
    if (host.dataset.state !== "done") requestAnimationFrame(look);
  };
  look();
}"""

# Pages through the whole log by its keys; [seq, text] of every row, once, in the order in which they stood there.
WALK = """async () => {
  const host = document.querySelector('[data-logstream="log"]');
  const log = host.shadowRoot.querySelector('[role="log"]');
  const press = (key) => log.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  const painted = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  const found = [];
  press("Home");
  for (let last = 0; last < Number(host.dataset.lines); press("PageDown")) {
    let rows;
    for (let tries = 0; tries < 500; tries++) {
      await painted();
      rows = [...host.shadowRoot.querySelectorAll("[data-seq]")];
      const fresh = rows.length > 0 && (last === 0 ? rows[0].dataset.seq === "1" : Number(rows.at(-1).dataset.seq) > last);
      if (fresh && rows.every((row) => row.textContent.trim() !== "")) break;
    }
    const news = rows.map((row) => [Number(row.dataset.seq), row.textContent.trim()]).filter(([seq]) => seq > last);
    if (news.length === 0) return found;
    found.push(...news);
    last = news.at(-1)[0];
  }
  return found;
}"""


@pytest.mark.timeout(300)
def test_a_hundred_cuts_during_100000_lines_lose_double_and_disorder_none_in_the_page(page: Page, tmp_path: Path):
    quiet_news(tmp_path)
    choose, enough = random.Random(7), tmp_path / "enough"
    cell = f"from jupyter_logstream import run\njob = run([{sys.executable!r}, '-c', {PROGRAM!r}, {str(enough)!r}])\n"
    with jupyter(tmp_path, kind="lab", options=OPTIONS) as server, proxied(server.port) as proxy:
        notebook = NotebookPage(page, server, cell + "job.show(height=2000)", port=proxy.port)
        # No less than the first frame needs: only a frame leads back to the foot of the ladder.
        proxy.cut_streams_after(choose.randrange(4000, choose.choice([15_000, 120_000])) for _ in range(CUTS))
        notebook.run()
        notebook.wait_for()
        page.evaluate(WATCH)
        notebook.eventually(lambda: print(round(__import__("time").time(),1), proxy.cuts, page.evaluate("[window.seen.frames, window.seen.newest]"), notebook.views.first.get_attribute("data-lines")) or proxy.cuts == CUTS or notebook.views.first.get_attribute("data-state") == "done", "all cuts", 200)
        assert server.get("info")["running"] == 1
        enough.touch()
        notebook.wait_for("done", lines=LINES, timeout=100)
        assert notebook.views.first.get_attribute("data-lines") == str(LINES)
        seen = page.evaluate("window.seen")
        assert seen["wrong"] == []
        found = page.evaluate(WALK)
    assert len(found) == LINES
    assert found == [[i, f"line {i}"] for i in range(1, LINES + 1)]
    print(seen)
