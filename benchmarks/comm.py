"""Views through the kernel: from a written line to the screen, idle and busy; a million lines; the page's heap.

A JupyterLab without the extension, whose kernel uses another server, beside one whose page reaches the server itself. A
line holds the time when it was written; the page compares it with the time behind the paint of the frame that shows it.
"""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.browser import find
from support.browser_options import ARGS, LABEXTENSION, OPTIONS, disable, quiet_news, serialize_comms
from support.notebook_page import NotebookPage
from support.serving import jupyter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page
    from support.serving import Server

LINES = {1: 12, 1000: 8000}
"""Lines by lines a second."""

JUMPS = (500_000, 123_456, 987_654, 1000, 700_001)

IMPORT = "from jupyter_logstream import run\n"
WRITER = """
import time
start = time.time()
for i in range({lines}):
    time.sleep(max(0, start + i / {rate} - time.time()))
    print(f"{{time.time() * 1000:.3f}} step {{i}} loss=0.1234", flush=True)
"""
BUSY = "\nimport time\nend = time.time() + {seconds}\nwhile time.time() < end: sum(range(1000))"

# Behind the paint of each frame: the delay of every row that is new in it.
WATCH = """() => {
  const delays = window.delays = [], seen = new Set();
  const host = document.querySelector('[data-logstream="log"]');
  const check = () => {
    const painted = new MessageChannel();
    painted.port1.onmessage = () => {
      for (const row of host.shadowRoot.querySelectorAll("[data-seq]")) {
        const written = Number(/(\\d{13}\\.\\d+) step/.exec(row.textContent)?.[1]);
        if (!written || seen.has(row.dataset.seq)) continue;
        seen.add(row.dataset.seq);
        delays.push(performance.timeOrigin + performance.now() - written);
      }
      requestAnimationFrame(check);
    };
    painted.port2.postMessage(0);
  };
  requestAnimationFrame(check);
}"""
# Milliseconds until a row is painted with its text: from running the cell of a view, or from a jump in that view.
UNTIL_ROW = """([index, seq, isJump]) => new Promise((resolve) => {
  const start = performance.now();
  const look = () => {
    const host = document.querySelectorAll('[data-logstream="log"]')[index];
    const row = host?.shadowRoot?.querySelector(`[data-seq="${seq}"]`);
    const painted = new MessageChannel();
    painted.port1.onmessage = () => resolve(performance.now() - start);
    if (row !== null && row !== undefined && row.textContent.includes(String(seq))) painted.port2.postMessage(0);
    else requestAnimationFrame(look);
  };
  if (!isJump) jupyterapp.commands.execute("notebook:run-cell");
  else {
    const root = document.querySelectorAll('[data-logstream="log"]')[index].shadowRoot;
    root.querySelector('[role="log"]').dispatchEvent(new KeyboardEvent("keydown", { key: "g", bubbles: true }));
    const input = root.querySelector(".goto input");
    input.value = String(seq);
    input.dispatchEvent(new Event("input", { bubbles: true }));
    input.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
  }
  requestAnimationFrame(look);
})"""


@contextmanager
def labs(folder: Path) -> Iterator[dict[str, Server]]:
    """JupyterLab whose page reaches the server, and one whose kernel must relay."""
    for name in ("fetch", "comm"):
        quiet_news(folder / name)
        disable(folder / name, LABEXTENSION)
        serialize_comms(folder / name)
    with (
        jupyter(folder / "fetch", kind="lab", options=OPTIONS) as own,
        jupyter(folder / "comm", kind="lab", options=OPTIONS, ours=False, log_server=own) as foreign,
    ):
        yield {"fetch": own, "comm": foreign}


def line_to_screen(notebook: NotebookPage, rate: int, busy: bool) -> dict[str, float]:
    lines = LINES[rate]
    program = WRITER.format(lines=lines, rate=rate)
    cell = f"{IMPORT}job = run([{sys.executable!r}, '-c', {program!r}], tty=False)\ndisplay(job.show(height=400))"
    seconds = lines / rate + 3
    cell += BUSY.format(seconds=seconds) if busy else ""
    notebook.page.evaluate(
        "(text) => jupyterapp.shell.currentWidget.content.model.sharedModel.cells[0].setSource(text)", cell
    )
    notebook.start(0)
    notebook.eventually(lambda: notebook.views.count() == 1, "a view")
    notebook.page.evaluate(WATCH)
    notebook.wait_for("done", lines=lines, timeout=seconds + 60)
    notebook.eventually(lambda: notebook.kernel_status() == "idle", "idle")
    delays = notebook.page.evaluate("window.delays")
    notebook.page.evaluate("jupyterapp.commands.execute('notebook:clear-cell-output')")
    return {"p50": median(delays), "p95": quantiles(delays, n=20)[-1]}


def heap_mb(page: Page) -> float:
    """The page's heap after a collection."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    counters = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return counters["JSHeapUsedSize"] / 1e6


def million(notebook: NotebookPage) -> dict[str, float]:
    """A finished log of a million lines: the end, jumps, and what the heap gained."""
    notebook.run(0)
    before = heap_mb(notebook.page)
    ends = []
    for index in (1, 2, 3):
        notebook.select(index)
        ends.append(float(notebook.page.evaluate(UNTIL_ROW, [index - 1, 1_000_000, False])))
    jumps = [float(notebook.page.evaluate(UNTIL_ROW, [2, seq, True])) for seq in JUMPS]
    return {
        "cell to painted end of 1 M lines, ms (median)": median(ends),
        "jump in 1 M lines, ms (median)": median(jumps),
        "jump in 1 M lines, ms (worst)": max(jumps),
        "heap of three views of 1 M lines, MB": heap_mb(notebook.page) - before,
    }


def main() -> dict[str, float]:
    """Run all. Returns name -> value; the name holds the unit."""
    results: dict[str, float] = {}
    with TemporaryDirectory() as folder, sync_playwright() as playwright, labs(Path(folder)) as servers:
        browser = playwright.chromium.launch(executable_path=find(), args=ARGS)
        for way, server in servers.items():
            page = browser.new_context(viewport={"width": 1200, "height": 900}).new_page()
            notebook = NotebookPage(page, server, "1")
            for rate in LINES:
                for busy in (False, True):
                    state = "busy" if busy else "idle"
                    found = line_to_screen(notebook, rate, busy)
                    for name, value in found.items():
                        results[f"{way}: line to screen, {rate} lines/s, {state} kernel, ms ({name})"] = value
            show = "job.show(height=400)"
            notebook = NotebookPage(page, server, f"{IMPORT}job = run('seq 1000000')\njob.wait()", show, show, show)
            results.update({f"{way}: {name}": value for name, value in million(notebook).items()})
            page.context.close()
        browser.close()
    return results


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
