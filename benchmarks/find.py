"""Find text in the log view of a million lines: first hit, all counted, and how the server answers others meanwhile."""

from __future__ import annotations

import json
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.browser import find
from support.browser_options import ARGS
from support.serving import jupyter

from .view import MILLION, bare, written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser
    from support.serving import Server

# Resolves with the ms since `since` until a hit with this text is painted, and until all are counted.
UNTIL_FOUND = """([wanted, limit]) => new Promise((resolve) => {
  const root = document.querySelector("[data-logstream]").shadowRoot;
  let first = null;
  const since = () => performance.now() - window.since;
  const look = () => {
    if (first === null && root.querySelector(".row[data-hit]")?.textContent.includes(wanted)) first = since();
    const isCounted = / of /.test(root.querySelector(".matches").textContent);
    if ((first !== null && isCounted) || since() > limit) setTimeout(() => resolve([first ?? -1, since()]));
    else requestAnimationFrame(look);
  };
  look();
})"""
UNTIL_SHOWN = """([wanted, limit]) => new Promise((resolve) => {
  const look = () => {
    const shown = document.querySelector("[data-logstream]").shadowRoot.querySelector(".matches").textContent;
    if (shown.includes(wanted)) resolve(performance.now() - window.since);
    else if (performance.now() - window.since > limit) resolve(null);
    else requestAnimationFrame(look);
  };
  look();
})"""
NESTED = "/^(.|..)+[?!]$/"  # a backtracking engine would take for ever for one line


def found(browser: Browser, server: Server, workload: str) -> dict[str, float]:
    """Find texts for the first time, and measure other requests meanwhile."""
    firsts: list[float] = []
    totals: list[float] = []
    waits: list[float] = []
    with bare(browser, server) as page, asking(server, waits):
        page.show(workload)
        page.row(MILLION).wait_for()
        page.page.wait_for_timeout(2000)  # requests of the opening view are not measured
        page.view.get_by_role("log").press("/")
        waits.clear()
        for text in ("step 345 loss=0.7", "loss=0.123 and", "00314159", "step 976", "0007777"):
            page.view.get_by_role("textbox").fill(text)
            page.page.evaluate("window.since = performance.now()")
            page.page.keyboard.press("Enter")
            first, total = page.page.evaluate(UNTIL_FOUND, [text, 60_000])
            firsts.append(first)
            totals.append(total)
        quick = list(waits)
        page.view.get_by_role("textbox").fill(NESTED)
        page.page.evaluate("window.since = performance.now()")
        page.page.keyboard.press("Enter")
        searched = page.page.evaluate(UNTIL_SHOWN, ["No matches", 60_000])
    return {
        "first hit painted, ms (median)": median(firsts),
        "first hit painted, ms (worst)": max(firsts),
        "all counted, ms (median)": median(totals),
        "all counted, ms (worst)": max(totals),
        "other requests meanwhile, ms (p99)": quantiles(quick, n=100)[98],
        "nested repeats without a match, ms": -1.0 if searched is None else searched,
        "other requests meanwhile, with nested repeats, ms (p99)": quantiles(waits, n=100)[98],
    }


@contextmanager
def asking(server: Server, waits: list[float]) -> Iterator[None]:
    """Latency (ms) of small requests by another client, sent one after the other."""
    ended = threading.Event()

    def poll() -> None:
        while not ended.wait(0.005):
            before = time.perf_counter()
            server.get("info")
            waits.append((time.perf_counter() - before) * 1000)

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def main() -> dict[str, float]:
    """Run all. Returns name -> value; the name holds the unit."""
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=[*ARGS])
        with jupyter(Path(folder), kind="server") as server:
            with bare(browser, server) as page:
                workload = written(page, MILLION)
            figures = found(browser, server, workload)
        browser.close()
    return {f"view, find in 1 M lines: {name}": value for name, value in figures.items()}


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
