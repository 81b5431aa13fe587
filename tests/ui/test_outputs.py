"""Outputs of a workload in JupyterLab, with the labextension, the widget and both: reloads, restarts, saved forms."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from uuid import uuid4

import nbconvert
import nbformat
import pytest
from support.browser_options import OPTIONS, SHELLS, WITHOUT_SHARED_WORKERS, disable, quiet_news
from support.serving import Server, jupyter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page
    from support.notebook_page import NotebookPage

    Open = Callable[..., NotebookPage]

pytestmark = pytest.mark.browser

MIME_TYPE = "application/vnd.jupyter-logstream.v1+json"
WIDGET = "application/vnd.jupyter.widget-view+json"
COUNT = """
import gc
from ipywidgets import Layout
from ipywidgets.widgets.widget import _instances
from jupyter_logstream import LogView
gc.collect()
"""
MODELS_AND_LAYOUTS = "[sum(isinstance(w, k) for w in _instances.values()) for k in (LogView, Layout)]"
UNENDING = "while true; do i=$((i+1)); echo line $i; sleep 0.2; done"
"""Prints five lines a second, until it is cancelled."""
ENDS = 'for i in $(seq 1 300); do echo "line <b>$i</b>"; done; exit 3'

BY_LABEXTENSION_OUTPUT = ".jupyter-logstream-output [data-logstream]"
BY_LABEXTENSION = ("both", "labextension")


def of(*shells: str) -> pytest.MarkDecorator:
    """Parametrize a test with the shells that show its outputs."""
    return pytest.mark.parametrize("server", shells, indirect=True, scope="module")


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp(request.param)
    quiet_news(folder)
    disable(folder, *SHELLS[request.param])
    with jupyter(folder, kind="lab", options=OPTIONS) as server:
        yield server


def showing(command: str) -> str:
    return f"from jupyter_logstream import run\njob = run({command!r})\njob"


def outputs(page: NotebookPage, cell: int = 0) -> list[dict]:
    return page.saved()["cells"][cell]["outputs"]


def wait_for_final_output(page: NotebookPage) -> None:
    """Wait until the notebook contains the final form of the output."""
    data = "Object.keys(jupyterapp.shell.currentWidget.content.model.sharedModel.cells[0].toJSON().outputs[0].data)"
    page.eventually(lambda: WIDGET not in page.page.evaluate(data), "the final output", 30)


def ended(notebook: Open) -> NotebookPage:
    """A saved notebook that shows an ended workload."""
    page = notebook(showing(ENDS))
    page.run()
    page.wait_for("done", lines=300)
    wait_for_final_output(page)
    page.save()
    return page


def lines_grow(page: NotebookPage, timeout: float = 40) -> None:
    page.wait_for("live", timeout=timeout)
    page.wait_for("live", lines=int(page.views.first.get_attribute("data-lines") or 0) + 2, timeout=timeout)


def delete_all(server: Server) -> None:
    for workload in server.get("workloads")["workloads"]:
        server.http.delete(f"{server.url}logstream/v1/workloads/{workload['id']}")


def alter(page: NotebookPage) -> None:
    """Edit the notebook's file on disk, which makes it untrusted."""
    found = page.saved()
    found["metadata"]["changed"] = True
    page.page.goto("about:blank")
    page.shut_down_kernel()
    (page.server.root / page.file).write_text(json.dumps(found))


# --- one bundle in every shell --------------------------------------------------------------------------------------


@of(*SHELLS)
def test_output_is_live_and_saved_in_all_its_forms(notebook: Open, server: Server):
    page = notebook(showing(UNENDING))
    page.run()
    lines_grow(page)
    assert server.get("info")["open_streams"] == 1
    page.save()
    (output,) = outputs(page)
    assert set(output["data"]) == {MIME_TYPE, WIDGET, "text/html", "text/plain"}


@of(*BY_LABEXTENSION)
def test_labextension_shows_the_output_and_the_kernel_frees_its_widget(notebook: Open):
    page = notebook(showing(ENDS))
    page.run()
    page.wait_for("done", lines=300)
    assert page.page.locator(BY_LABEXTENSION_OUTPUT).count() == 1
    wait_for_final_output(page)
    with page.kernel() as kernel:
        kernel.run(COUNT)
        page.eventually(lambda: kernel.json(MODELS_AND_LAYOUTS) == [0, 0], "no model")


@of(*BY_LABEXTENSION)
def test_ended_output_is_saved_as_final_picture_and_the_view_stays(notebook: Open):
    page = notebook(showing("sleep 2; " + ENDS))
    page.run()
    page.wait_for("live")
    page.views.first.evaluate("it => { it.mine = true; }")
    wait_for_final_output(page)
    assert page.views.count() == 1
    assert page.views.first.evaluate("it => it.mine") is True
    page.save()
    (output,) = outputs(page)
    assert set(output["data"]) == {MIME_TYPE, "text/html", "text/plain"}
    final = output["data"][MIME_TYPE]["final"]
    assert (final["job"]["state"], final["job"]["exit_code"], final["job"]["lines"]) == ("failed", 3, 300)
    assert final["lines"] == [f"line <b>{i}</b>" for i in range(251, 301)]
    assert len(json.dumps(output)) < 50_000


@of("anywidget")
def test_ended_output_stays_a_widget_where_only_widgets_are_shown(notebook: Open):
    page = notebook("from jupyter_logstream.kernel import display\ndisplay.POLL_INTERVAL_S = 0.1", showing(ENDS))
    page.run(0)
    page.run(1)
    page.wait_for("done", lines=300)
    assert page.page.locator(BY_LABEXTENSION_OUTPUT).count() == 0
    page.page.wait_for_timeout(1000)  # ten polls of the kernel
    assert page.views.count() == 1
    assert page.rows().last.inner_text().strip() == "line <b>300</b>"
    page.save()
    assert WIDGET in outputs(page, 1)[0]["data"]


# --- after a reload or without a kernel -----------------------------------------------------------------------------


@of(*BY_LABEXTENSION)
def test_reload_during_a_busy_kernel_shows_new_lines_at_once(notebook: Open):
    page = notebook(showing(UNENDING), "import time\ntime.sleep(600)")
    page.run(0)
    lines_grow(page)
    page.save()
    page.start(1)
    page.reload(kernel=False)
    lines_grow(page)
    sessions = page.server.http.get(f"{page.server.url}api/sessions").json()
    assert [it["kernel"]["execution_state"] for it in sessions if it["path"] == page.file] == ["busy"]


@of("anywidget")
def test_reload_of_a_widget_shows_new_lines_when_the_kernel_is_idle(notebook: Open, server: Server):
    gate = server.folder / f"gate-{uuid4().hex}"
    page = notebook(showing(UNENDING), f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.05)")
    page.run(0)
    lines_grow(page)
    page.save()
    page.start(1)
    page.reload(kernel=False)
    gate.touch()
    lines_grow(page)


@of(*BY_LABEXTENSION)
def test_output_shows_new_lines_after_kernel_restart_and_reload(notebook: Open):
    page = notebook(showing(UNENDING))
    page.run()
    lines_grow(page)
    page.save()
    page.restart_kernel()
    lines_grow(page)
    page.reload()
    lines_grow(page)
    page.shut_down_kernel()
    page.reload()
    lines_grow(page)


@of(*BY_LABEXTENSION)
def test_finished_log_is_complete_without_a_kernel(notebook: Open):
    page = ended(notebook)
    page.page.goto("about:blank")
    page.shut_down_kernel()
    page.page.route("**/api/kernelspecs*", lambda route: route.fulfill(json={"default": "none", "kernelspecs": {}}))
    page.page.route(
        "**/api/sessions*", lambda route: route.abort() if route.request.method == "POST" else route.continue_()
    )
    page.open(kernel=False)
    page.page.locator(".jp-Dialog .jp-mod-reject").click()
    assert page.kernel_status() == "none"
    page.wait_for("done", lines=300)
    page.views.first.locator('[data-seq="300"]').wait_for()
    page.views.first.get_by_role("log").press("Home")
    first = page.views.first.locator('[data-seq="1"]')
    page.eventually(lambda: first.count() == 1 and first.inner_text().strip() == "line <b>1</b>", "the first line")
    page.views.first.get_by_role("log").press("/")
    page.views.first.get_by_role("textbox").fill("line <b>17</b>")
    hit = page.views.first.locator("[data-hit]")
    page.eventually(lambda: hit.count() == 1 and hit.inner_text().strip() == "line <b>17</b>", "the match")


@of(*BY_LABEXTENSION)
def test_deleted_log_shows_the_saved_lines_and_the_reason(notebook: Open, server: Server):
    page = ended(notebook)
    delete_all(server)
    page.reload()
    page.wait_for("error", lines=300)
    view = page.views.first
    assert "This log was deleted from the server" in view.locator(".notice").inner_text()
    assert "Failed, exit code 3" in view.locator(".notice").inner_text()
    saved = view.locator(".kept").inner_text().splitlines()
    assert saved == [f"line <b>{i}</b>" for i in range(251, 301)]
    assert view.locator("b").count() == 0


@of("anywidget")
def test_deleted_log_shows_the_reason_in_a_widget(notebook: Open, server: Server):
    page = notebook(showing(ENDS))
    page.run()
    page.wait_for("done", lines=300)
    page.save()
    delete_all(server)
    page.reload()
    page.wait_for("error")
    assert "This log was deleted from the server" in page.views.first.locator(".notice").inner_text()


# --- notebooks from elsewhere ---------------------------------------------------------------------------------------


@of(*BY_LABEXTENSION)
def test_untrusted_notebook_shows_the_log_without_actions(notebook: Open):
    page = notebook(showing(UNENDING))
    page.run()
    lines_grow(page)
    cancel = page.views.first.get_by_role("button", name=re.compile("cancel", re.IGNORECASE))
    assert cancel.count() == 1
    page.save()
    alter(page)
    page.open()
    lines_grow(page)
    assert cancel.count() == 0


@of("anywidget")
def test_untrusted_notebook_shows_the_static_picture_instead_of_a_widget(notebook: Open):
    page = notebook(showing(UNENDING))
    page.run()
    page.wait_for("live", lines=1)
    page.save()
    alter(page)
    page.open()
    page.page.locator(".jp-RenderedHTML code").get_by_text("while true").wait_for()
    assert page.views.count() == 0


HOSTILE = r"printf '%b\n' '\033[31mred\033[0m' '<img src=x onerror=f()>' '</pre><script>window.mine=1</script>' last"


@of("anywidget")
def test_hostile_lines_are_text_in_the_static_picture_of_an_untrusted_notebook(notebook: Open):
    page = notebook(f"from jupyter_logstream import run\nrun({HOSTILE!r}).wait(20)")
    page.run()
    page.save()
    alter(page)
    page.open()
    picture = page.page.locator(".jp-RenderedHTML")
    picture.get_by_text("last", exact=False).first.wait_for()
    lines = picture.locator("pre").inner_text().splitlines()
    assert lines == ["red", "<img src=x onerror=f()>", "</pre><script>window.mine=1</script>", "last"]
    assert picture.locator("img, script").count() == 0
    assert page.page.evaluate("window.mine") is None
    red = picture.locator("pre span").first.evaluate("it => getComputedStyle(it).color")
    assert red == "rgb(206, 83, 78)", "the inline style is applied"


@of("both")
@pytest.mark.parametrize("exporter", [nbconvert.HTMLExporter, nbconvert.MarkdownExporter])
def test_nbconvert_output_has_the_final_picture(exporter, notebook: Open, server: Server):
    page = ended(notebook)
    text, _ = exporter().from_notebook_node(nbformat.read(server.root / page.file, 4))
    assert "exit code 3" in text
    assert "300 lines" in text
    assert "line &lt;b&gt;300&lt;/b&gt;" in text
    assert "<b>300" not in text


# --- released resources ---------------------------------------------------------------------------------------------


@of(*SHELLS)
def test_repeated_runs_a_move_and_an_undone_delete_leave_one_view_and_at_most_one_model(notebook: Open, server: Server):
    page = notebook(showing(UNENDING), "1")
    for _ in range(6):
        page.run()
    page.wait_for("live", lines=1)
    page.eventually(lambda: server.get("info")["open_streams"] == 1, "one stream")
    assert page.views.count() == 1
    page.select(0)
    page.command("notebook:move-cell-down")
    page.wait_for("live", lines=2)
    page.command("notebook:delete-cell")
    page.eventually(lambda: server.get("info")["open_streams"] == 0, "no stream")
    assert page.views.count() == 0
    page.command("notebook:undo-cell-action")
    lines_grow(page)
    page.eventually(lambda: server.get("info")["open_streams"] == 1, "one stream")
    assert server.get("info")["connections"] == 1
    assert page.views.count() == 1
    with page.kernel() as kernel:
        kernel.run(COUNT)
        assert max(kernel.json(MODELS_AND_LAYOUTS)) <= 1
        if page.server.folder.name.startswith("both"):
            page.eventually(lambda: kernel.json(MODELS_AND_LAYOUTS) == [0, 0], "no model")


@of(*BY_LABEXTENSION)
@pytest.mark.parametrize("command", ["notebook:clear-cell-output", "notebook:delete-cell"])
def test_cleared_or_deleted_output_closes_its_stream(command, notebook: Open, server: Server):
    page = notebook(showing(UNENDING), "1")
    page.run()
    page.wait_for("live", lines=1)
    assert server.get("info")["open_streams"] == 1
    page.select(0)
    page.command(command)
    page.eventually(lambda: server.get("info")["connections"] == server.get("info")["open_streams"] == 0, "no stream")


@of(*BY_LABEXTENSION)
def test_closed_lab_tab_closes_its_stream(notebook: Open, server: Server):
    page = notebook(showing(UNENDING))
    page.run()
    page.wait_for("live", lines=1)
    page.save()
    page.command("application:close")
    page.eventually(lambda: server.get("info")["connections"] == 0, "no connection")


@of("both")
def test_widget_and_output_in_one_page_share_one_connection(notebook: Open, server: Server):
    page = notebook(showing(UNENDING), "job.show()", showing(UNENDING))
    for cell in range(3):
        page.run(cell)
    page.eventually(lambda: page.views.count() == 3, "three views")
    for view in range(3):
        page.wait_for("live", lines=3, view=view)
    page.eventually(lambda: server.get("info")["connections"] == 1, "one connection")
    assert server.get("info")["open_streams"] == 2
    assert page.page.locator(BY_LABEXTENSION_OUTPUT).count() == 2


# --- different versions of server and page --------------------------------------------------------------------------


@of("both")
def test_server_without_the_extension_is_reported_above_the_saved_lines(notebook: Open, page: Page):
    here = ended(notebook)
    page.add_init_script(WITHOUT_SHARED_WORKERS)  # playwright cannot intercept requests of workers
    page.route("**/logstream/v1/**", lambda route: route.fulfill(status=404, json={"message": "Not Found"}))
    here.reload()
    here.wait_for("error", lines=300)
    notice = here.views.first.locator(".notice").inner_text()
    assert "does not run jupyter-logstream: install it" in notice
    assert "line <b>300</b>" in here.views.first.locator(".kept").inner_text()


@pytest.mark.parametrize("server", ["both"], indirect=True, scope="function")
def test_server_of_another_protocol_is_reported(notebook: Open, server: Server):
    newer = "import jupyter_logstream.server.http.workloads as ours\nours.PROTOCOL = 2\n"
    (server.folder / "config" / "jupyter_server_config.py").write_text(newer)
    server.stop()
    server.start(server.port)
    here = notebook(showing(UNENDING))
    here.run()
    here.wait_for("error")
    assert "speaks protocol 2" in here.views.first.locator(".notice").inner_text()
