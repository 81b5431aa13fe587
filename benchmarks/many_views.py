"""Many live logs in one notebook: what they cost the page's main thread, and how long a save takes meanwhile.

Each log gets lines at the same rate. Beside them in the same JupyterLab: plain output cells that have printed such
lines and are done, so the save has no competitor there. Counters are the browser's own (CDP `Performance.getMetrics`),
longest tasks those of its performance timeline.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.browser import find
from support.browser_options import ARGS, OPTIONS, quiet_news
from support.notebook_page import NotebookPage
from support.serving import jupyter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page
    from support.serving import Server

RATE, SECONDS, SAVES = 10, 10, 9
WIDTH_PX, WINDOW_PX, PX_PER_CELL = 1200, 900, 560
SETTLE_MS = 4000
"""From the last start of a log to the measurement: panels appear, the page settles."""

LOOP = """
import time
start = time.time()
for i in range(1_000_000):
    time.sleep(max(0, start + i / {rate} - time.time()))
    print(f'{{time.strftime("%H:%M:%S")}} INFO step {{i}} loss={{1 / (i + 1):.4f}} lr=0.001', flush=True)
"""
VIEW = f"from jupyter_logstream import run\nrun([{sys.executable!r}, '-c', {LOOP.format(rate=RATE)!r}], tty=False)"
PLAIN = "for i in range(100): print(f'12:00:00 INFO step {i} loss={1 / (i + 1):.4f} lr=0.001')"

# Tasks of the page over 50 ms.
WATCH = """() => {
  window.longTasks = [];
  new PerformanceObserver((list) => window.longTasks.push(...list.getEntries().map((it) => it.duration)))
    .observe({ type: "longtask" });
}"""
# Milliseconds from the command to its end.
SAVE = """async () => {
  jupyterapp.shell.currentWidget.context.model.dirty = true;
  const before = performance.now();
  await jupyterapp.commands.execute("docmanager:save");
  return performance.now() - before;
}"""


class Load(NamedTuple):
    """Cells of one kind in one window."""

    title: str
    cell: str
    count: int
    height: int


LOADS = (
    Load("12 plain output cells, all in sight", PLAIN, 12, 12 * PX_PER_CELL),
    Load("12 live views, all in sight", VIEW, 12, 12 * PX_PER_CELL),
    Load("12 plain output cells", PLAIN, 12, WINDOW_PX),
    Load("12 live views", VIEW, 12, WINDOW_PX),
    Load("40 live views", VIEW, 40, WINDOW_PX),
)


@contextmanager
def running(browser: Browser, server: Server, load: Load) -> Iterator[Page]:
    """A notebook whose cells all write."""
    context = browser.new_context(viewport={"width": WIDTH_PX, "height": load.height})
    page = context.new_page()
    try:
        notebook = NotebookPage(page, server, *[load.cell] * load.count)
        for index in range(load.count):
            notebook.run(index)
        notebook.select(0)
        page.evaluate("document.querySelector('.jp-WindowedPanel-outer')?.scrollTo(0, 0)")
        if load.cell == VIEW:
            notebook.eventually(lambda: notebook.views.count() == load.count, "all views")
        page.wait_for_timeout(SETTLE_MS)
        yield page
        notebook.shut_down_kernel()
    finally:
        context.close()
        stop_all(server)


def stop_all(server: Server) -> None:
    """Cancel every running workload, and wait for the ends."""
    server.end_workloads()
    while server.get("workloads", state="running")["workloads"]:
        time.sleep(0.5)


def measure(page: Page) -> dict[str, float]:
    """Main thread, layouts and style recalculations over SECONDS; then the saves."""
    page.evaluate(WATCH)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def counters() -> dict[str, float]:
        return {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}

    before = counters()
    page.wait_for_timeout(SECONDS * 1000)
    after = counters()
    grown = {name: after[name] - before[name] for name in after}
    seconds = grown["Timestamp"]
    longest = max(page.evaluate("window.longTasks"), default=0.0)
    saves = []
    for _ in range(SAVES):
        saves.append(page.evaluate(SAVE))
        page.wait_for_timeout(300)
    return {
        "main thread, %": 100 * grown["TaskDuration"] / seconds,
        "main thread, % of processor time": 100 * grown["ThreadTime"] / seconds,
        "scripts, %": 100 * grown["ScriptDuration"] / seconds,
        "layouts a second": grown["LayoutCount"] / seconds,
        "style recalculations a second": grown["RecalcStyleCount"] / seconds,
        "longest task, ms (0: none over 50)": longest,
        "save, ms (median)": median(saves),
        "save, ms (worst)": max(saves),
    }


def main(loads: tuple[Load, ...] = LOADS) -> dict[str, float]:
    """Run all. Returns name -> value; the name holds the unit."""
    results: dict[str, float] = {}
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        quiet_news(Path(folder))
        browser = playwright.chromium.launch(executable_path=find(), args=ARGS)
        with jupyter(Path(folder), kind="lab", options=OPTIONS) as server:
            for load in loads:
                with running(browser, server, load) as page:
                    results.update({f"{load.title}: {name}": value for name, value in measure(page).items()})
        browser.close()
    return results


if __name__ == "__main__":
    chosen = tuple(one for one in LOADS if not sys.argv[1:] or one.title in sys.argv[1:])
    print(json.dumps(main(chosen), indent=1))
