"""The workload panel in JupyterLab's left sidebar: it subscribes only while it is visible."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.serving import TOKEN
from support.workload_table import UNENDING, Table, delete_all, start

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.notebook_page import NotebookPage
    from support.serving import Server

    Open = Callable[..., NotebookPage]

pytestmark = pytest.mark.browser

SHOW = "jupyter-logstream:show-workloads"


@pytest.fixture(autouse=True)
def _no_workloads(server: Server) -> None:
    delete_all(server)


def streams(server: Server) -> int:
    return int(server.get("info")["open_streams"])


def shown(notebook: Open) -> tuple[NotebookPage, Table]:
    """A notebook next to the panel."""
    page = notebook("1")
    page.command(SHOW)
    table = Table(page)
    table.wait_for()
    return page, table


def close_panel(page: NotebookPage) -> None:
    page.page.evaluate("jupyterapp.shell.collapseLeft()")


def test_panel_that_was_never_shown_sends_no_request(notebook: Open, server: Server):
    page = notebook("1")
    page.page.wait_for_timeout(1000)
    assert page.page.locator('[data-logstream="workloads"]').count() == 0
    assert streams(server) == 0


def test_panel_subscribes_while_it_is_visible_and_resumes_when_shown_again(notebook: Open, server: Server):
    page, table = shown(notebook)
    page.eventually(lambda: streams(server) == 1, "one stream")
    first = start(server, "echo one")
    page.eventually(lambda: table.ids == [first] and table.cell(first, "state") == "Done", "the first")
    close_panel(page)
    page.eventually(lambda: streams(server) == 0, "no stream")
    second = start(server, "echo two; exit 3")
    server.http.delete(f"{server.url}logstream/v1/workloads/{first}")
    page.command(SHOW)
    page.eventually(lambda: table.ids == [second], "only the second")
    page.eventually(lambda: table.cell(second, "state").startswith("Failed"), "failed")
    assert streams(server) == 1


def test_log_opens_below_its_row_over_the_same_connection_and_closes(notebook: Open, server: Server):
    page, table = shown(notebook)
    workload = start(server, UNENDING, name="counting")
    table.row(workload).wait_for()
    table.toggle(workload)
    log = table.log(workload)
    page.eventually(lambda: int(log.get_attribute("data-lines") or 0) > 3, "lines")
    assert server.get("info")["connections"] == 1
    assert streams(server) == 2
    table.toggle(workload)
    page.eventually(lambda: streams(server) == 1, "one stream")
    assert log.count() == 0


@pytest.mark.parametrize("open_log", [True, False])
def test_delete_confirmation_fits_into_a_panel_of_250_px(notebook: Open, server: Server, open_log: bool):
    page, table = shown(notebook)
    page.page.set_viewport_size({"width": 1300, "height": 800})
    workload = start(server, "echo one", name="one")
    page.eventually(lambda: table.cell(workload, "state") == "Done", "ended")
    row = table.row(workload)
    if open_log:
        table.toggle(workload)
        row.locator(".act.ask").click()
    else:
        row.press("Delete")
    page.eventually(lambda: row.get_attribute("data-asking") == "true", "the confirmation")
    around = row.bounding_box()
    assert around is not None
    assert around["width"] < 280
    for part in row.locator(".question, .sure .act").all():
        box = part.bounding_box()
        assert box is not None
        assert around["x"] <= box["x"] <= around["x"] + around["width"] - box["width"]


def test_open_log_pauses_with_the_hidden_panel(notebook: Open, server: Server):
    page, table = shown(notebook)
    workload = start(server, UNENDING)
    table.row(workload).wait_for()
    table.toggle(workload)
    page.eventually(lambda: streams(server) == 2, "two streams")
    close_panel(page)
    page.eventually(lambda: streams(server) == 0, "no stream")
    page.command(SHOW)
    log = table.log(workload)
    page.eventually(lambda: log.get_attribute("data-state") == "live", "live again")
    assert streams(server) == 2


def test_log_opens_in_a_tab_that_a_reload_restores(notebook: Open, server: Server):
    page, table = shown(notebook)
    workload = start(server, UNENDING, name="counting")
    table.row(workload).wait_for()
    table.toggle(workload)
    table.row(workload).locator(".act.tab").click()
    tab = page.page.locator(".jp-LabShell .lm-DockPanel [data-logstream=log]")
    tab.wait_for()
    page.eventually(lambda: int(tab.get_attribute("data-lines") or 0) > 3, "lines")
    assert tab.bounding_box()["width"] > 2 * table.host.bounding_box()["width"]
    assert page.page.locator(".lm-DockPanel-tabBar .lm-TabBar-tabLabel", has_text="counting").count() == 1
    assert server.get("info")["connections"] == 1
    workspace = f"{server.url}lab/api/workspaces/{page.file[:8]}"
    page.eventually(lambda: workload in server.http.get(workspace).text, "the saved layout")
    page.page.reload()
    tab.wait_for(timeout=60_000)
    page.eventually(lambda: tab.get_attribute("data-state") == "live", "live again", 30)
    table.host.wait_for(timeout=30_000)  # the panel was open
    table.wait_for()


def test_command_palette_opens_the_panel_and_the_server_log(notebook: Open):
    page = notebook("1")
    page.command("apputils:activate-command-palette")
    items = page.page.locator(".lm-CommandPalette-itemLabel")
    page.page.locator(".lm-CommandPalette-input").fill("Workloads: Show")
    items.first.wait_for()
    assert items.all_inner_texts() == ["Workloads: Show", "Workloads: Show Jupyter Server Log"]
    items.nth(1).click()
    log = page.page.locator(".lm-DockPanel [data-logstream=log]")
    page.eventually(lambda: log.get_attribute("data-state") == "live", "live")
    page.eventually(lambda: log.locator(".row[data-seq]").count() > 3, "lines")


def test_axe_finds_no_violation_in_the_panel(notebook: Open, server: Server):
    page, table = shown(notebook)
    running, failed = start(server, UNENDING, name="counting"), start(server, "echo ERROR no; exit 2")
    page.eventually(lambda: table.cell(failed, "state").startswith("Failed"), "failed")
    assert table.violations() == []
    table.toggle(running)
    page.eventually(lambda: table.log(running).get_attribute("data-state") == "live", "live")
    assert table.violations() == []


def test_the_address_that_the_command_line_prints_opens_the_log(notebook: Open, server: Server):
    page = notebook("1")
    workload = start(server, "echo named by the address")
    page.page.goto(f"{server.page_url}lab?logstream={workload}&token={TOKEN}")
    page.page.locator(f'[data-logstream="log"][data-workload="{workload}"][data-lines="1"]').wait_for()
