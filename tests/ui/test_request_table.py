"""The request table in a cell: calls through the proxy, live."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.bare_page import BarePage
from support.browser_options import OPTIONS, quiet_news
from support.paths import NOTEBOOKS
from support.serving import TOKEN, Server, jupyter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx
    from playwright.sync_api import Locator
    from support.kept_tabs import KeptTabs
    from support.notebook_page import NotebookPage

    Open = Callable[..., NotebookPage]

pytestmark = pytest.mark.browser

LLM_SERVER = NOTEBOOKS / "llm_server.py"
KEY = "sk-a-vendors-key-of-the-tests"
SERVERS = [("lab", "/user/x/")]
CELL = "from jupyter_logstream import RequestTable\nRequestTable({})"


@pytest.fixture(scope="module")
def llm() -> Iterator[str]:
    command = [sys.executable, "-u", str(LLM_SERVER), "--key", KEY, "--pause", "0.05"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    yield process.stdout.readline().split()[-1]
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="module", params=SERVERS, ids=["lab"])
def server(llm: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    kind, base_url = request.param
    folder = tmp_path_factory.mktemp(kind)
    quiet_news(folder)
    prices = {"tiny*": {"input": 1000, "output": 1000}}
    upstreams = {"llm": {"url": llm, "headers": {"Authorization": f"Bearer {KEY}"}, "prices": prices}}
    options = (*OPTIONS, f"--LogStream.upstreams={upstreams!r}", "--LogStream.request_bodies=10000")
    with jupyter(folder, kind=kind, base_url=base_url, options=options) as made:
        yield made


@pytest.fixture(autouse=True)
def _no_requests(server: Server) -> None:
    server.http.delete(f"{server.url}logstream/v1/requests")


class Requests:
    """The only request table of a page."""

    def __init__(self, notebook: Open, arguments: str = "") -> None:
        self.page = notebook(CELL.format(arguments), "1")
        self.page.run()
        self.host = self.page.page.locator('[data-logstream="requests"]')
        self.host.wait_for()
        self.page.eventually(lambda: self.host.get_attribute("data-state") == "live", "live")

    @property
    def rows(self) -> Locator:
        return self.host.locator(".row")

    def texts(self, column: str) -> list[str]:
        return [text.strip() for text in self.host.locator(f".cell.c-{column}").all_inner_texts()]

    def figure(self, provider: str) -> list[str]:
        return self.host.locator(f'tr[data-provider="{provider}"] :is(th, td)').all_inner_texts()


def call(server: Server, model: str = "tiny", words: int = 4, **more: Any) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "one two"}], "max_tokens": words, **more}
    return server.http.post(f"{server.url}logstream/proxy/llm/chat/completions", json=body)


def test_call_appears_when_it_starts_and_is_updated_in_place(notebook: Open, server: Server):
    table = Requests(notebook)
    table.host.get_by_text("No calls yet").wait_for()
    streamed = {"stream": True, "stream_options": {"include_usage": True}}
    body = {"model": "tiny", "messages": [], "max_tokens": 60, **streamed}
    url = f"{server.url}logstream/proxy/llm/chat/completions"
    with server.http.stream("POST", url, json=body) as response:
        table.page.eventually(lambda: table.texts("state") == ["Streaming"], "streaming")
        row_id = table.rows.first.get_attribute("data-id")
        assert table.rows.first.get_attribute("data-fresh") == "true"
        assert table.texts("first") != [""]
        assert table.texts("tokens") == [""]
        table.page.eventually(lambda: table.figure("All calls")[1:2] == ["1"], "the figures with the running call")
        before = table.texts("took")
        table.page.eventually(lambda: table.texts("took") != before, "its duration grows")
        response.read()
    table.page.eventually(lambda: table.texts("state") == ["Completed"], "completed")
    assert table.rows.first.get_attribute("data-id") == row_id
    assert (table.texts("what"), table.texts("who"), table.texts("tokens")) == (["tiny"], ["openai"], ["2 / 60"])
    assert table.texts("cost") == ["$0.062"]
    table.page.eventually(lambda: table.rows.first.get_attribute("data-fresh") == "false", "no longer fresh")
    call(server, "missing")
    table.page.eventually(lambda: table.texts("state")[:1] == ["Error404"], "the error, in the first row")
    assert table.texts("note")[0] == "The model `missing` does not exist"
    table.page.eventually(lambda: table.figure("All calls")[:4] == ["All calls", "2", "0", "1"], "totals")
    assert table.figure("openai")[4:6] == ["2 / 60", "$0.062"]
    assert "2 calls" in table.host.locator(".words").inner_text()


def test_rows_are_filtered_and_opened_by_mouse_and_keyboard(notebook: Open, server: Server):
    table = Requests(notebook)
    for model in "tiny", "missing", "busy":
        call(server, model)
    table.page.eventually(lambda: table.rows.count() == 3, "three")
    chips = table.host.locator(".chip:visible")
    wanted = ["All 3", "Completed 1", "Error 2"]
    table.page.eventually(lambda: [" ".join(chip.split()) for chip in chips.all_inner_texts()] == wanted, "counts")
    table.host.locator('.chip[data-of="error"]').click()
    table.page.eventually(lambda: table.texts("what") == ["busy", "missing"], "errors only")
    table.host.locator('.chip[data-of="all"]').click()
    table.page.eventually(lambda: table.host.locator(".select").nth(1).locator("option").count() == 4, "models")
    table.host.locator(".select").nth(1).select_option("tiny")
    table.page.eventually(lambda: table.texts("what") == ["tiny"], "one model")
    table.host.locator(".select").nth(1).select_option("")
    table.host.locator(".search").fill("does not exist")
    table.page.eventually(lambda: table.texts("what") == ["missing"], "by text")
    table.host.locator(".search").fill("")
    table.page.eventually(lambda: table.rows.count() == 3, "all again")
    table.host.locator(".search").press("ArrowDown")
    page = table.page.page
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    detail = table.host.locator(".requestdetail")
    detail.wait_for()
    detail.get_by_text("Request headers").wait_for()
    text = detail.inner_text()
    assert "HTTP 200" in text
    assert KEY not in text
    assert "authorization\n***" in text.lower()
    assert '"model": "tiny"' in detail.locator("pre").first.inner_text() or '"model":"tiny"' in text
    page.keyboard.press("Enter")
    detail.wait_for(state="detached")


def test_copied_curl_command_repeats_the_call(notebook: Open, server: Server):
    table = Requests(notebook)
    call(server)
    table.page.eventually(lambda: table.rows.count() == 1, "one")
    table.page.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    table.rows.first.locator(".c-what").click()
    table.host.get_by_text("Request headers").wait_for()
    table.host.locator(".copycurl").click()
    table.host.get_by_text("Copied").wait_for()
    command = table.page.page.evaluate("navigator.clipboard.readText()")
    assert KEY not in command
    env = {**os.environ, "JUPYTER_TOKEN": TOKEN}
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False, env=env)
    assert json.loads(done.stdout)["choices"][0]["message"]["content"] == "The gradient descends quietly"


def test_table_can_poll_and_reconnects_to_a_restarted_server(notebook: Open, server: Server):
    table = Requests(notebook)
    call(server)
    table.page.eventually(lambda: table.rows.count() == 1, "one")
    table.host.locator(".polling").click()
    table.page.eventually(lambda: table.host.get_attribute("data-state") == "polling", "polling")
    table.page.eventually(lambda: server.get("info")["connections"] == 0, "no connection")
    call(server)
    table.page.eventually(lambda: table.rows.count() == 2, "two, by polling")
    table.host.locator(".polling").click()
    table.page.eventually(lambda: table.host.get_attribute("data-state") == "live", "live again")
    call(server)
    table.page.eventually(lambda: table.rows.count() == 3, "three")
    server.stop()
    table.page.eventually(lambda: table.host.get_attribute("data-state") == "reconnecting", "reconnecting")
    server.start(server.port)
    call(server)
    table.page.eventually(lambda: table.rows.count() == 4, "four, once each", 40)
    assert table.host.get_attribute("data-state") == "live"


def test_tables_in_two_tabs_share_one_connection(notebook: Open, server: Server):
    table = Requests(notebook)
    call(server)
    table.page.eventually(lambda: table.rows.count() == 1, "one")
    table.page.save()
    other = table.page.page.context.new_page()
    other.goto(table.page.page.url)
    rows = other.locator('[data-logstream="requests"] .row')
    rows.wait_for(timeout=60_000)
    call(server)
    table.page.eventually(lambda: (table.rows.count(), rows.count()) == (2, 2), "two in both")
    assert server.get("info")["connections"] == 1
    other.close()


def test_logs_and_requests_of_a_page_share_one_connection(tabs: KeptTabs, server: Server):
    page = tabs.take()
    bare = BarePage(page, server)
    bare.open()
    workload = bare.start("echo here; sleep 60")
    bare.show(workload)
    bare.row(1).wait_for()
    page.evaluate(
        """() => {
          delete window.view;
          const first = document.getElementById("host");
          first.id = "log";
          first.after(Object.assign(document.createElement("div"), { id: "host" }));
        }"""
    )
    requests = bare.show_requests()
    call(server)
    requests.locator(".row").first.wait_for()
    assert bare.view.get_attribute("data-state") == "live"
    assert server.get("info")["connections"] == 1
    assert server.get("info")["open_streams"] == 2
    server.end_workloads()


@pytest.mark.parametrize(("theme", "width"), [("light", 1100), ("dark", 760), ("light", 420)])
def test_axe_finds_no_violation_at_any_width(tabs: KeptTabs, server: Server, theme: str, width: int):
    for model in "tiny", "missing":
        call(server, model)
    page = tabs.take(width, 800)
    bare = BarePage(page, server, theme=theme)
    bare.open()
    host = bare.show_requests()
    host.locator(".row .c-what").first.click()
    host.get_by_text("Request headers").wait_for()
    call(server)
    host.locator(".row").nth(2).wait_for()
    assert bare.violations() == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    inside = """it => [...it.shadowRoot.querySelectorAll(".bar > *, .row .cell, .figures, .chart, .requestdetail")]
        .filter(one => one.checkVisibility() && one.getBoundingClientRect().right > it.getBoundingClientRect().right)
        .map(one => one.className)"""
    assert host.evaluate(inside) == []
