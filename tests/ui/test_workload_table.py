"""The workload table in a cell: live, by mouse and by keyboard, accessible."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from support.workload_table import UNENDING, Table, delete_all, start

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.notebook_page import NotebookPage
    from support.serving import Server

    Open = Callable[..., NotebookPage]

pytestmark = pytest.mark.browser

CELL = "from jupyter_logstream import WorkloadTable\nWorkloadTable({})"


@pytest.fixture(autouse=True)
def _no_workloads(server: Server) -> None:
    delete_all(server)


def shown(notebook: Open, arguments: str = "") -> tuple[NotebookPage, Table]:
    """A cell that shows the table."""
    page = notebook(CELL.format(arguments), "1")
    page.run()
    table = Table(page)
    table.wait_for()
    return page, table


def external(server: Server, name: str) -> str:
    """A workload without a process, which is quick to create."""
    response = server.http.post(
        f"{server.url}logstream/v1/workloads", json={"backend": "external", "name": name, "tags": {"made": "here"}}
    )
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


def test_empty_table_explains_the_first_step_then_shows_workloads_newest_first(notebook: Open, server: Server):
    page, table = shown(notebook)
    table.host.get_by_text('run("python train.py")').wait_for()
    first = start(server, "echo one", name="first")
    page.eventually(lambda: table.ids == [first] and table.cell(first, "state") == "Done", "the first")
    second = start(server, "echo ERROR two; exit 3", name="second")
    page.eventually(lambda: table.cell(second, "state").startswith("Failed"), "the second")
    assert table.ids == [second, first]
    page.eventually(lambda: table.cell(second, "last") == "ERROR two", "its last line")
    assert table.cell(second, "errors") == "1"
    assert [chip.split() for chip in table.host.locator(".chip:visible").all_inner_texts()] == [
        ["All", "2"],
        ["Done", "1"],
        ["Failed", "1"],
    ]


def test_line_count_of_a_running_workload_grows(notebook: Open, server: Server):
    page, table = shown(notebook)
    workload = start(server, UNENDING)
    table.row(workload).wait_for()

    def lines() -> int:
        title = table.row(workload).locator(".c-lines").get_attribute("title") or "0"
        return int(title.split()[0])

    page.eventually(lambda: lines() > 5, "lines")
    before = lines()
    page.eventually(lambda: lines() > before + 5, "more lines")
    assert table.cell(workload, "last").startswith("line ")


def test_table_and_views_of_a_page_share_one_connection(notebook: Open, server: Server):
    page = notebook(CELL.format(""), f"from jupyter_logstream import run\nrun({UNENDING!r})")
    page.run(0)
    page.run(1)
    table = Table(page)
    table.wait_for()
    page.wait_for("live", lines=3)
    (workload,) = table.ids
    table.toggle(workload)
    page.eventually(lambda: int(table.log(workload).get_attribute("data-lines") or 0) > 3, "its log below the row")
    assert server.get("info")["connections"] == 1
    page.command("notebook:move-cursor-up")
    page.select(0)
    page.command("notebook:clear-cell-output")
    page.eventually(lambda: server.get("info")["open_streams"] == 1, "only the other view")


def test_table_filters_by_state_and_by_text(notebook: Open, server: Server):
    page, table = shown(notebook)
    good, bad = start(server, "echo fine", name="good one"), start(server, "exit 1", name="bad one", tags={"team": "a"})
    page.eventually(lambda: len(table.ids) == 2, "both")
    page.eventually(lambda: table.cell(bad, "state").startswith("Failed"), "failed")
    table.host.locator('.chip[data-of="failed"]').click()
    page.eventually(lambda: table.ids == [bad], "failed ones")
    table.host.locator('.chip[data-of="all"]').click()
    search = table.host.locator(".search")
    for words, found in (("GOOD", [good]), ("team=a", [bad]), ("one fine", [good]), ("nothing", [])):
        search.fill(words)
        page.eventually(lambda found=found: table.ids == found, words)
    table.host.get_by_text("Show all").click()
    page.eventually(lambda: table.ids == [bad, good], "both again")


def test_traits_set_the_initial_state_filter_and_limit(notebook: Open, server: Server):
    good = [start(server, "echo fine") for _ in range(3)]
    bad = [start(server, "exit 1") for _ in range(3)]
    page, table = shown(notebook, "state='failed', limit=2")
    page.eventually(lambda: table.ids == [bad[2], bad[1]], "two that failed")
    older = table.host.locator(".more")
    assert "Showing the newest 2 of" in older.inner_text()
    across = "it => it.getBoundingClientRect().width / it.parentElement.getBoundingClientRect().width"
    assert older.evaluate(across) > 0.9, "the note spans the table"
    assert not set(good) & set(table.ids)


def test_buttons_cancel_rerun_and_delete_after_confirmation(notebook: Open, server: Server):
    page, table = shown(notebook)
    workload = start(server, f"echo $COLOUR; {UNENDING}", name="counting", env={"COLOUR": "green"}, tags={"team": "a"})
    table.row(workload).wait_for()
    table.click(workload, "cancel")
    page.eventually(lambda: table.cell(workload, "state") == "Cancelled", "cancelled")
    table.click(workload, "again")
    page.eventually(lambda: len(table.ids) == 2, "another one")
    again = table.ids[0]
    info = server.get(f"workloads/{again}")
    assert (info["name"], info["tags"]) == ("counting", {"team": "a"})
    page.eventually(lambda: server.get(f"workloads/{again}/records")["total"] > 0, "a line")
    assert server.get(f"workloads/{again}/records")["records"][0]["message"] == "green"
    table.click(workload, "ask")
    assert table.row(workload).get_attribute("data-asking") == "true"
    table.row(workload).locator(".act.keep").click()
    table.click(workload, "ask")
    table.row(workload).locator(".act.remove").click()
    page.eventually(lambda: table.ids == [again], "deleted")
    assert server.http.get(f"{server.url}logstream/v1/workloads/{workload}").status_code == 404


def test_keyboard_operates_the_table_without_reaching_the_notebook(notebook: Open, server: Server):
    page, table = shown(notebook)
    first, second = start(server, "echo one"), start(server, "echo two")
    for one in first, second:
        page.eventually(lambda one=one: table.cell(one, "state") == "Done", "done")
    keys = page.page.keyboard
    table.row(second).focus()
    keys.press("ArrowDown")
    page.eventually(lambda: table.row(first).evaluate("(row) => row.matches(':focus')"), "the next row")
    keys.press("Enter")
    table.log(first).wait_for()
    keys.press("Enter")
    page.eventually(lambda: table.log(first).count() == 0, "closed")
    for key in ("d", "d", "a", "b", "x", "m"):
        keys.press(key)
    cells = page.page.evaluate("jupyterapp.shell.currentWidget.content.model.cells.length")
    assert cells == 2
    keys.press("Delete")
    page.eventually(lambda: table.row(first).get_attribute("data-asking") == "true", "the confirmation")
    keys.press("Escape")
    page.eventually(lambda: table.row(first).get_attribute("data-asking") == "false", "the confirmation closed")
    keys.press("Delete")
    keys.press("Enter")
    page.eventually(lambda: table.ids == [second], "deleted")
    page.eventually(lambda: table.row(second).evaluate("(row) => row.matches(':focus')"), "the remaining row")


def test_table_of_hundreds_draws_few_rows_and_reaches_all(notebook: Open, server: Server):
    made = [external(server, f"number {i}") for i in range(300)]
    page, table = shown(notebook, "limit=1000")
    page.eventually(lambda: table.host.locator(".scroll").get_attribute("aria-rowcount") == "301", "all", 30)
    assert len(table.ids) < 80
    assert table.ids[0] == made[-1]
    table.row(made[-1]).focus()
    page.page.keyboard.press("End")
    page.eventually(lambda: table.row(made[0]).evaluate("(row) => row.matches(':focus')"), "the oldest")
    assert len(table.ids) < 80
    newer = external(server, "newer")
    table.host.get_by_text("1 new workload").click()
    page.eventually(lambda: table.ids[0] == newer, "the newest")


def test_table_reconnects_after_a_server_restart_without_becoming_empty(notebook: Open, server: Server):
    page, table = shown(notebook)
    first, second = start(server, "echo one"), start(server, UNENDING)
    page.eventually(lambda: table.ids == [second, first], "both")
    table.host.evaluate(
        """(host) => { window.least = 9; setInterval(() => {
             window.least = Math.min(window.least, host.shadowRoot.querySelectorAll(".row").length); }, 10); }"""
    )
    port = server.port
    server.stop(signal.SIGKILL)
    page.eventually(lambda: table.host.get_attribute("data-state") == "reconnecting", "reconnecting")
    server.start(port)
    third = start(server, "echo three")
    page.eventually(lambda: table.ids == [third, second, first], "all three", 40)
    table.wait_for()
    assert table.cell(second, "state") == "Running"
    assert page.page.evaluate("window.least") == 2


def test_axe_finds_no_violation_in_high_contrast(notebook: Open, server: Server):
    theme = "JupyterLab Dark High Contrast"  # tests/ui/test_contrast.py checks the colours of all themes
    page, table = shown(notebook)
    running, failed = start(server, UNENDING), start(server, "echo ERROR no; exit 2")
    fine = start(server, "echo fine")
    page.eventually(lambda: table.cell(failed, "state").startswith("Failed"), "failed")
    page.eventually(lambda: table.cell(fine, "state") == "Done", "done")
    page.command("apputils:change-theme", theme=theme)
    page.eventually(lambda: page.page.evaluate("document.body.dataset.jpThemeName") == theme, theme)
    table.settles()
    assert table.violations() == []
    table.toggle(running)
    page.eventually(lambda: table.log(running).get_attribute("data-state") == "live", "live")
    table.row(failed).focus()
    page.page.keyboard.press("Delete")
    assert table.violations() == []


def test_server_log_is_shown_like_any_other(notebook: Open, server: Server):
    page = notebook('from jupyter_logstream import LogView\nLogView(scope="service")')
    page.run()
    page.wait_for("live", lines=5)
    assert page.views.first.locator(".name").inner_text() == "Jupyter server log"
    before = int(page.views.first.get_attribute("data-lines") or 0)
    server.http.get(f"{server.url}api/nothing-of-this-name")
    page.wait_for("live", lines=before + 1)
    assert server.get("info")["connections"] == 1
