"""Several servers of one user: each finds its own workloads again, and those of a server that is gone are adopted."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from support.ports import free_port
from support.serving import Server
from support.waiting import until

from jupyter_logstream.store.disk.files import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class OneOfTwo(Server):
    """A server whose data folder is shared with others, and that keeps its port."""

    fixed_port: int = 0

    def _env(self) -> dict[str, str]:
        return {**super()._env(), "JUPYTER_DATA_DIR": str(self.folder.parent / "data")}

    def begin(self) -> None:
        self.start(self.fixed_port)

    def run(self, command: str) -> str:
        answer = self.http.post(f"{self.url}logstream/v1/workloads", json={"command": command})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def state(self, workload: str) -> str | None:
        answer = self.http.get(f"{self.url}logstream/v1/workloads/{workload}")
        return answer.json()["state"] if answer.is_success else None

    def cancel(self, workload: str) -> int:
        return self.http.post(f"{self.url}logstream/v1/workloads/{workload}/cancel").status_code


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[OneOfTwo, OneOfTwo]]:
    made = OneOfTwo(tmp_path / "a", fixed_port=free_port()), OneOfTwo(tmp_path / "b", fixed_port=free_port())
    with ExitStack() as stack:
        for server in made:
            server.folder.mkdir()
            stack.callback(server.http.close)
            stack.callback(server.stop)
            stack.callback(server.end_workloads)
        yield made


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_each_server_finds_its_own_workloads_in_any_start_order(servers: tuple[OneOfTwo, OneOfTwo], order: str) -> None:
    a, b = servers
    own = {}
    for server in a, b:
        server.begin()
        own[server.fixed_port] = server.run("sleep 600")
    a.stop()
    b.stop(signal.SIGKILL)
    for name in order:
        server = {"a": a, "b": b}[name]
        server.begin()
        assert server.state(own[server.fixed_port]) == "running"
    for server in a, b:
        assert server.cancel(own[server.fixed_port]) == 202
        until(lambda s=server: s.state(own[s.fixed_port]) == "cancelled")


def test_workloads_of_a_server_that_is_gone_are_adopted_and_given_back_when_it_returns(
    servers: tuple[OneOfTwo, OneOfTwo],
) -> None:
    a, b = servers
    a.begin()
    running, ended = a.run("sleep 600"), a.run("echo out")
    until(lambda: a.state(ended) == "succeeded")
    address = a.folder.parent / "data" / "logstream" / "1" / "server.json"
    before = read_json(address)
    b.begin()
    assert b.state(running) is None
    a.stop(signal.SIGKILL)
    until(lambda: b.state(running) == "running")
    assert b.http.get(f"{b.url}logstream/v1/workloads/{ended}/log.txt").text == "out\n"
    assert str(b.fixed_port) in address.read_text()  # workloads of the other server publish to this one
    a.begin()
    assert a.state(running) == "running"
    assert b.state(running) is None
    assert a.process is not None
    assert read_json(address) == {**before, "pid": a.process.pid}
    assert a.cancel(running) == 202
    until(lambda: a.state(running) == "cancelled")
    a.stop(signal.SIGKILL)
    until(lambda: b.state(running) == "cancelled")
    assert b.http.delete(f"{b.url}logstream/v1/workloads/{running}").status_code == 204


def test_a_new_server_adopts_at_once_and_has_a_store_of_its_own(servers: tuple[OneOfTwo, OneOfTwo]) -> None:
    a, b = servers
    a.begin()
    first = a.run("echo first")
    until(lambda: a.state(first) == "succeeded")
    a.stop()
    b.begin()
    until(lambda: b.state(first) == "succeeded")
    second = b.run("echo second")
    b.stop()
    a.begin()
    until(lambda: {a.state(first), a.state(second)} == {"succeeded"})
