"""Workloads on other machines in the page: where they run, why they wait, a lost connection, a kept cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.bare_page import BarePage
from support.paths import ROOT
from support.scripted_backend import Machine
from support.serving import Server, jupyter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

SHOW_TABLE = """async (url) => {
  const { showTable } = await import(url);
  const host = document.createElement("div");
  document.getElementById("host").append(host);
  showTable(host, { height: 0, protocol: 1 });
}"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return Machine(tmp_path_factory.mktemp("machine"))


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory, machine: Machine) -> Iterator[Server]:
    """A server with the backend `gpu1`, whose machine the test plays."""
    prefix = ("env", f"PYTHONPATH={ROOT / 'tests'}")
    with jupyter(tmp_path_factory.mktemp("server"), options=(machine.config(),), prefix=prefix) as server:
        yield server


@pytest.fixture
def bare(page: Page, remote: Server) -> BarePage:
    """A page for a view of a log and a table."""
    made = BarePage(page, remote)
    made.open()
    return made


def start(server: Server, machine: Machine, **spec: object) -> str:
    machine.is_("up")
    body = {"command": "train", "name": "train", "backend": "gpu1", **spec}
    answer = server.http.post(f"{server.url}logstream/v1/workloads", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_log_and_table_show_where_a_workload_runs_and_why_it_waits(bare: BarePage, machine: Machine) -> None:
    workload = start(bare.server, machine)
    bare.show(workload)
    bare.page.evaluate(SHOW_TABLE, f"{bare.server.url}static/jupyter_logstream/table.js")
    log, row = bare.page.locator('[data-logstream="log"]'), bare.page.locator(f'.row[data-id="{workload}"]')
    machine.report(workload, "queued", reason="Pending: Resources")
    log.locator(".badge", has_text="Pending: Resources").wait_for()
    log.locator(".place", has_text="gpu1").wait_for()
    row.locator(".c-last", has_text="Pending: Resources").wait_for()
    machine.report(workload, "running", node="node17")
    log.locator(".place", has_text="gpu1 · node17").wait_for()
    row.locator(".place", has_text="gpu1 · node17").wait_for()
    machine.report(workload, "succeeded", node="node17", exit_code=0)
    row.locator(".c-state", has_text="Done").wait_for()


def test_a_lost_connection_counts_up_and_a_cancel_is_kept_until_it_is_back(bare: BarePage, machine: Machine) -> None:
    workload = start(bare.server, machine)
    bare.show(workload)
    bare.page.evaluate(SHOW_TABLE, f"{bare.server.url}static/jupyter_logstream/table.js")
    log, row = bare.page.locator('[data-logstream="log"]'), bare.page.locator(f'.row[data-id="{workload}"]')
    machine.report(workload, "running", node="gpu1")
    log.locator(".badge", has_text="Live").wait_for()
    machine.is_("down")
    machine.report(workload, "running", node="gpu1", link="down")
    lost = log.locator(".lost-link")
    lost.get_by_text("Connection to gpu1 lost").wait_for()
    shown = lost.inner_text()
    bare.page.wait_for_function(
        "([host, before]) => host.shadowRoot.querySelector('.lost-link').textContent !== before",
        arg=[log.element_handle(), shown],
    )
    row.locator(".c-last", has_text="connection to gpu1 lost").wait_for()
    assert row.locator(".c-state").inner_text() == "Running"
    log.locator("button.cancel").click()
    lost.get_by_text("the cancel is kept and sent when it is back").wait_for()
    assert machine.calls("cancel") == []
    machine.is_("up")
    machine.report(workload, "running", node="gpu1")
    log.locator(".badge", has_text="Cancelled").wait_for()
    assert not lost.is_visible()
    assert [cancelled for cancelled, _ in machine.calls("cancel")] == [workload]
