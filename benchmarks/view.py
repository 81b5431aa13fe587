"""The log view beside others, in one Chromium on the same million lines: time to the last line, heap, longest task.

Every view gets a page of its own in the same browser; `log.txt` of the same workload is what the others read. Ours is
then shown ten million lines, and lines that come at 10,000 a second.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from playwright.sync_api import Error, sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.bare_page import BarePage
from support.browser import find
from support.browser_options import ARGS
from support.serving import TOKEN, jupyter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page
    from support.serving import Server

HERE = Path(__file__).parent
MILLION = 1_000_000
OPENINGS = 5
LIVE_RATE, LIVE_SECONDS = 10_000, 30

LINES = (
    "import sys\nfor k in range(0, {count}, 10000):\n"
    "    sys.stdout.write(''.join(f'{{i:09d}} INFO  step {{i % 977}} loss={{i % 1000 / 1000:.3f}} and so on\\n'"
    " for i in range(k + 1, k + 10001)))"
)
LIVE = (
    "import time\nstart = time.time()\nfor i in range({rate} * {seconds} // 100):\n"
    "    time.sleep(max(0, start + i * 100 / {rate} - time.time()))\n"
    "    print('\\n'.join([f'{{time.time() * 1000:.1f}} a line of a busy program'] * 100), flush=True)"
)

# Long tasks (over 50 ms) of the page, frames that came late, and the text that a page shows, frame by frame.
WATCH = """() => {
  const seen = window.seen = { tasks: [], frames: [], gaps: [] };
  new PerformanceObserver((list) => seen.tasks.push(...list.getEntries().map((it) => it.duration)))
    .observe({ type: "longtask", buffered: false });
  let before = performance.now();
  const tick = () => {
    const now = performance.now();
    seen.gaps.push(now - before);
    before = now;
    requestAnimationFrame(tick);
  };
  tick();
}"""
# Resolves with the ms since `since` when the text of the page, as `shownText()` gives it, holds `wanted`, painted.
UNTIL = """([wanted, limit]) => new Promise((resolve) => {
  const since = window.since;
  const look = () => {
    if (window.shownText().includes(wanted)) setTimeout(() => resolve(performance.now() - since));
    else if (performance.now() - since > limit) resolve(null);
    else requestAnimationFrame(look);
  };
  look();
})"""
OURS = """() => window.shownText = () => [...document.querySelector("[data-logstream]")?.shadowRoot
  ?.querySelectorAll(".row .text") ?? []].map((it) => it.textContent).join("\\n")"""
PEER = """async ([name, url, lines]) => {
  const peers = await import("/peers.js");
  window.since = performance.now();
  const peer = peers[name](document.getElementById("host"), url, lines);
  window.shownText = peer.last;
  window.jump = peer.jump;
}"""


def number(i: int) -> str:
    """How the i-th line begins."""
    return f"{i:09d} INFO"


def bundle(folder: Path) -> str:
    """The peers as one module; needs `npm ci` in benchmarks/peers, which `make bench` does."""
    made = folder / "peers.js"
    esbuild = HERE.parent / "js/node_modules/.bin/esbuild"
    options = ("--bundle", "--format=esm", "--minify", '--define:process.env.NODE_ENV="production"')
    subprocess.run([esbuild, HERE / "peers/peers.js", *options, f"--outfile={made}"], check=True, capture_output=True)
    return made.read_text()


def heap(page: Page) -> float:
    """MB of JavaScript objects that are in use, with the buffers behind them."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    usage = session.send("Runtime.getHeapUsage")
    return float(usage["usedSize"] + usage.get("backingStorageSize", 0)) / 1e6


@contextmanager
def bare(browser: Browser, server: Server) -> Iterator[BarePage]:
    """A page of its own, watched."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    try:
        page = BarePage(context.new_page(), server)
        page.open()
        page.page.evaluate(WATCH)
        yield page
    finally:
        context.close()


def longest(page: Page) -> float:
    """The longest task, ms; 0: none was over 50."""
    return max(page.evaluate("window.seen.tasks"), default=0.0)


@contextmanager
def traced(browser: Browser, page: Page) -> Iterator[list[float]]:
    """The page's main thread is traced; afterwards ms of processor time of each of its tasks: others don't count in."""
    tasks: list[float] = []
    browser.start_tracing(page=page, categories=["toplevel", "devtools.timeline"])
    yield tasks
    events = json.loads(browser.stop_tracing())["traceEvents"]
    threads = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    run = [event for event in events if event["name"].endswith("RunTask")]
    tasks.extend(event.get("tdur", 0) / 1000 for event in run if (event["pid"], event["tid"]) in threads)


def ours(browser: Browser, server: Server, workload: str, lines: int) -> dict[str, float]:
    """Open a finished log several times, jump to its middle."""
    opened: list[float] = []
    with bare(browser, server) as page, traced(browser, page.page) as tasks:
        page.page.evaluate(OURS)
        before = heap(page.page)
        for _ in range(OPENINGS):
            page.show(workload)
            page.page.evaluate("window.since = window.shown")
            opened.append(page.page.evaluate(UNTIL, [number(lines), 60_000]))
        grown = heap(page.page) - before
        jumps = [jump(page, at) for at in (lines // 2, lines // 3, lines // 4, lines // 5, lines // 6)]
        task = longest(page.page)
    return {
        "last line painted, ms (median)": median(opened),
        "last line painted, ms (worst)": max(opened),
        "heap over the empty page, MB": grown,
        "longest task, ms (0: none over 50)": task,
        "longest task, ms of processor time": max(tasks),
        "jump to a far line, ms (median)": median(jumps),
        "jump to a far line, ms (worst)": max(jumps),
    }


def jump(page: BarePage, line: int) -> float:
    """Milliseconds from the end of typing a line's number to that line."""
    page.view.get_by_role("log").press("g")
    page.view.get_by_role("textbox").fill(str(line))
    page.page.evaluate("window.since = performance.now()")
    page.page.keyboard.press("Enter")
    return float(page.page.evaluate(UNTIL, [number(line), 60_000]))


def peer(browser: Browser, server: Server, name: str, workload: str, module: str) -> dict[str, float]:
    """The same of another view; -1 where it did not get there (a tab that crashed, 120 s)."""
    found = {"last line painted, ms": -1.0, "heap over the empty page, MB": -1.0, "longest task, ms": -1.0}
    with bare(browser, server) as page:
        page.page.route("**/peers.js", lambda route: route.fulfill(body=module, content_type="text/javascript"))
        before = heap(page.page)
        url = f"{server.url}logstream/v1/workloads/{workload}/log.txt?token={TOKEN}"
        try:
            page.page.set_default_timeout(180_000)
            page.page.evaluate(PEER, [name, url, MILLION])
            painted = page.page.evaluate(UNTIL, [number(MILLION), 120_000])
            found["last line painted, ms"] = -1.0 if painted is None else painted
            found["longest task, ms"] = longest(page.page)
            found["heap over the empty page, MB"] = heap(page.page) - before
        except Error as error:
            sys.stderr.write(f"{name}: {error.message.splitlines()[0]}\n")
    return found


def live(browser: Browser, server: Server) -> dict[str, float]:
    """Lines at a high rate: how long each takes to the screen, and what the page does meanwhile."""
    with bare(browser, server) as page, traced(browser, page.page) as tasks:
        workload = page.start(
            [sys.executable, "-c", LIVE.format(rate=LIVE_RATE, seconds=LIVE_SECONDS)], tty=False, name="busy"
        )
        page.page.evaluate(NEWEST)
        page.show(workload)
        job = page.finish(workload, LIVE_SECONDS * 4)
        page.page.wait_for_timeout(1500)
        frames = page.page.evaluate("window.newest")
        shown = int(page.view.get_attribute("data-lines") or 0)
        task, gaps = longest(page.page), page.page.evaluate("window.seen.gaps")
    text = server.http.get(f"{server.url}logstream/v1/workloads/{workload}/log.txt").text
    written = [float(line.split()[0]) for line in text.splitlines()]
    taken, feed = [], iter(frames)
    at, newest = next(feed)
    for seq, when in enumerate(written, start=1):
        while newest < seq:
            at, newest = next(feed)
        taken.append(at - when)
    cuts = quantiles(taken, n=100)
    return {
        "write to pixel, ms (median)": cuts[49],
        "write to pixel, ms (p99)": cuts[98],
        "write to pixel, ms (worst)": max(taken),
        "longest task, ms (0: none over 50)": task,
        "longest task, ms of processor time": max(tasks),
        "frames a second": 1000 * len(gaps) / sum(gaps),
        "lines lost": float(job["lines"] - shown),
    }


NEWEST = """() => {
  window.newest = [];
  let newest = 0;
  const look = () => {
    const rows = document.querySelector("[data-logstream]")?.shadowRoot?.querySelectorAll(".row.record") ?? [];
    const last = Number([...rows].at(-1)?.dataset.seq ?? 0);
    if (last > newest) {
      newest = last;
      setTimeout(() => window.newest.push([performance.timeOrigin + performance.now(), last]));
    }
    requestAnimationFrame(look);
  };
  look();
}"""


def main() -> dict[str, float]:
    """Run all. Returns name -> value; the name holds the unit."""
    found: dict[str, float] = {}

    def keep(title: str, figures: dict[str, Any]) -> None:
        found.update({f"{title}: {name}": value for name, value in figures.items()})

    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        module = bundle(Path(folder))
        browser = playwright.chromium.launch(executable_path=find(), args=[*ARGS, "--enable-precise-memory-info"])
        with jupyter(Path(folder), kind="server") as server:
            with bare(browser, server) as page:
                logs = {n: written(page, n) for n in (MILLION, 10 * MILLION)}
            keep("view, 1 M lines", ours(browser, server, logs[MILLION], MILLION))
            keep("react-logviewer, 1 M lines", peer(browser, server, "reactLogviewer", logs[MILLION], module))
            keep("xterm.js, 1 M lines", peer(browser, server, "xterm", logs[MILLION], module))
            keep("view, 10 M lines", ours(browser, server, logs[10 * MILLION], 10 * MILLION))
            keep("view, live at 10,000 lines/s", live(browser, server))
        browser.close()
    return found


def written(page: BarePage, lines: int) -> str:
    """A finished workload of so many lines."""
    workload = page.start([sys.executable, "-c", LINES.format(count=lines)], tty=False, name=f"{lines} lines")
    job = page.finish(workload)
    assert job["lines"] == lines, job
    return workload


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
