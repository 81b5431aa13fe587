"""Notebook 7: live log, saved output and table. The bundle is that of JupyterLab, where details are tested."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.browser_options import OPTIONS, quiet_news
from support.serving import Server, jupyter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.notebook_page import NotebookPage

pytestmark = pytest.mark.browser

UNENDING = "while true; do i=$((i+1)); echo line $i; sleep 0.2; done"
ENDING = 'for i in $(seq 1 300); do echo "line $i"; done; exit 3'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("notebook")
    quiet_news(folder)
    with jupyter(folder, kind="notebook", base_url="/user/x/", options=OPTIONS) as server:
        yield server


def showing(command: str) -> str:
    return f"from jupyter_logstream import run\njob = run({command!r})\njob"


def test_log_is_live_in_its_cell_and_after_a_reload(notebook: Callable[..., NotebookPage]) -> None:
    page = notebook(showing(UNENDING))
    page.run()
    page.wait_for("live", lines=3)
    page.save()
    page.reload()
    page.wait_for("live", lines=6)


def test_ended_log_is_saved_with_its_static_form(notebook: Callable[..., NotebookPage]) -> None:
    page = notebook(showing(ENDING))
    page.run()
    page.wait_for("done", lines=300)

    def is_saved() -> bool:
        page.save()
        (output,) = page.saved()["cells"][0]["outputs"]
        return "line 300" in "".join(output["data"]["text/plain"])

    page.eventually(is_saved, "the static form is saved", 30)
    assert "application/vnd.jupyter-logstream.v1+json" in page.saved()["cells"][0]["outputs"][0]["data"]


def test_table_lists_a_running_workload(notebook: Callable[..., NotebookPage], server: Server) -> None:
    page = notebook(
        "from jupyter_logstream import WorkloadTable, run\nrun('sleep 60', name='sleeper')\nWorkloadTable()"
    )
    page.run()
    page.page.locator("[data-logstream=workloads] [data-id]", has_text="sleeper").wait_for()
