"""Reconnecting with backoff, then polling: the page against a real server behind a faulty proxy.

Every test ends with the same check: each line is shown once, in order.
"""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from support.browser_options import OPTIONS, quiet_news, set_timings
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

# Records the states of the view's host and the texts of its badge.
RECORD = """(host) => {
  const seen = window.seen = [];
  const record = () => {
    const now = [host.dataset.state, host.shadowRoot.querySelector(".badge").textContent.trim()];
    if (now.join() !== seen.at(-1)?.join()) seen.push(now);
  };
  new MutationObserver(record).observe(host, { attributes: true });
  setInterval(record, 50);
  record();
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("ladder")
    quiet_news(folder)
    with jupyter(folder, kind="lab", options=OPTIONS) as server:
        yield server


@pytest.fixture(scope="module")
def kept_proxy(server: Server) -> Iterator[TcpProxy]:
    """One for all tests: for another port the browser would compile the page again."""
    with proxied(server.port) as proxy:
        server.page_port = proxy.port
        yield proxy
    server.page_port = 0


@pytest.fixture
def proxy(kept_proxy: TcpProxy) -> Iterator[TcpProxy]:
    """The proxy between pages and server, without faults at first."""
    kept_proxy.cuts = 0
    yield kept_proxy
    kept_proxy.refuse()
    kept_proxy.behave()
    kept_proxy.listen()


class Watched:
    """A tab with a log that grows by twenty lines a second until `ends_whole`. `timings` are those of the page."""

    def __init__(self, page: Page, server: Server, timings: dict[str, Any]) -> None:
        self.stop = server.folder / f"stop-{uuid4().hex}"
        script = f"i=0; while [ ! -e {self.stop} ]; do i=$((i+1)); echo line $i; sleep 0.05; done"
        self.tab = NotebookPage(page, server, f"from jupyter_logstream import run\nrun({script!r})")
        set_timings(page, **timings)
        self.tab.run()
        self.tab.wait_for("live", lines=10)
        self.host = self.tab.views.first
        self.host.evaluate(RECORD)
        self.left = 0

    @property
    def lines(self) -> int:
        return int(self.host.get_attribute("data-lines") or 0)

    @property
    def seen(self) -> list[list[str]]:
        """[data-state, text of the badge] after each change."""
        found: list[list[str]] = self.tab.page.evaluate("window.seen")
        return found

    def states(self) -> list[str]:
        """The sequence of states, without repetitions."""
        states = [state for state, _ in self.seen]
        return [state for i, state in enumerate(states) if i == 0 or states[i - 1] != state]

    def grows(self, state: str = "live", timeout: float = 30) -> None:
        """Wait for new lines in this state."""
        self.tab.wait_for(state, timeout=timeout)
        self.tab.wait_for(state, lines=self.lines + 5, timeout=timeout)

    def leaves_live(self, timeout: float = 40) -> None:
        """Wait until the view was in another state than `live` since the last call."""
        self.tab.eventually(lambda: self._other_states() > self.left, "not live", timeout)
        self.left = self._other_states()

    def _other_states(self) -> int:
        return sum(state != "live" for state in self.states())

    def retry(self) -> None:
        self.host.get_by_role("button", name="Retry now").click()

    def ends_whole(self) -> None:
        """End the workload; check that every line is shown once, in order."""
        self.stop.touch()
        self.tab.wait_for("done", timeout=60)
        workload = self.host.get_attribute("data-workload")
        written = self.tab.server.get(f"workloads/{workload}")["lines"]
        assert self.tab.walk() == [[i, f"line {i}"] for i in range(1, written + 1)]


@pytest.fixture
def watched(tabs: KeptTabs, server: Server, proxy: TcpProxy, timings: dict[str, Any]) -> Iterator[Watched]:
    watched = Watched(tabs.take(), server, timings)
    try:
        yield watched
    finally:
        watched.stop.touch()
        watched.tab.shut_down_kernel()


@pytest.fixture
def timings() -> dict[str, Any]:
    """The page's time constants that a test replaces, by `with_timings`."""
    return {}


def with_timings(**timings: float | list[float]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("timings", [timings], ids=["fast"])


def test_disconnect_is_reported_with_the_time_to_the_next_attempt_and_repaired_by_it(watched: Watched, proxy: TcpProxy):
    assert proxy.cut() == 1
    watched.leaves_live()
    watched.grows()
    seen = watched.seen
    assert watched.states() == ["live", "reconnecting", "live"]
    assert any(re.fullmatch(r"Reconnecting\s*in \d s", text) for _, text in seen), seen
    assert seen[-1][1] == "Live"
    watched.ends_whole()
    assert watched.seen[-1][0] == "done"


@with_timings(BACKOFF_MS=[100, 200, 30_000])
def test_attempts_become_rarer_and_retry_now_connects_at_once(watched: Watched, proxy: TcpProxy):
    proxy.refuse()
    watched.leaves_live()
    third = re.compile(r"in [23]\d s$")  # 30 s, varied by at most a fifth
    watched.tab.eventually(lambda: any(third.search(text) for _, text in watched.seen), "the third delay")
    before = watched.lines
    proxy.listen()
    watched.retry()
    watched.tab.wait_for("live", lines=before + 1, timeout=20)  # before the delay ends
    watched.ends_whole()


@with_timings(BACKOFF_MS=[100, 200, 300], POLL_MS=300)
def test_view_polls_where_no_stream_gets_through_and_returns_to_the_stream(watched: Watched, proxy: TcpProxy):
    proxy.behave(no_streams=True)
    proxy.cut()
    watched.leaves_live()
    watched.tab.wait_for("polling")
    assert proxy.cuts >= 4
    assert watched.seen[-1][1] == "Polling"
    watched.grows("polling")
    watched.grows("polling")
    proxy.behave()
    watched.grows("live")
    assert watched.states() == ["live", "reconnecting", "polling", "live"]
    watched.ends_whole()


@with_timings(BACKOFF_MS=[100, 100], POLL_MS=300)
def test_log_that_ends_while_it_is_polled_is_shown_to_its_end(watched: Watched, proxy: TcpProxy):
    proxy.behave(no_streams=True)
    proxy.cut()
    watched.leaves_live()
    watched.grows("polling")
    watched.ends_whole()


@with_timings(STALL_MS=3000, BACKOFF_MS=[200])
def test_silent_stream_counts_as_broken_and_is_reopened(watched: Watched, proxy: TcpProxy):
    """The proxy forwards nothing: neither an error nor an end reports that the stream is dead."""
    proxy.behave(block=True)
    watched.leaves_live()
    proxy.behave()
    watched.grows()
    watched.ends_whole()


@with_timings(STALL_MS=3000, BACKOFF_MS=[200] * 100)
def test_suspended_server_is_reported_and_the_view_resumes_with_it(watched: Watched, server: Server):
    assert server.process
    server.process.send_signal(signal.SIGSTOP)
    try:
        watched.leaves_live()
        watched.tab.page.wait_for_timeout(1000)
        assert watched.host.get_attribute("data-state") == "reconnecting"
    finally:
        server.process.send_signal(signal.SIGCONT)
    watched.grows()
    watched.ends_whole()


def test_slow_connection_stays_live(watched: Watched, proxy: TcpProxy):
    proxy.behave(delay=0.7, rate=100_000)
    for _ in range(3):
        watched.grows()
    assert watched.states() == ["live"]
    proxy.behave()
    watched.ends_whole()


@with_timings(STALL_MS=2000, BACKOFF_MS=[100, 100], POLL_MS=300)
def test_view_polls_behind_a_proxy_that_buffers_64_kb(watched: Watched, proxy: TcpProxy):
    proxy.behave(hold=65_536)
    proxy.cut()
    watched.grows("polling")
    proxy.behave()
    watched.ends_whole()
