"""The ladder that a page climbs when its connection fails, against a real server and a proxy that misbehaves.

Every test ends with the same question: is every line there, once, in order?
"""

from __future__ import annotations

import re
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from support.browser_options import OPTIONS, WITHOUT_SHARED_WORKERS, quiet_news
from support.notebook_page import NotebookPage
from support.serving import jupyter
from support.tcp_proxy import proxied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page
    from support.kept_tabs import KeptTabs
    from support.serving import Server
    from support.tcp_proxy import TcpProxy

    Open = Callable[..., NotebookPage]

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

# Notes every state that the view's host passes through, and what its badge says, when either changes.
NOTE = """(host) => {
  const noted = window.noted = [];
  const note = () => {
    const said = [host.dataset.state, host.shadowRoot.querySelector(".badge").textContent.trim()];
    if (said.join() !== noted.at(-1)?.join()) noted.push(said);
  };
  new MutationObserver(note).observe(host, { attributes: true });
  setInterval(note, 100);
  note();
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("ladder")
    quiet_news(folder)
    with jupyter(folder, kind="notebook", options=OPTIONS) as server:
        yield server


@pytest.fixture(scope="module")
def kept_proxy(server: Server) -> Iterator[TcpProxy]:
    """One for all tests: at another port a browser would have to compile the page anew."""
    with proxied(server.port) as proxy:
        server.page_port = proxy.port
        yield proxy
    server.page_port = 0


@pytest.fixture
def proxy(kept_proxy: TcpProxy) -> Iterator[TcpProxy]:
    """Pages reach the server by it; as yet it is a wire, and has cut nothing."""
    kept_proxy.cuts = 0
    yield kept_proxy
    kept_proxy.refuse()
    kept_proxy.behave()
    kept_proxy.listen()


class Watched:
    """A tab with a log that grows by twenty lines a second until `end`."""

    def __init__(self, page: Page, server: Server) -> None:
        self.stop = server.folder / f"stop-{uuid4().hex}"
        script = f"i=0; while [ ! -e {self.stop} ]; do i=$((i+1)); echo line $i; sleep 0.05; done"
        self.tab = NotebookPage(page, server, f"from jupyter_logstream import run\nrun({script!r})")
        self.tab.run()
        self.tab.wait_for("live", lines=10)
        self.host = self.tab.views.first
        self.host.evaluate(NOTE)
        self.left = 0

    @property
    def lines(self) -> int:
        return int(self.host.get_attribute("data-lines") or 0)

    @property
    def noted(self) -> list[list[str]]:
        """[data-state, words of the badge], from change to change."""
        found: list[list[str]] = self.tab.page.evaluate("window.noted")
        return found

    def states(self) -> list[str]:
        """The states that it passed through, each once in a row."""
        seen = [state for state, _ in self.noted]
        return [state for i, state in enumerate(seen) if i == 0 or seen[i - 1] != state]

    def grows(self, state: str = "live", timeout: float = 30) -> None:
        """Lines come while it is in this state."""
        self.tab.wait_for(state, timeout=timeout)
        self.tab.wait_for(state, lines=self.lines + 5, timeout=timeout)

    def leaves_live(self, timeout: float = 40) -> None:
        """It is, or was for a moment, something else since the last time that this was asked."""
        self.tab.eventually(lambda: self._other_states() > self.left, "not live", timeout)
        self.left = self._other_states()

    def _other_states(self) -> int:
        return sum(state != "live" for state in self.states())

    def retry(self) -> None:
        self.host.get_by_role("button", name="Retry now").click()

    def ends_whole(self) -> None:
        """Let it end; every line is there once, in order."""
        self.stop.touch()
        self.tab.wait_for("done", timeout=60)
        workload = self.host.get_attribute("data-workload")
        written = self.tab.server.get(f"workloads/{workload}")["lines"]
        assert self.tab.walk() == [[i, f"line {i}"] for i in range(1, written + 1)]


@pytest.fixture
def watched(tabs: KeptTabs, server: Server, proxy: TcpProxy) -> Iterator[Watched]:
    with _watching(tabs.take(), server) as watched:
        yield watched


@contextmanager
def _watching(page: Page, server: Server) -> Iterator[Watched]:
    watched = Watched(page, server)
    try:
        yield watched
    finally:
        watched.stop.touch()
        watched.tab.shut_down_kernel()


def test_a_cut_is_told_with_the_seconds_to_the_next_attempt_and_mended_by_it(watched: Watched, proxy: TcpProxy):
    assert proxy.cut() == 1
    watched.leaves_live()
    watched.grows()
    said = watched.noted
    assert watched.states() == ["live", "reconnecting", "live"]
    assert any(re.fullmatch(r"Reconnecting\s*in \d s", words) for _, words in said), said
    assert said[-1][1] == "Live"
    watched.ends_whole()
    assert watched.noted[-1][0] == "done"


def test_a_server_that_refuses_is_tried_again_later_and_later_and_at_once_when_the_user_says_so(
    watched: Watched, proxy: TcpProxy
):
    proxy.refuse()
    watched.leaves_live()
    watched.tab.eventually(lambda: any(words.endswith("in 8 s") for _, words in watched.noted), "the fourth rung", 60)
    before = watched.lines
    proxy.listen()
    watched.retry()
    watched.tab.wait_for("live", lines=before + 1, timeout=7)  # sooner than the rung
    watched.ends_whole()


def test_where_no_stream_gets_through_the_view_polls_and_goes_back_to_the_stream(watched: Watched, proxy: TcpProxy):
    proxy.behave(no_streams=True)
    proxy.cut()
    watched.leaves_live()
    watched.tab.wait_for("polling", timeout=60)  # 1 + 2 + 4 + 8 + 16 s later
    assert proxy.cuts >= 6
    assert watched.noted[-1][1] == "Polling"
    watched.grows("polling")
    watched.grows("polling")
    proxy.behave()
    watched.grows("live", timeout=60)
    assert watched.states() == ["live", "reconnecting", "polling", "live"]
    watched.ends_whole()


def test_a_log_that_ends_while_it_is_polled_is_shown_to_its_end(watched: Watched, proxy: TcpProxy):
    proxy.behave(no_streams=True)
    proxy.cut()
    watched.leaves_live()
    for _ in range(6):
        if watched.host.get_attribute("data-state") == "polling":
            break
        watched.retry()
        watched.tab.page.wait_for_timeout(300)
    watched.grows("polling")
    watched.ends_whole()


def test_a_stream_that_falls_silent_counts_as_cut_and_comes_back(watched: Watched, proxy: TcpProxy):
    """A proxy that lets nothing through: neither an error nor an end tells that the stream is dead."""
    proxy.behave(block=True)
    watched.leaves_live()
    proxy.behave()
    watched.grows()
    watched.ends_whole()


def test_a_server_that_is_stopped_for_20_s_is_missed_and_found_again(watched: Watched, server: Server):
    assert server.process
    server.process.send_signal(signal.SIGSTOP)
    try:
        watched.leaves_live()
        watched.tab.page.wait_for_timeout(5000)
        assert watched.host.get_attribute("data-state") == "reconnecting"
    finally:
        server.process.send_signal(signal.SIGCONT)
    watched.grows()
    watched.ends_whole()


def test_a_slow_line_is_live_all_the_same(watched: Watched, proxy: TcpProxy):
    proxy.behave(delay=0.7, rate=100_000)
    for _ in range(3):
        watched.grows()
    assert watched.states() == ["live"]
    proxy.behave()
    watched.ends_whole()


def test_behind_a_proxy_that_buffers_64_kb_the_view_polls(page: Page, server: Server, proxy: TcpProxy):
    """The time until then (five silent attempts and their pauses) is passed by the page's own clock."""
    page.add_init_script(WITHOUT_SHARED_WORKERS)  # a worker has a clock of its own
    page.clock.install()
    with _watching(page, server) as watched:
        proxy.behave(hold=65_536)
        proxy.cut()
        for _ in range(20):
            if watched.host.get_attribute("data-state") == "polling":
                break
            page.wait_for_timeout(1000)  # for what has to go over the wire
            page.clock.fast_forward(17_000)
        watched.grows("polling")
        proxy.behave()
        watched.ends_whole()
