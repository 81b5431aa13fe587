"""A page with a single log view and nothing else: no JupyterLab, no kernel. Test support.

The HTML is supplied by intercepting a request; the server behind it, its login and its JavaScript modules are real.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.paths import AXE
from support.serving import TOKEN, Server

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

THEMES = Path(sys.prefix) / "share/jupyter/lab/themes/@jupyterlab"
"""JupyterLab's themes, whose CSS variables style the view."""

HTML = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A log</title><style>{style}
h1 {{ margin: 0 0 8px; color: var(--jp-content-font-color1); font: 600 14px sans-serif; }}
body {{ margin: 0; padding: 12px; background: var(--jp-layout-color0, white); }}</style>
<script id="jupyter-config-data" type="application/json">{config}</script></head>
<body data-jp-theme-light="{light}"><main><h1>A log</h1><div id="host"></div></main></body></html>"""


def theme_variables(theme: str) -> str:
    """The `--jp-*` variables of one of JupyterLab's themes: light, dark, dark-high-contrast."""
    return (THEMES / f"theme-{theme}-extension" / "index.css").read_text()


class BarePage:
    """One page with one view. `options` go to `showLog`."""

    def __init__(self, page: Page, server: Server, *, theme: str = "light") -> None:
        self.page, self.server = page, server
        config = json.dumps({"baseUrl": server.base_url, "token": TOKEN})
        html = HTML.format(style=theme_variables(theme), config=config, light=json.dumps(theme == "light"))
        page.route("**/bare", lambda route: route.fulfill(body=html, content_type="text/html"))

    def open(self, fragment: str = "") -> None:
        """Go to the page, without a view."""
        self.page.goto(f"{self.server.url}bare{fragment}")

    def show(self, workload: str, **options: Any) -> None:
        """Show a workload's log."""
        self.page.evaluate(
            """async ([url, options]) => {
              const { showLog } = await import(url);
              window.view?.dispose();
              const host = document.createElement("div");
              document.getElementById("host").replaceChildren(host);
              window.shown = performance.now();
              window.view = showLog(host, { height: 0, protocol: 1, ...options });
            }""",
            [f"{self.server.url}static/jupyter_logstream/view.js", {"workload": workload, **options}],
        )

    def show_requests(self, **options: Any) -> Locator:
        """Show the request table; return its host."""
        self.page.evaluate(
            """async ([url, options]) => {
              const { showRequests } = await import(url);
              window.view?.dispose();
              const host = document.createElement("div");
              document.getElementById("host").replaceChildren(host);
              window.view = showRequests(host, { height: 0, protocol: 1, ...options });
            }""",
            [f"{self.server.url}static/jupyter_logstream/requests.js", options],
        )
        return self.page.locator('[data-logstream="requests"]')

    @property
    def view(self) -> Locator:
        """The view's host; locators pierce its shadow root."""
        return self.page.locator('[data-logstream="log"]')

    @property
    def rows(self) -> Locator:
        """The rows in the DOM."""
        return self.view.locator("[data-seq]")

    def row(self, seq: int) -> Locator:
        """The row of a record."""
        return self.view.locator(f'[data-seq="{seq}"]')

    def start(self, command: list[str] | str, **spec: Any) -> str:
        """Start a workload; return its id."""
        body = {"command": command, **spec}
        response = self.server.http.post(f"{self.server.url}logstream/v1/workloads", json=body)
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    def finish(self, workload: str, timeout: float = 120) -> dict[str, Any]:
        """Wait until a workload has ended; return its JSON."""
        for _ in range(int(timeout * 10)):
            job: dict[str, Any] = self.server.get(f"workloads/{workload}")
            if job["ended"]:
                return job
            self.page.wait_for_timeout(100)
        raise AssertionError(f"{workload} did not end within {timeout} s")

    def finished_log(self, data: bytes) -> str:
        """Run a workload that writes these bytes to a pipe; return its id after its end."""
        (self.server.root / "data").write_bytes(data)
        workload = self.start(["cat", str(self.server.root / "data")], tty=False)
        self.finish(workload)
        return workload

    def python(self, program: str, **spec: Any) -> str:
        """Start a Python program; return its id."""
        return self.start([sys.executable, "-u", "-c", program], **spec)

    @property
    def texts(self) -> list[str]:
        """The rows' texts in the DOM, which can differ from the drawn ones."""
        found: list[str] = self.view.locator(".row .text").evaluate_all("its => its.map(it => it.textContent)")
        return found

    @property
    def heights(self) -> set[float]:
        """The different heights of the rows, in px."""
        return set(self.view.locator(".row").evaluate_all("its => its.map(it => it.getBoundingClientRect().height)"))

    def painted(self) -> None:
        """Wait until everything requested before is painted."""
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def has_lines(self, number: int) -> None:
        """Wait until the view reports at least this many lines, visible or not."""
        self.page.wait_for_function(
            "(number) => Number(document.querySelector('[data-logstream]')?.dataset.lines) >= number", arg=number
        )

    def press(self, *keys: str) -> None:
        """Press keys in the log."""
        self.view.get_by_role("log").focus()
        for key in keys:
            self.page.keyboard.press(key)

    def violations(self) -> list[Any]:
        """The accessibility violations that axe finds in the page."""
        self.page.evaluate(AXE.read_text())
        found: list[Any] = self.page.evaluate(
            """async () => (await axe.run(document, { resultTypes: ["violations"] })).violations.map((it) =>
                 [it.id, it.nodes.slice(0, 3).map((node) => [node.target.flat(9).join(" "), node.failureSummary])])"""
        )
        return found
