"""The first second: from Shift+Enter to the first painted line of `run()`, beside `!echo`, in fresh and warm kernels.

Measured inside the page: the key event starts the clock, and the first frame that shows the line, also in the view's
shadow root, stops it. Both sides alternate in one JupyterLab; `performance.timeOrigin` makes the times comparable.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from .page import lab

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.notebook_page import NotebookPage

if TYPE_CHECKING:
    from playwright.sync_api import Page

COLD_ROUNDS, WARM_ROUNDS = 5, 9
LINE = "the first line"
CELLS = {
    "run()": f"from jupyter_logstream import run\nrun('echo {LINE}')",
    "!echo": f"!echo {LINE}",
}

# Resolves with the ms from the next Shift+Enter to the frame in which a cell's output shows the line.
UNTIL_PAINTED = """([index, line]) => {
  const cell = document.querySelectorAll(".jp-Notebook .jp-Cell")[index];
  const now = () => performance.timeOrigin + performance.now();
  window.painted = new Promise((resolve) => {
    let pressed;
    const shows = (root) => [...root.querySelectorAll(".jp-OutputArea-output pre, .row.record .text")]
      .some((it) => it.textContent.includes(line));
    // Checked behind the paint of each frame, not before: a view draws within the frame, JupyterLab before it.
    const look = () => {
      const painted = new MessageChannel(); // its message comes behind the paint of the frame
      painted.port1.onmessage = () => {
        const hosts = [...cell.querySelectorAll("[data-logstream]")];
        const roots = [cell, ...hosts.map((it) => it.shadowRoot).filter(Boolean)];
        if (roots.some(shows)) resolve(now() - pressed);
        else requestAnimationFrame(look);
      };
      painted.port2.postMessage(0);
    };
    window.addEventListener("keydown", function press(event) {
      if (event.key !== "Enter" || !event.shiftKey) return;
      window.removeEventListener("keydown", press, { capture: true });
      pressed = now();
      requestAnimationFrame(look);
    }, { capture: true });
  });
}"""


def first_line(page: Page, notebook: NotebookPage, index: int) -> float:
    """Run a cell by its key; return the ms until its line is painted."""
    notebook.select(index)
    notebook.command("notebook:clear-cell-output")
    page.locator(".jp-Notebook .jp-Cell").nth(index).locator(".jp-InputPrompt").click()
    notebook.select(index)
    page.evaluate(UNTIL_PAINTED, [index, LINE])
    page.keyboard.press("Shift+Enter")
    taken = float(page.evaluate("window.painted"))
    notebook.eventually(lambda: notebook.kernel_status() == "idle", "idle")
    return taken


def fresh_kernel(notebook: NotebookPage) -> None:
    """Restart the kernel and wait until it is idle."""
    notebook.restart_kernel()
    notebook.eventually(lambda: notebook.kernel_status() == "idle", "idle")
    notebook.page.wait_for_timeout(1000)  # what it does behind its start is not measured


def main() -> dict[str, float]:
    """Run all. Returns name -> value; the name holds the unit."""
    taken: dict[str, list[float]] = {}
    with lab() as (page, server):
        notebook = NotebookPage(page, server, *CELLS.values())
        for index in range(len(CELLS)):
            first_line(page, notebook, index)  # the page has loaded its parts
        for _ in range(COLD_ROUNDS):
            for index, name in enumerate(CELLS):
                fresh_kernel(notebook)
                taken.setdefault(f"first line in a fresh kernel: {name}, ms", []).append(
                    first_line(page, notebook, index)
                )
        for index in range(len(CELLS)):
            first_line(page, notebook, index)  # what is imported once is there
        for _ in range(WARM_ROUNDS):
            for index, name in enumerate(CELLS):
                taken.setdefault(f"first line in a warm kernel: {name}, ms", []).append(
                    first_line(page, notebook, index)
                )
    return {
        **{f"{name} (median)": median(values) for name, values in taken.items()},
        **{f"{name} (best)": min(values) for name, values in taken.items()},
        **{f"{name} (worst)": max(values) for name, values in taken.items()},
    }


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
