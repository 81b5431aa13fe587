"""Several tabs of one browser share one connection, also after a reload, a crash or a freeze of one tab."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Error
from support.browser import find
from support.browser_options import ARGS, OPTIONS, WITHOUT_SHARED_WORKERS, quiet_news, set_timings
from support.notebook_page import NotebookPage
from support.serving import jupyter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext
    from support.kept_tabs import KeptTabs
    from support.serving import Server

    Open = Callable[..., NotebookPage]

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]  # loads up to eight tabs

UNENDING = "while true; do i=$((i+1)); echo line $i; sleep 0.2; done"
"""Prints five lines a second, until it is cancelled."""
SET_VISIBILITY = """(state) => {
  Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
"""Simulates that a page is shown or hidden: playwright keeps all pages visible."""
RECORD_STATES = """() => {
  const host = document.querySelector("[data-logstream]");
  window.states = [host.dataset.state];
  const record = () => { if (host.dataset.state !== window.states.at(-1)) window.states.push(host.dataset.state); };
  new MutationObserver(record).observe(host, { attributes: true });
}"""
SUBSCRIBE = """([stream, key]) => {
  const hub = globalThis[Symbol.for("jupyter-logstream.v1")];
  const seen = window[key] = { rows: {}, records: [], rung: "" };
  hub.subscribe({ stream, tail: 100 }, (event) => {
    if (event.kind === "state") seen.rung = event.rung;
    if (event.kind !== "frame") return;
    if (event.type === "reset") { seen.rows = {}; seen.records = []; }
    if (event.type === "logs") seen.records.push(...event.data.logs.map((record) => record.message));
    if (event.type !== "workload") return;
    if (event.data.deleted) delete seen.rows[event.data.id];
    else seen.rows[event.data.id] = event.data.state;
  });
}"""
"""Subscribes to an endless stream as a table does."""


def showing(command: str) -> str:
    return f"from jupyter_logstream import run\njob = run({command!r})\njob"


def end_all(server: Server) -> None:
    for session in server.http.get(f"{server.url}api/sessions").json():
        server.http.delete(f"{server.url}api/sessions/{session['id']}")
    server.end_workloads()


@pytest.fixture
def all_ended(server: Server) -> Iterator[None]:
    yield
    end_all(server)


@pytest.fixture
def tab(all_ended: None, tabs: KeptTabs, server: Server) -> Open:
    """`tab(cell, ...)`: another tab with a new notebook and kernel. Keywords replace timings of the page."""

    def open_tab(*cells: str, **timings: float) -> NotebookPage:
        page = NotebookPage(tabs.take(1000, 700), server, *cells)
        set_timings(page.page, **timings)
        return page

    return open_tab


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A new context, for changes that cannot be undone."""
    context = browser.new_context(viewport={"width": 1000, "height": 700})
    yield context
    context.close()


@pytest.fixture
def own_tab(all_ended: None, context: BrowserContext, server: Server) -> Open:
    """Like `tab`, in `context`."""
    return lambda *cells: NotebookPage(context.new_page(), server, *cells)


def live(tab: Open) -> NotebookPage:
    """A tab with a growing log."""
    page = tab(showing(UNENDING))
    page.run()
    page.wait_for("live", lines=3)
    return page


def lines(tab: NotebookPage) -> int:
    return int(tab.views.first.get_attribute("data-lines") or 0)


def grows(*tabs: NotebookPage) -> None:
    """Wait for new lines in each tab."""
    for tab in tabs:
        tab.wait_for("live", lines=lines(tab) + 3)


def connections(server: Server) -> int:
    return server.get("info")["connections"]


def streams(server: Server) -> int:
    return server.get("info")["open_streams"]


def test_eight_tabs_share_one_connection_that_closes_with_the_last_one(tab: Open, server: Server):
    tabs = [live(tab) for _ in range(8)]
    grows(*tabs)
    assert (connections(server), streams(server)) == (1, 8)
    assert max(one.save() for one in tabs) < 20  # does not wait for the streams to end
    last = tabs.pop()
    for left, one in enumerate(tabs):
        one.page.close()
        last.eventually(lambda left=left: streams(server) == 7 - left, "its stream is closed")
        grows(last)
        assert connections(server) == 1
    last.page.goto("about:blank")
    last.eventually(lambda: connections(server) == 0, "no connection")


def test_reload_of_one_tab_does_not_disconnect_the_other(tab: Open, server: Server):
    one, other = live(tab), live(tab)
    other.page.evaluate(RECORD_STATES)
    one.save()
    for _ in range(2):
        one.reload()
        grows(one, other)
        assert connections(server) == 1
    assert other.page.evaluate("window.states") == ["live"]


def test_crashed_tab_closes_its_stream_and_the_other_stays_live(tab: Open, server: Server):
    one, other = live(tab), live(tab)
    with pytest.raises(Error, match="crash"):
        one.page.goto("chrome://crash")  # ends the worker too if both share a process
    other.eventually(lambda: streams(server) == 1, "one stream")
    grows(other)
    assert connections(server) == 1


def test_dead_worker_is_replaced(tab: Open, browser: Browser, server: Server):
    tabs = [live(tab) for _ in range(2)]
    before = [lines(one) for one in tabs]
    devtools = browser.new_browser_cdp_session()
    found = devtools.send("Target.getTargets")["targetInfos"]
    (worker,) = [it["targetId"] for it in found if it["type"] == "shared_worker" and "hub-worker" in it["url"]]
    devtools.send("Target.closeTarget", {"targetId": worker})
    tabs[0].eventually(lambda: connections(server) == 0, "no connection")
    for one, had in zip(tabs, before, strict=True):
        one.wait_for("live", lines=had + 30, timeout=60)
    grows(*tabs)
    assert (connections(server), streams(server)) == (1, 2)


def test_frozen_tab_blocks_no_other_tab_and_catches_up(tab: Open):
    frozen, other = live(tab), live(tab)
    other.page.evaluate(RECORD_STATES)
    devtools = frozen.page.context.new_cdp_session(frozen.page)
    devtools.send("Page.setWebLifecycleState", {"state": "frozen"})
    other.wait_for("live", lines=lines(other) + 15)
    devtools.send("Page.setWebLifecycleState", {"state": "active"})
    grows(frozen, other)
    assert other.page.evaluate("window.states") == ["live"]


def test_widget_and_output_in_different_tabs_share_one_connection(tab: Open, server: Server):
    widget = tab(f"from jupyter_logstream import run\njob = run({UNENDING!r})\njob.show()")
    widget.run()
    widget.wait_for("live", lines=3)
    assert widget.page.locator(".jupyter-logstream-output").count() == 0
    output = live(tab)
    assert output.page.locator(".jupyter-logstream-output").count() == 1
    grows(widget, output)
    assert (connections(server), streams(server)) == (1, 2)


def test_same_log_in_two_tabs_is_one_stream(tab: Open, server: Server):
    one = live(tab)
    (workload,) = server.get("workloads", state="running")["workloads"]
    other = tab(f"from jupyter_logstream import attach\nattach({workload['id']!r})")
    other.run()
    grows(one, other)
    assert (connections(server), streams(server)) == (1, 1)
    host = other.views.first
    host.get_by_role("log").press("Home")
    host.locator('[data-seq="1"]').get_by_text("line 1", exact=True).wait_for()
    one.views.first.get_by_role("button", name="Cancel").click()
    for page in (one, other):
        page.wait_for("done")
    assert lines(one) == lines(other)


def test_connection_closes_when_all_tabs_are_hidden_and_reopens_when_one_is_shown(tab: Open, server: Server):
    tabs = [live(lambda *cells: tab(*cells, HIDDEN_MS=300)) for _ in range(2)]
    tabs[0].page.evaluate(SET_VISIBILITY, "hidden")
    tabs[0].page.wait_for_timeout(1000)
    assert connections(server) == 1
    tabs[1].page.evaluate(SET_VISIBILITY, "hidden")
    tabs[1].eventually(lambda: connections(server) == 0, "no connection")
    tabs[1].page.wait_for_timeout(1000)  # a tab in the background paints late what had arrived
    before = lines(tabs[0])
    tabs[1].page.wait_for_timeout(1000)
    assert lines(tabs[0]) == before
    tabs[0].page.evaluate(SET_VISIBILITY, "visible")
    grows(*tabs)
    assert connections(server) == 1
    log = tabs[0].views.first
    log.get_by_role("log").press("Home")
    texts = tabs[0].rows()
    tabs[0].eventually(lambda: texts.first.inner_text().strip() == "line 1", "the first line")


def test_thirty_views_in_one_page_share_one_connection_and_the_notebook_saves_at_once(tab: Open, server: Server):
    cell = (
        "from IPython.display import display\n"
        "from jupyter_logstream import run\n"
        "for _ in range(30): display(run('while true; do i=$((i+1)); echo line $i; sleep 1; done'))"
    )
    page = tab(cell)
    page.run()
    page.eventually(lambda: page.views.count() == 30, "thirty views", 60)
    for view in range(30):
        page.wait_for("live", lines=2, view=view)
    assert (connections(server), streams(server)) == (1, 30)
    assert page.save() < 20


def test_workload_list_and_server_log_use_the_same_connection(tab: Open, server: Server):
    one, other = live(tab), live(tab)
    running = sorted(it["id"] for it in server.get("workloads", state="running")["workloads"])
    one.page.evaluate(SUBSCRIBE, ["workloads", "list"])
    one.page.evaluate(SUBSCRIBE, ["service", "log"])
    of = "Object.entries(window.list.rows).filter((it) => it[1] === 'running').map((it) => it[0]).sort()"
    one.eventually(lambda: one.page.evaluate(of) == running, "the list")
    other.page.evaluate(SUBSCRIBE, ["workloads", "list"])
    other.eventually(lambda: other.page.evaluate(of) == running, "the same list in the other tab")
    one.eventually(lambda: one.page.evaluate("window.log.records.length") > 0, "the server's log")
    assert (connections(server), streams(server)) == (1, 4)
    third = live(tab)
    for page in (one, other):
        page.eventually(lambda page=page: len(page.page.evaluate(of)) == 3, "the new workload")
    grows(one, other, third)
    assert connections(server) == 1


def test_browser_without_shared_workers_opens_a_connection_per_tab(
    own_tab: Open, context: BrowserContext, server: Server
):
    context.add_init_script(WITHOUT_SHARED_WORKERS)
    tabs = [live(own_tab) for _ in range(2)]
    grows(*tabs)
    assert connections(server) == 2
    tabs[0].page.close()
    tabs[1].eventually(lambda: connections(server) == 1, "one connection")
    grows(tabs[1])


def test_page_without_a_loadable_worker_opens_its_own_connection(
    own_tab: Open, context: BrowserContext, server: Server
):
    context.add_init_script(
        "const Real = SharedWorker;"
        "SharedWorker = function (url, how) { return new Real(String(url).replace('hub-worker', 'none'), how); };"
    )
    grows(live(own_tab))
    assert connections(server) == 1


def test_all_tabs_reconnect_to_a_restarted_server(browser: Browser, tmp_path: Path):
    quiet_news(tmp_path)
    with jupyter(tmp_path, kind="lab", options=OPTIONS) as server:
        context = browser.new_context()
        tabs = [live(lambda *cells: NotebookPage(context.new_page(), server, *cells)) for _ in range(2)]
        server.stop(signal.SIGKILL)
        for one in tabs:
            one.page.wait_for_function(
                "() => document.querySelector('[data-logstream]').dataset.state === 'reconnecting'"
            )
        server.start(server.port)
        for one in tabs:
            one.wait_for("live", timeout=60)
        grows(*tabs)
        assert connections(server) == 1
        context.close()


def test_tabs_share_a_connection_without_a_secure_context(browser: Browser, tmp_path: Path):
    """Plain HTTP from another host: no Web Locks, so pages report that they close, and send heartbeats."""
    quiet_news(tmp_path)
    options = (*OPTIONS, "--ServerApp.allow_remote_access=True")
    with jupyter(tmp_path, kind="lab", options=options) as server:
        server.page_host = "jupyter.example"
        args = [*ARGS, f"--host-resolver-rules=MAP {server.page_host} 127.0.0.1"]
        elsewhere = browser.browser_type.launch(executable_path=find(), args=args)
        context = elsewhere.new_context()
        tabs = [live(lambda *cells: NotebookPage(context.new_page(), server, *cells)) for _ in range(2)]
        assert tabs[0].page.evaluate("[isSecureContext, typeof navigator.locks]") == [False, "undefined"]
        assert (connections(server), streams(server)) == (1, 2)
        tabs[0].page.close()
        tabs[1].eventually(lambda: streams(server) == 1, "one stream")
        grows(tabs[1])
        elsewhere.close()
