"""A notebook open in a real browser, in JupyterLab or Notebook 7: what users do there, by the page's own commands."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from support.serving import PASSWORD, TOKEN, Kernel, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Locator, Page

WALK = """async (host) => {
  const log = host.shadowRoot.querySelector('[role="log"]');
  const press = (key) => log.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  const painted = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  const all = () => [...host.shadowRoot.querySelectorAll("[data-seq]")];
  const entry = (row) => [Number(row.dataset.seq), row.textContent.trim()];
  const found = [];
  press("Home");
  for (let last = 0; last < Number(host.dataset.lines); press("PageDown")) {
    let rows = [];
    for (let tries = 0; tries < 500; tries++) {
      await painted();
      rows = all().map(entry);
      const moved = rows.length > 0 && (last === 0 ? rows[0][0] === 1 : rows.at(-1)[0] > last);
      if (moved && rows.every(([, text]) => text !== "")) break;
    }
    const news = rows.filter(([seq]) => seq > last);
    if (news.length === 0) break;
    found.push(...news);
    last = news.at(-1)[0];
  }
  return JSON.stringify(found);
}"""

STATE_AND_LINES = "(hosts, n) => hosts[n] && [hosts[n].dataset.state, hosts[n].dataset.lines]"


def walk(view: Locator) -> list[list[Any]]:
    """Page through a log of no empty lines from its beginning, by keys: [seq, text] of every row, as they stand."""
    found: list[list[Any]] = json.loads(view.evaluate(WALK))  # as text: the driver looks at each value of a list
    return found


class NotebookPage:
    """One notebook with the given cells, open in `page`."""

    def __init__(self, page: Page, server: Server, *cells: str) -> None:
        self.page, self.server = page, server
        self.file = f"{uuid4().hex[:8]}.ipynb"
        (server.root / self.file).write_text(json.dumps(_notebook(cells)))
        self.open()

    @classmethod
    def of(cls, page: Page, server: Server, file: str) -> NotebookPage:
        """A notebook that exists; it is not opened yet."""
        made = cls.__new__(cls)
        made.page, made.server, made.file = page, server, file
        return made

    def open(self, *, kernel: bool = True) -> None:
        """Go to the notebook and wait until its kernel is ready, or until its cells are there."""
        # A workspace of its own: Lab would open the tabs of earlier tests again.
        place = f"lab/workspaces/{self.file[:8]}/tree" if self.server.kind == "lab" else "notebooks"
        token = f"?token={TOKEN}" if self.server.auth == "token" else ""
        self.page.goto(f"{self.server.page_url}{place}/{self.file}{token}")
        if self.server.auth == "password":
            self.page.locator("input[name=password]").fill(PASSWORD)
            self.page.locator("input[name=password]").press("Enter")
        self._ready(kernel)

    def reload(self, *, kernel: bool = True) -> None:
        """Reload the page, as F5 does."""
        self.page.reload()
        self._ready(kernel)

    def _ready(self, kernel: bool) -> None:
        self.page.wait_for_function(
            """([file, kernel]) => {
              const widget = window.jupyterapp?.shell?.currentWidget;
              return widget?.context?.path === file && widget.context.isReady
                && (!kernel || widget.sessionContext.session?.kernel?.connectionStatus === "connected");
            }""",
            arg=[self.file, kernel],
            timeout=60_000,
        )

    def start(self, index: int) -> None:
        """Run a cell without waiting for its end."""
        self.select(index)
        self.page.evaluate("() => { jupyterapp.commands.execute('notebook:run-cell'); }")
        self.eventually(lambda: self.kernel_status() == "busy", "busy")

    def kernel_status(self) -> str:
        """The kernel's status as the page shows it: idle, busy, unknown ..."""
        status = "jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status ?? 'none'"
        return str(self.page.evaluate(status))

    def saved(self) -> dict[str, Any]:
        """The notebook as it is on disk."""
        found: dict[str, Any] = json.loads((self.server.root / self.file).read_text())
        return found

    def shut_down_kernel(self) -> None:
        """End the kernel, and the session that the notebook has with it."""
        for session in self.server.http.get(f"{self.server.url}api/sessions").json():
            if session["path"] == self.file:
                self.server.http.delete(f"{self.server.url}api/sessions/{session['id']}")

    def command(self, name: str, **args: Any) -> None:
        """Execute a command of the page and wait for it."""
        self.page.evaluate("async ([name, args]) => { await jupyterapp.commands.execute(name, args); }", [name, args])

    def select(self, index: int) -> None:
        """Make a cell the active one, in command mode."""
        self.page.evaluate(
            """(index) => { const it = jupyterapp.shell.currentWidget.content;
                            it.activeCellIndex = index; it.mode = "command"; it.deselectAll(); }""",
            index,
        )

    def run(self, index: int = 0) -> None:
        """Run a cell and wait until the kernel is done with it."""
        self.select(index)
        self.command("notebook:run-cell")

    def save(self) -> float:
        """Save; return how many seconds that took."""
        before = time.monotonic()
        self.command("docmanager:save")
        return time.monotonic() - before

    def restart_kernel(self) -> None:
        """Restart the kernel, through the dialog."""
        self.page.evaluate("() => { jupyterapp.commands.execute('notebook:restart-kernel'); }")
        self.page.locator(".jp-Dialog .jp-mod-accept").click()
        self.page.locator(".jp-Dialog").wait_for(state="detached")

    @contextmanager
    def kernel(self) -> Iterator[Kernel]:
        """The page's kernel, to run code in."""
        sessions = self.server.http.get(f"{self.server.url}api/sessions").json()
        (kernel_id,) = [session["kernel"]["id"] for session in sessions if session["path"] == self.file]
        kernel = Kernel(self.server.folder / "runtime" / f"kernel-{kernel_id}.json")
        try:
            yield kernel
        finally:
            kernel.client.stop_channels()

    @property
    def views(self) -> Locator:
        """The hosts of all log views on the page."""
        return self.page.locator('[data-logstream="log"]')

    def rows(self, view: int = 0) -> Locator:
        """The rows that a view shows."""
        return self.views.nth(view).locator("[data-seq]")

    def walk(self, view: int = 0) -> list[list[Any]]:
        """As `walk`, of a view."""
        self.page.bring_to_front()  # a tab behind another one paints once a second
        return walk(self.views.nth(view))

    def wait_for(self, state: str | None = None, lines: int | None = None, view: int = 0, timeout: float = 40) -> None:
        """Wait until a view is in a state and reports at least so many lines."""

        def is_so() -> bool:
            found = self.views.evaluate_all(STATE_AND_LINES, view)  # one call: each one costs the page time
            return (
                found is not None
                and (state is None or found[0] == state)
                and (lines is None or int(found[1] or 0) >= lines)
            )

        self.eventually(is_so, f"{state=} {lines=}", timeout)

    def eventually(self, true: Callable[[], bool], what: str, timeout: float = 40) -> None:
        """Wait until a condition holds; on a timeout fail with what the page shows."""
        deadline = time.monotonic() + timeout
        while not true():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {timeout} s: {what}\n{self._seen()}")
            self.page.wait_for_timeout(50)

    def _seen(self) -> str:
        hosts = self.page.evaluate(
            """() => [...document.querySelectorAll("[data-logstream]")].map((it) => ({...it.dataset}))"""
        )
        info = (self.server.log_server or self.server).get("info")
        return f"views: {hosts}\ninfo: {info}\nserver log: ...{self.server.log[-1500:]}"


def _notebook(cells: tuple[str, ...]) -> dict[str, Any]:
    made = [
        {
            "cell_type": "code",
            "id": f"cell-{i}",
            "metadata": {},
            "outputs": [],
            "execution_count": None,
            "source": source,
        }
        for i, source in enumerate(cells)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
    return {"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
