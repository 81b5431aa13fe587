"""Logs of other servers in the page, through the proxy: of another jupyter-logstream, and in the simple form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.bare_page import BarePage
from support.browser_options import OPTIONS, quiet_news
from support.foreign_logs import Foreign, foreign_logs
from support.notebook_page import NotebookPage
from support.serving import TOKEN, Server, jupyter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page
    from support.kept_tabs import KeptTabs

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """The server of the page, and the server of the shown logs."""
    with (
        foreign_logs() as runs,
        jupyter(tmp_path_factory.mktemp("other"), kind="server", base_url="/other/") as other,
    ):
        upstreams = {
            "lab": {"url": f"{other.url}logstream", "headers": {"Authorization": f"token {TOKEN}"}},
            "runs": runs,
            "gone": "http://127.0.0.1:1",
        }
        options = (f"--LogStream.upstreams={upstreams!r}",)
        folder = tmp_path_factory.mktemp("server")
        with jupyter(folder, kind="server", base_url="/user/x/", options=options) as server:
            yield server, other


@pytest.fixture
def remote(tabs: KeptTabs, servers: tuple[Server, Server]) -> BarePage:
    Foreign.tries = 0
    shown = BarePage(tabs.take(), servers[0])
    shown.open()
    return shown


def state(remote: BarePage, wanted: str, timeout: float = 20_000) -> None:
    remote.page.locator(f'[data-logstream="log"][data-state="{wanted}"]').wait_for(timeout=timeout)


def rows(remote: BarePage) -> list[Any]:
    found: list[Any] = remote.rows.evaluate_all(
        "rows => rows.map(row => [Number(row.dataset.seq), row.querySelector('.text').textContent])"
    )
    return found


@pytest.mark.parametrize("name", ["plain", "cut", "steady"])
def test_log_in_the_simple_form_is_shown_to_its_end_through_disconnects(remote: BarePage, name: str):
    remote.show(name, upstream="runs")
    state(remote, "done")
    assert rows(remote) == [[number + 1, f"line {number}\nand more"] for number in range(9)]
    assert remote.view.locator(".badge").inner_text().startswith("Failed")
    assert remote.view.get_attribute("data-lines") == "9"
    assert remote.view.locator(".download").is_hidden()
    assert remote.view.locator(".cancel").is_hidden()


def test_log_in_the_simple_form_is_live_while_it_grows(remote: BarePage):
    remote.show("slow", upstream="runs")
    state(remote, "live")
    remote.row(9).wait_for()
    state(remote, "done")


def test_log_of_another_jupyter_logstream_can_be_read_searched_and_cancelled(
    remote: BarePage, servers: tuple[Server, Server]
):
    program = "for i in 1 2 3; do echo line $i; done; echo 'ERROR: no such thing'; sleep 60"
    job = servers[1].http.post(f"{servers[1].url}logstream/v1/workloads", json={"command": program}).json()["id"]
    remote.show(job, upstream="lab")
    state(remote, "live")
    remote.row(4).wait_for()
    assert [text for _, text in rows(remote)] == ["line 1", "line 2", "line 3", "ERROR: no such thing"]
    assert remote.row(4).get_attribute("data-level") == "error"
    remote.press("/")
    remote.page.keyboard.type("line 2")
    remote.view.get_by_text("1 of 1").wait_for()
    remote.view.locator(".cancel").click()
    state(remote, "done")
    assert servers[1].get(f"workloads/{job}")["state"] == "cancelled"


@pytest.mark.parametrize(
    ("upstream", "name", "message"),
    [
        ("runs", "none", "The other server answers 404: Not Found"),
        ("runs", "broken", "The other server answers 500"),
        ("unknown", "x", "The server answers 404: there is no such upstream"),
        ("lab", "none", "The other server answers 404"),
    ],
)
def test_errors_of_the_other_server_are_reported(remote: BarePage, upstream: str, name: str, message: str):
    remote.show(name, upstream=upstream)
    state(remote, "error")
    remote.view.get_by_text(message).first.wait_for()


def test_unreachable_server_is_retried(remote: BarePage):
    remote.show("x", upstream="gone")
    state(remote, "reconnecting")


def test_handle_widget_and_saved_notebook_show_the_log(page: Page, tmp_path: Path):
    quiet_news(tmp_path)
    with foreign_logs() as runs:
        options = (*OPTIONS, f"--LogStream.upstreams={ {'runs': runs}!r}")
        with jupyter(tmp_path, kind="lab", options=options) as server:
            shown = NotebookPage(
                page,
                server,
                'from jupyter_logstream import LogView, attach\nattach("runs:plain")',
                'LogView(upstream="runs", workload="plain")',
            )
            shown.run(0)
            shown.run(1)
            for view in 0, 1:
                shown.wait_for(state="done", lines=9, view=view)
            shown.save()
            shown.shut_down_kernel()
            shown.reload(kernel=False)
            shown.wait_for(state="done", lines=9)
