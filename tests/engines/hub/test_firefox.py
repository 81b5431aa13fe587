"""Firefox: the main job, the connection that its tabs share, and what a disconnect looks like there."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from support.browser_options import OPTIONS, quiet_news
from support.firefox import FirefoxNotebook, firefox
from support.serving import jupyter
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.firefox import Firefox
    from support.serving import Server

pytestmark = pytest.mark.timeout(600)  # three JupyterLabs in a browser that starts slowly

COUNT = "i=0; while [ ! -e stop ]; do i=$((i+1)); echo line $i; sleep 0.1; done; echo finished"
"""Prints 10 lines a second, until the file `stop` is there."""


def showing(command: str) -> str:
    return f"from jupyter_logstream import run\njob = run({command!r})\njob"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("lab")
    quiet_news(folder)
    with jupyter(folder, kind="lab", options=OPTIONS) as server:
        yield server


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    with firefox(tmp_path_factory.mktemp("firefox")) as browser:
        yield browser


@pytest.fixture
def notebook(browser: Firefox, server: Server) -> Iterator[Callable[[str], FirefoxNotebook]]:
    """`notebook(cell)`: another tab with a new notebook; workloads, kernels and tabs end with the test."""
    tabs = []

    def open_one(cell: str) -> FirefoxNotebook:
        tabs.append(browser.tab())
        return FirefoxNotebook(tabs[-1], server, cell)  # type: ignore[arg-type]

    yield open_one
    for tab in tabs:
        tab.close()
    for session in server.http.get(f"{server.url}api/sessions").json():
        server.http.delete(f"{server.url}api/sessions/{session['id']}")
    server.end_workloads()


def test_a_log_is_live_survives_a_reload_and_ends_complete(
    browser: Firefox, notebook: Callable[[str], FirefoxNotebook], server: Server
) -> None:
    assert "firefox" in str(browser.call("version")).lower()
    one = notebook(showing(COUNT))
    one.run()
    one.wait_for("live", lines=3)
    one.save()
    one.reload(kernel=False)
    one.wait_for("live", lines=10)
    (server.root / "stop").touch()
    one.wait_for("done")
    (server.root / "stop").unlink()
    found = one.walk()
    assert found == [[seq, f"line {seq}"] for seq in range(1, len(found))] + [[len(found), "finished"]]


def test_tabs_share_one_connection_through_a_worker(notebook: Callable[[str], FirefoxNotebook], server: Server) -> None:
    tabs = [notebook(showing("while true; do echo line; sleep 0.2; done")) for _ in range(2)]
    for one in tabs:
        one.run()
        one.wait_for("live", lines=3)
    assert tabs[0].page.evaluate("() => typeof SharedWorker") == "function"
    until(lambda: (server.get("info")["connections"], server.get("info")["open_streams"]) == (1, 2))
    tabs[0].page.goto("about:blank")
    until(lambda: (server.get("info")["connections"], server.get("info")["open_streams"]) == (1, 1))
    lines = tabs[1].lines
    tabs[1].wait_for("live", lines=lines + 3)


def test_a_killed_server_is_reported_and_the_log_continues_without_a_gap(
    notebook: Callable[[str], FirefoxNotebook], server: Server
) -> None:
    one = notebook(showing(COUNT))
    one.run()
    one.wait_for("live", lines=3)
    server.stop(signal.SIGKILL)
    one.wait_for("reconnecting")
    server.start(server.port)
    one.wait_for("live", lines=one.lines + 5)
    (server.root / "stop").touch()
    one.wait_for("done")
    (server.root / "stop").unlink()
    found = one.walk()
    assert found == [[seq, f"line {seq}"] for seq in range(1, len(found))] + [[len(found), "finished"]]
