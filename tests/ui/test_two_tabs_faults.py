"""Two tabs that show the same log and different ones while the connection or the server fails."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from support.browser_options import OPTIONS, quiet_news
from support.notebook_page import NotebookPage
from support.serving import jupyter
from support.tcp_proxy import TcpProxy, proxied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.kept_tabs import KeptTabs
    from support.serving import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("faults")
    quiet_news(folder)
    with jupyter(folder, kind="lab", options=OPTIONS) as server:
        yield server


@pytest.fixture
def proxy(server: Server) -> Iterator[TcpProxy]:
    with proxied(server.port) as proxy:
        server.page_port = proxy.port
        yield proxy
    server.page_port = 0


def server_killed_and_restarted(server: Server, proxy: TcpProxy, seen: Callable[[str], None]) -> None:
    server.stop(signal.SIGKILL)
    seen("reconnecting")
    server.start(server.port)


def disconnected_five_times(server: Server, proxy: TcpProxy, seen: Callable[[str], None]) -> None:
    for reset in [False, True, False, True, False]:
        assert proxy.cut(reset=reset) == 1  # both tabs share it
        seen("live")


@pytest.mark.parametrize("fault", [server_killed_and_restarted, disconnected_five_times], ids=lambda it: it.__name__)
def test_two_tabs_show_every_line_once_after(
    fault: Callable[..., None], tabs: KeptTabs, server: Server, proxy: TcpProxy
):
    stop = server.folder / f"stop-{fault.__name__}"
    script = f"i=0; while [ ! -e {stop} ]; do i=$((i+1)); echo line $i; sleep 0.05; done"
    one = NotebookPage(tabs.take(), server, f"from jupyter_logstream import run\nrun({script!r})")
    one.run()
    one.wait_for("live", lines=5)
    shared = one.views.first.get_attribute("data-workload")
    other = NotebookPage(
        tabs.take(),
        server,
        f"from jupyter_logstream import attach, run\nattach({shared!r})",
        f"run({script!r})",
    )
    other.run(0)
    other.run(1)
    views = [(one, 0), (other, 0), (other, 1)]

    def seen(state: str) -> None:
        """Wait until every view is in this state and, if it is `live`, receives new lines."""
        for tab, view in views:
            tab.wait_for(state, view=view, timeout=60)
            if state == "live":
                tab.wait_for(state, view=view, lines=lines(tab, view) + 3, timeout=60)

    def lines(tab: NotebookPage, view: int) -> int:
        return int(tab.views.nth(view).get_attribute("data-lines") or 0)

    seen("live")
    assert (server.get("info")["connections"], server.get("info")["open_streams"]) == (1, 2)
    fault(server, proxy, seen)
    seen("live")
    assert (server.get("info")["connections"], server.get("info")["open_streams"]) == (1, 2)
    stop.touch()
    seen("done")
    for tab, view in views:
        workload = tab.views.nth(view).get_attribute("data-workload")
        written = server.get(f"workloads/{workload}")["lines"]
        assert tab.walk(view) == [[i, f"line {i}"] for i in range(1, written + 1)]
    for tab in (one, other):
        tab.shut_down_kernel()
