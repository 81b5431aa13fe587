"""A real browser in a real JupyterLab: how long a line takes to the screen, and how a log of a million lines opens.

Each line holds its write time; the page records, after each painted frame, the newest row that it shows.
"""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.browser import find
from support.browser_options import ARGS, OPTIONS, quiet_news
from support.notebook_page import NotebookPage
from support.serving import jupyter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page
    from support.serving import Server

LONG = 1_000_000
OPENINGS = 5

# Watches the first log view of the page: [[ms, newest seq shown] after each frame that showed a newer one], and when
# its host was first there.
WATCH = """() => {
  const seen = window.seen = { host: null, frames: [] };
  let newest = 0;
  const now = () => performance.timeOrigin + performance.now();
  const look = () => {
    const host = document.querySelector('[data-logstream="log"]');
    if (host && seen.host === null) seen.host = now();
    const rows = host?.shadowRoot?.querySelectorAll("[data-seq]") ?? [];
    const last = Math.max(newest, ...[...rows].map((row) => Number(row.dataset.seq)));
    if (last > newest) { newest = last; setTimeout(() => seen.frames.push([now(), last])); }
    window.watching = requestAnimationFrame(look);
  };
  cancelAnimationFrame(window.watching);
  look();
}"""

EMIT = (
    "import time\nstart = time.time()\nfor i in range({count}):\n"
    "    time.sleep(max(0, start + i / {rate} - time.time())); print(time.time() * 1000, flush=True)"
)


@contextmanager
def lab() -> Iterator[tuple[Page, Server]]:
    """A page of a JupyterLab of its own."""
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        quiet_news(Path(folder))
        browser = playwright.chromium.launch(executable_path=find(), args=[*ARGS, "--enable-precise-memory-info"])
        with jupyter(Path(folder), kind="lab", options=OPTIONS) as server:
            yield browser.new_page(viewport={"width": 1200, "height": 900}), server
        browser.close()


def latency(page: Page, server: Server, rate: int, count: int) -> list[float]:
    """Milliseconds from the writing of each line to the frame that showed it, or a later one."""
    program = EMIT.format(rate=rate, count=count)
    cell = f"from jupyter_logstream import run\njob = run([{sys.executable!r}, '-c', {program!r}], tty=False)\njob"
    notebook = NotebookPage(page, server, cell)
    page.evaluate(WATCH)
    notebook.run()
    notebook.wait_for("done", lines=count, timeout=120)
    page.wait_for_timeout(500)
    frames = iter(page.evaluate("window.seen.frames"))
    with notebook.kernel() as kernel:
        written = kernel.json("[float(record.message) for record in job.logs()]")
    taken, (at, newest) = [], next(frames)
    for seq, when in enumerate(written, start=1):
        while newest < seq:
            at, newest = next(frames)
        taken.append(at - when)
    return taken


def heap(page: Page) -> float:
    """MB of JavaScript objects that are in use."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    return float(session.send("Runtime.getHeapUsage")["usedSize"]) / 1e6


def opening(page: Page, server: Server) -> dict[str, Any]:
    """Open a log of a million lines several times: ms from the view's host to its last line, and MB of heap."""
    command = f"from jupyter_logstream import run\njob = run('seq 1 {LONG}', tty=False).wait(120)"
    notebook = NotebookPage(page, server, command, "job")
    notebook.run(0)
    before, times = heap(page), []
    for _ in range(OPENINGS):
        notebook.select(1)
        notebook.command("notebook:clear-cell-output")
        page.wait_for_timeout(500)
        page.evaluate(WATCH)
        notebook.run(1)
        page.wait_for_function(f"window.seen.frames.some(([, seq]) => seq === {LONG})", timeout=30_000)
        times.append(page.evaluate(f"window.seen.frames.find(([, seq]) => seq === {LONG})[0] - window.seen.host"))
    return {"ms": times, "mb": heap(page) - before}


def reloading(page: Page, server: Server) -> list[float]:
    """Reload while the kernel is busy: ms from the navigation to the first lines, page start included."""
    program = EMIT.format(rate=20, count=20 * 600)
    show = f"from jupyter_logstream import run\njob = run([{sys.executable!r}, '-c', {program!r}], tty=False)\njob"
    notebook = NotebookPage(page, server, show, "import time\ntime.sleep(60)")
    notebook.run(0)
    notebook.wait_for("live", lines=20)
    notebook.save()
    notebook.start(1)
    page.add_init_script(f"({WATCH})()")
    times = []
    for _ in range(OPENINGS):
        notebook.reload(kernel=False)
        page.wait_for_function("window.seen.frames.length > 1", timeout=30_000)
        times.append(page.evaluate("window.seen.frames[0][0] - performance.timeOrigin"))
    return times


def main() -> dict[str, float]:
    """Run all. Returns name -> value; the name holds the unit."""
    with lab() as (page, server):
        slow, fast = latency(page, server, 1, 30), latency(page, server, 1000, 10_000)
        opened = opening(page, server)
        reloaded = reloading(page, server)
    return {
        "line to screen at 1 line/s, ms (median)": median(slow),
        "line to screen at 1 line/s, ms (worst)": max(slow),
        "line to screen at 1,000 lines/s, ms (median)": median(fast),
        "line to screen at 1,000 lines/s, ms (worst)": max(fast),
        "a million lines: last line shown, ms after render (median)": median(opened["ms"]),
        "a million lines: last line shown, ms after render (worst)": max(opened["ms"]),
        "a million lines: growth of the page's heap, MB": opened["mb"],
        "reload while the kernel is busy: lines after, ms (median)": median(reloaded),
        "reload while the kernel is busy: lines after, ms (worst)": max(reloaded),
    }


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
