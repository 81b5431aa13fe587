"""Page object of the workload table, in a cell's output or in the side panel. Test support."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from support.paths import AXE

if TYPE_CHECKING:
    from playwright.sync_api import Locator
    from support.notebook_page import NotebookPage
    from support.serving import Server

UNENDING = "while true; do i=$((i+1)); echo line $i; sleep 0.2; done"


class Table:
    """The only workload table of a page."""

    def __init__(self, page: NotebookPage) -> None:
        self.page = page
        self.host = page.page.locator('[data-logstream="workloads"]')

    def row(self, workload: str) -> Locator:
        """A workload's row."""
        return self.host.locator(f'.row[data-id="{workload}"]')

    def cell(self, workload: str, column: str) -> str:
        """The text of a cell."""
        return self.row(workload).locator(f".c-{column}").inner_text().strip()

    @property
    def ids(self) -> list[str]:
        """The workload ids of the rows, in order."""
        rows = self.host.locator(".row")
        return [str(it) for it in rows.evaluate_all("(rows) => rows.map((row) => row.dataset.id)")]

    def toggle(self, workload: str) -> None:
        """Open or close a workload's log, by its name."""
        self.row(workload).locator(".c-name").click()

    def log(self, workload: str) -> Locator:
        """The log that is open below a row."""
        return self.host.locator(f'[data-logstream="log"][data-workload="{workload}"]')

    def click(self, workload: str, act: str) -> None:
        """Press a button of a row; the buttons appear when the row has the focus."""
        self.row(workload).focus()
        self.row(workload).locator(f".act.{act}").click()

    def wait_for(self, state: str = "live") -> None:
        """Wait until the table is connected."""
        self.host.wait_for(timeout=30_000)
        self.page.eventually(lambda: self.host.get_attribute("data-state") == state, state)

    def settles(self) -> None:
        """Wait until no row is highlighted as changed and all transitions ended."""
        marked = """(host) => host.shadowRoot.querySelector('[data-fresh="true"]') !== null
             || host.shadowRoot.getAnimations().some((it) => it instanceof CSSTransition)"""
        self.page.eventually(lambda: not self.host.evaluate(marked), "no row highlighted")

    def violations(self) -> list[Any]:
        """The accessibility violations that axe finds in the table."""
        self.page.page.evaluate(AXE.read_text())
        found = self.page.page.evaluate(
            """async () => (await axe.run(document.querySelector('[data-logstream="workloads"]'))).violations
                 .map(({ id, nodes }) => [id, nodes.map((node) => node.target.flat(9).join(" "))])"""
        )
        return list(found)


def start(server: Server, command: str, **spec: Any) -> str:
    """Start a workload; return its id."""
    response = server.http.post(f"{server.url}logstream/v1/workloads", json={"command": command, **spec})
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


def delete_all(server: Server) -> None:
    """Cancel and delete all workloads."""
    url = f"{server.url}logstream/v1/workloads"
    for state in ("running", "queued"):
        for workload in server.get("workloads", limit=1000, state=state)["workloads"]:
            server.http.post(f"{url}/{workload['id']}/cancel")
    deadline = time.monotonic() + 20
    while left := server.get("workloads", limit=1000)["workloads"]:
        for workload in left:
            server.http.delete(f"{url}/{workload['id']}")  # 409 while it runs
        assert time.monotonic() < deadline, left
