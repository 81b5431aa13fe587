"""The relay between a real server and a page, seen from the page: messages, their limits, and what survives cuts."""

from __future__ import annotations

import base64
import json
import random
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.serving import Server, jupyter
from support.tcp_proxy import TcpProxy, proxied
from support.waiting import until

from jupyter_logstream import run
from jupyter_logstream.kernel import reader
from jupyter_logstream.kernel.event_loop import background_loop
from jupyter_logstream.kernel.relay import relay as relay_module
from jupyter_logstream.kernel.relay.messages import is_allowed, main_streams, size_of
from jupyter_logstream.kernel.relay.relay import Relay
from jupyter_logstream.store.disk.files import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Page:
    """A page, as the relay sees it: it receives messages and can send some."""

    def __init__(self) -> None:
        self.received: list[tuple[float, dict[str, Any]]] = []
        self.idle = True
        self.relay = Relay(lambda message: self.received.append((time.monotonic(), message)), lambda: self.idle)

    def send(self, kind: str, **fields: Any) -> None:
        self.relay.on_message({"type": kind, "page": "p", **fields})

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for _, message in list(self.received) if message["type"] == kind]

    def frames(self) -> list[tuple[str, dict[str, Any]]]:
        return [tuple(frame) for message in self.of("frames") for frame in message["frames"]]

    def has(self, event: str) -> bool:
        return any(kind == event for kind, _ in self.frames())

    def request(self, path: str, method: str = "GET", **fields: Any) -> tuple[int, bytes, str]:
        """Status, body and error of the answer."""
        name = str(len(self.received)) + path
        self.send("request", id=name, method=method, path=path, headers={}, **fields)

        def is_complete(message: dict[str, Any]) -> bool:
            return message.get("id") == name and (message["type"] == "end" or "text" in message)

        until(lambda: any(is_complete(message) for _, message in list(self.received)))
        (head,) = [message for message in self.of("response") if message["id"] == name]
        if "text" in head:
            return head["status"], head["text"].encode(), ""
        (end,) = [message for message in self.of("end") if message["id"] == name]
        parts = [base64.b64decode(message["base64"]) for message in self.of("chunk") if message["id"] == name]
        return head["status"], b"".join(parts), end.get("error", "")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with jupyter(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="module")
def address(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = read_json(server.address_file)
    return found


@pytest.fixture(autouse=True)
def proxy(
    server: Server, address: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TcpProxy]:
    """The kernel reaches the server through it."""
    with proxied(server.port) as proxy:
        write_json(tmp_path / "server.json", {**address, "url": f"http://127.0.0.1:{proxy.port}"})
        monkeypatch.setenv("JUPYTER_LOGSTREAM_SERVER", str(tmp_path / "server.json"))
        yield proxy
    server.end_workloads()


@pytest.fixture
def page() -> Iterator[Page]:
    page = Page()
    yield page
    page.relay.close()


def log_of(job: Any) -> dict[str, Any]:
    return {"stream": f"workload/{job.id}", "tail": 200}


def received_lines(frames: list[tuple[str, dict[str, Any]]]) -> list[int]:
    return [record["seq"] for kind, data in frames if kind == "logs" for record in data["logs"]]


def positions(frames: list[tuple[str, dict[str, Any]]]) -> tuple[int, int]:
    """The last line and the number of skipped ones; every other line came once, in order."""
    last, skipped = 0, 0
    for kind, data in frames:
        if kind == "skip":
            skipped += data["cursor"] - last
            last = data["cursor"]
        for record in data["logs"] if kind == "logs" else ():
            assert record["seq"] == last + 1
            last = record["seq"]
    return last, skipped


def test_messages_are_numbered_and_bring_every_line_once(page: Page) -> None:
    job = run("seq 500")
    page.send("follow", feed="f", streams=[{"stream": f"workload/{job.id}"}])
    until(lambda: page.has("done"))
    assert received_lines(page.frames()) == list(range(1, 501))
    assert [message["n"] for _, message in page.received] == list(range(1, len(page.received) + 1))


def test_every_line_comes_once_through_a_hundred_cuts(
    page: Page, proxy: TcpProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "BACKOFF_S", (0.01,))
    rng, enough = random.Random(3), tmp_path / "enough"
    proxy.cut_streams_after(rng.randrange(1000, 4000) for _ in range(100))
    program = (
        "import os, sys, time\nfor i in range(1, 4001):\n    print('line', i)\n"
        "    if i % 5 == 0 and not os.path.exists(sys.argv[1]): time.sleep(0.1)"
    )
    job = run([sys.executable, "-c", program, str(enough)])
    page.send("follow", feed="f", streams=[{"stream": f"workload/{job.id}"}])
    until(lambda: proxy.cuts == 100, 200)
    enough.touch()
    until(lambda: page.has("done"), 60)
    assert positions(page.frames())[0] == 4000


def test_at_most_20_messages_and_200_kb_a_second_of_which_the_newest_win(page: Page) -> None:
    job = run("seq 1000000; sleep 2; seq 10; exit 3")
    page.send("follow", feed="f", streams=[{"stream": f"workload/{job.id}"}])
    until(lambda: page.has("done"), 100)
    sent = [(at, size_of(message)) for at, message in page.received if message["type"] == "frames"]
    for start, _ in sent:
        second = [size for at, size in sent if start <= at < start + 0.99]
        assert len(second) <= 20
        assert sum(second) <= 200_000
    frames = page.frames()
    last, skipped = positions(frames)
    assert last == 1_000_010
    assert skipped > 100_000
    assert frames[-1][0] == "done"
    assert frames[-1][1]["lines"] == 1_000_010


def test_view_is_pushed_before_any_request_until_a_page_follows(page: Page) -> None:
    job = run("echo first; sleep 600")
    page.relay.push_view({"view": "log", "scope": "job", "upstream": "", "workload": job.id}, with_bundle=True)
    until(lambda: received_lines(page.frames()) == [1])
    assert {message["feed"] for message in page.of("frames")} == {"pushed"}
    parts = page.of("views")
    assert [part["part"] for part in parts] == list(range(parts[0]["parts"]))
    page.send("follow", feed="own", streams=[log_of(job)])
    until(lambda: any(message["feed"] == "own" for message in page.of("frames")))
    assert set(page.relay._feeds) == {"p"}


def test_page_that_reaches_the_server_gets_nothing(page: Page) -> None:
    job = run("echo first; sleep 600")
    page.relay.push_view({"view": "log", "scope": "job", "upstream": "", "workload": job.id}, with_bundle=False)
    page.send("hello", transport="fetch")
    until(lambda: not page.relay._feeds)


def test_rejection_of_the_server_is_passed_on(page: Page) -> None:
    page.send("follow", feed="f", streams=[{"stream": "workload/none"}])
    until(lambda: page.of("rejected"))
    (rejected,) = page.of("rejected")
    assert rejected["status"] == 404
    assert "none" in json.loads(rejected["body"])["message"]


def test_requests_are_answered_in_parts_without_the_secret(page: Page, address: dict[str, Any]) -> None:
    job = run("seq 200000")
    job.wait()
    status, body, error = page.request(f"v1/workloads/{job.id}/log.txt")
    assert (status, error) == (200, "")
    assert body == b"".join(b"%d\n" % i for i in range(1, 200_001))
    assert max(size_of(message) for message in page.of("chunk")) < 200_000
    assert address["secret"] not in json.dumps([message for _, message in page.received])


def test_download_beyond_the_limit_is_refused_with_another_way(page: Page) -> None:
    job = run("seq 8000000")
    job.wait()
    status, body, _ = page.request(f"v1/workloads/{job.id}/log.txt")
    assert status == 413
    assert "larger than 50 MB" in json.loads(body)["message"]
    assert "job.text()" in json.loads(body)["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "v1/payloads"),
        ("PUT", "v1/workloads/x"),
        ("GET", "../api/contents"),
        ("GET", "v1/workloads/../../api"),
        ("GET", "v1/workloads/%2e%2e/x"),
        ("POST", "proxy/openai/v1/chat/completions"),
        ("DELETE", "v1/requests"),
    ],
)
def test_request_that_views_do_not_send_is_not_relayed(page: Page, method: str, path: str) -> None:
    assert not is_allowed(method, path)
    status, body, _ = page.request(path, method)
    assert (status, json.loads(body)["reason"]) == (403, "not_relayed")


def test_request_to_a_server_that_is_gone_is_an_error(page: Page, proxy: TcpProxy) -> None:
    proxy.refuse()
    status, body, _ = page.request("v1/info")
    assert (status, json.loads(body)["reason"]) == (503, "no_server")


def test_feed_ends_with_the_view(page: Page, server: Server) -> None:
    job = run("sleep 600")
    page.send("follow", feed="f", streams=[log_of(job)])
    until(lambda: server.get("info")["connections"] == 1)
    page.relay.close()
    until(lambda: server.get("info")["connections"] == 0)


def test_silent_page_is_dropped_only_while_the_kernel_is_idle(
    page: Page, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "HEARTBEAT_S", 0.02)
    page.idle = False
    job = run("sleep 600")
    page.send("follow", feed="f", streams=[log_of(job)])
    until(lambda: len(page.of("heartbeat")) > 30)
    assert set(page.relay._feeds) == {"p"}
    page.idle = True
    until(lambda: not page.relay._feeds)
    until(lambda: server.get("info")["connections"] == 0)
    page.send("alive", feed="f")
    until(lambda: page.of("alive"))
    assert page.of("alive")[0]["known"] is False


def test_each_kind_of_view_has_its_main_stream() -> None:
    assert main_streams({"view": "workloads", "limit": 7}) == [{"stream": "workloads", "tail": 7}]
    assert main_streams({"view": "log", "scope": "service"}) == [{"stream": "service", "tail": 200}]
    assert main_streams({"view": "log", "scope": "job", "upstream": "up", "workload": "w"}) == []


def test_tasks_of_a_closed_relay_end() -> None:
    page = Page()
    page.send("hello", transport="comm")
    until(lambda: page.relay._heart is not None)
    heart = page.relay._heart
    page.relay.close()
    until(lambda: heart is not None and heart.done())
    assert background_loop().is_running()
