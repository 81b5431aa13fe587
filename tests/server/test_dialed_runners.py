"""Runners that connect to the server by WebSocket: with a token of their workload, again after each break."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.dialing import DialingBackend
from support.handshake import HANDSHAKE
from support.paths import ROOT
from support.process_table import kill_with_argument, with_argument
from support.route_table import is_error
from support.serving import jupyter
from support.waiting import eventually
from support.web import FINAL, Answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.web import Site


class Bench:
    """A server with the backend `there`."""

    def __init__(self, serve: Any, there: Path) -> None:
        self._serve, self.there = serve, there

    async def start(self, plan: dict[str, float] | None = None, **options: Any) -> Site:
        def make(name: str, context: Any) -> DialingBackend:
            self.backend = DialingBackend(name, context, str(self.there), **(plan or {}))
            return self.backend

        backends = {"local": "local", "there": {"type": make}}
        site: Site = await self._serve(backends=backends, **options)
        return site

    def token_file(self, workload_id: str) -> Path:
        return Path(self.backend._folder(workload_id).path / "token")


@pytest.fixture
def bench(serve: Any, tmp_path: Path) -> Iterator[Bench]:
    yield Bench(serve, tmp_path / "there")
    kill_with_argument(str(tmp_path / "there"))


async def lines(site: Site, workload_id: str) -> list[str]:
    page = await site.get(f"v1/workloads/{workload_id}/records?limit=5000")
    return [record["message"] for record in page["records"]]


async def connect(site: Site, workload_id: str, token: str) -> Answer:
    headers = {**HANDSHAKE, "Authorization": f"Bearer {token}"}
    stream = await site.stream(f"v1/workloads/{workload_id}/runner", headers=headers)
    if stream.status != 101:
        await stream.rest()
    return Answer(stream.status, stream.headers, bytes(stream.raw))


async def test_log_input_and_end_come_over_the_runners_connection(bench: Bench) -> None:
    site = await bench.start()
    workload_id = await site.start("echo out; echo err >&2; read x; echo got $x; exit 3", backend="there", stdin=True)
    await site.wait_for_line(workload_id, "err")
    answer = await site.request("POST", f"v1/workloads/{workload_id}/input?eof=1", b"in\n")
    assert answer.status in {200, 204}, answer.body
    found = await site.state(workload_id)
    assert (found["state"], found["exit_code"], found["node"]) == ("failed", 3, os.uname().nodename)
    assert sorted(await lines(site, workload_id)) == ["err", "got in", "out"]
    await eventually(lambda: bench.backend.jobs[workload_id].poll() == 3)  # the engine sees the exit code, too
    assert list((bench.there / "jobs").iterdir()) == []
    assert "got in" not in bench.backend.printed(workload_id)


async def test_only_the_token_of_the_workload_opens_its_connection(bench: Bench) -> None:
    site = await bench.start()
    one, other = [await site.start("echo up; sleep 600", backend="there") for _ in range(2)]
    here = await site.start("sleep 600")
    token = bench.token_file(one).read_text()
    assert stat.S_IMODE(bench.token_file(one).stat().st_mode) == 0o600
    for workload_id, given in (other, token), (one, token[:-1]), (one, ""), (here, token), ("x", token):
        answer = await connect(site, workload_id, given)
        assert (answer.status, is_error(answer)) == (403, True), (workload_id, given)
    for headers in {}, {"Authorization": f"token {token}"}, {"Authorization": site.headers["Authorization"]}:
        stream = await site.stream(f"v1/workloads/{one}/runner?token={token}", headers={**HANDSHAKE, **headers})
        assert stream.status == 403
    bearer = {"Authorization": f"Bearer {token}"}
    assert (await site.request("GET", f"v1/workloads/{one}/runner", headers=bearer)).status == 426
    for path in "v1/info", f"v1/workloads/{one}", f"v1/workloads/{one}/records":
        assert (await site.request("GET", path, headers=bearer)).status == 403
    assert (await site.request("POST", f"v1/workloads/{one}/cancel", b"", headers=bearer)).status == 403
    foreign = {**HANDSHAKE, **bearer, "Origin": "http://evil.example"}
    assert (await site.stream(f"v1/workloads/{one}/runner", headers=foreign)).status == 403
    assert with_argument(token) == []


async def test_token_gives_no_access_after_the_end(bench: Bench) -> None:
    site = await bench.start()
    workload_id = await site.start("read x", backend="there", stdin=True)
    await eventually(lambda: bench.token_file(workload_id).exists())
    token = bench.token_file(workload_id).read_text()
    await site.request("POST", f"v1/workloads/{workload_id}/cancel", b"")
    assert (await site.state(workload_id))["state"] == "cancelled"
    await eventually(lambda: bench.backend.jobs[workload_id].poll() is not None)

    async def is_refused() -> bool:
        return (await connect(site, workload_id, token)).status == 410

    await eventually(is_refused)


async def test_second_connection_replaces_the_first_and_the_runner_reconnects(bench: Bench) -> None:
    site = await bench.start()
    workload_id = await site.start("echo up; read x; echo got $x", backend="there", stdin=True)
    await site.wait_for_line(workload_id, "up")
    slot = bench.backend.dial_in._slots[workload_id]
    first = slot.current
    assert (await connect(site, workload_id, bench.token_file(workload_id).read_text())).status == 101
    await eventually(lambda: slot.current not in {None, first})  # first ours, which is silent; then the runner's again
    await eventually(lambda: slot.current is not None and bench.backend._mirrors[workload_id].sighting.link == "up")
    assert first is not None
    assert first.reader.at_eof()
    await site.request("POST", f"v1/workloads/{workload_id}/input?eof=1", b"in\n")
    assert (await site.state(workload_id))["state"] == "succeeded"
    assert await lines(site, workload_id) == ["up", "got in"]


async def test_connections_that_break_lose_and_double_nothing(bench: Bench) -> None:
    site = await bench.start()
    workload_id = await site.start("for i in $(seq 4000); do echo line $i; done", backend="there", tty=False)
    broken = 0
    while (await site.workload(workload_id))["state"] not in FINAL:
        slot = bench.backend.dial_in._slots.get(workload_id)
        if broken < 5 and slot is not None and slot.current is not None:
            broken += 1
            await slot.current.close()
        await asyncio.sleep(0.02)
    assert broken > 1
    assert await lines(site, workload_id) == [f"line {i}" for i in range(1, 4001)]


async def test_killed_job_ends_the_command_and_its_processes(bench: Bench) -> None:
    site = await bench.start()
    workload_id = await site.start("echo up; sleep 4713.5 & sleep 4713.5", backend="there")
    await site.wait_for_line(workload_id, "up")
    os.kill(bench.backend.jobs[workload_id].pid, signal.SIGKILL)  # as an engine does that loses its job
    await eventually(lambda: with_argument("sleep 4713.5") == [])


async def test_output_is_printed_for_the_engine_if_the_server_cannot_be_reached(bench: Bench) -> None:
    site = await bench.start({"echo_after_s": 0.3}, public_url="http://127.0.0.1:1/", masks=["s3cret-of-the-tests"])
    command = "echo one; echo is s3cret-of-the-tests; echo err >&2; exit 4"
    workload_id = await site.start(command, backend="there", tty=False)
    await eventually(lambda: bench.backend.jobs[workload_id].poll() == 4)
    printed = bench.backend.printed(workload_id)
    assert "the server at http://127.0.0.1:1/logstream/v1/workloads/" in printed
    assert "Connection refused; the output follows" in printed
    assert {"one", "err"} < set(printed.splitlines())
    assert "s3cret" not in printed
    reason = "its runner has not connected to this server"
    await eventually(lambda: bench.backend._mirrors[workload_id].sighting.reason == reason)
    assert (await site.workload(workload_id))["state"] == "queued"


async def test_published_records_are_printed_for_the_engine_between_lines_of_the_output(bench: Bench) -> None:
    site = await bench.start({"echo_after_s": 0.3}, public_url="http://127.0.0.1:1/", masks=["s3cret-of-the-tests"])
    program = (
        "import logging, sys\nfrom jupyter_logstream import LogHandler\n"
        "handler = LogHandler()\nlogging.getLogger().addHandler(handler)\n"
        "print('begin', end='', flush=True)\n"
        "for i in range(3000): logging.warning('record %d %s', i, 'x' * 1000)\n"
        "logging.error('is s3cret-of-the-tests')\nhandler.flush()\nprint(' and end')\n"
    )
    workload_id = await site.start([sys.executable, "-c", program], backend="there", tty=False)
    await eventually(lambda: bench.backend.jobs[workload_id].poll() == 0)
    printed = [line for line in bench.backend.printed(workload_id).splitlines() if "jupyter-logstream:" not in line]
    assert printed[0] == "begin and end"
    assert printed[1:-1] == [f"WARN record {i} {'x' * 1000}" for i in range(3000)]
    assert printed[-1].startswith("ERROR is ")
    assert "s3cret" not in printed[-1]


async def test_job_ends_some_time_after_a_server_that_does_not_come_back(bench: Bench, tmp_path: Path) -> None:
    site = await bench.start({"linger_s": 0.3})
    gate = tmp_path / "gate"
    workload_id = await site.start(f"echo up; while [ ! -e {gate} ]; do sleep 0.05; done; echo more", backend="there")
    await site.wait_for_line(workload_id, "up")
    assert site.stop is not None
    await site.stop()
    gate.touch()
    await eventually(lambda: bench.backend.jobs[workload_id].poll() == 0)
    assert bench.backend.printed(workload_id).splitlines()[-2:] == ["up", "more"]


async def test_log_continues_after_a_restart_of_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"))
    there = tmp_path / "there"
    backends = {"there": {"type": "support.dialing:DialingBackend", "there": str(there)}}
    gate = tmp_path / "gate"
    with jupyter(tmp_path, base_url="/base/", options=(f"--LogStream.backends={backends!r}",)) as server:
        command = f"echo one; while [ ! -e {gate} ]; do sleep 0.05; done; echo two; exit 5"
        posted = server.http.post(f"{server.url}logstream/v1/workloads", json={"command": command, "backend": "there"})
        workload = f"workloads/{posted.json()['id']}"
        await eventually(lambda: server.get(f"{workload}/records")["records"])
        server.stop(signal.SIGKILL)
        gate.touch()
        server.start(server.port)
        await eventually(lambda: server.get(workload)["state"] in FINAL)
        assert server.get(workload)["exit_code"] == 5
        assert [record["message"] for record in server.get(f"{workload}/records")["records"]] == ["one", "two"]
        token = (tmp_path / "data").rglob("token")
        assert not any(path.read_text().split()[0] in server.log for path in token)
    kill_with_argument(str(there))


async def test_job_that_starts_after_its_cancel_runs_nothing(bench: Bench, tmp_path: Path) -> None:
    site = await bench.start()
    workload_id = await site.start(f"touch {tmp_path}/ran; sleep 600", backend="there")
    await eventually((tmp_path / "ran").exists)
    (tmp_path / "ran").unlink()
    bench.backend.dial_in.end(workload_id)
    box = bench.backend.box(workload_id)
    order = json.loads(bench.backend.order_file(workload_id).read_text())
    (box / "order.json").write_text(json.dumps({**order, "root": str(tmp_path / "another-node")}))
    assert await asyncio.to_thread(bench.backend.dial(box).wait, 30) == 0
    assert "cancelled before it started" in bench.backend.printed(workload_id)
    assert not (tmp_path / "ran").exists()


async def test_package_keeps_no_secret_and_starts_its_workload_once(bench: Bench, tmp_path: Path) -> None:
    site = await bench.start()
    workload_id = await site.start(f"echo ran >> {tmp_path}/ran; sleep 600", backend="there", env={"KEY": "canary-77"})
    await eventually((tmp_path / "ran").exists)
    box = bench.backend.box(workload_id)
    assert "canary-77" in bench.backend.order_file(workload_id).read_text()
    assert [path.name for path in box.iterdir() if b"canary-77" in path.read_bytes()] == []
    for order in None, bench.backend.order_file(workload_id).read_text():  # as it is, and unpacked again
        if order is not None:
            (box / "order.json").write_text(order)
        assert await asyncio.to_thread(bench.backend.dial(box).wait, 30) == 3
    assert bench.backend.printed(workload_id).count("it is not started twice") == 2
    assert (tmp_path / "ran").read_text() == "ran\n"


async def test_server_without_a_url_for_other_machines_is_not_called(bench: Bench) -> None:
    site = await bench.start(public_url="")
    bench.backend._find_url = lambda _: ""
    workload_id = await site.start("echo one; exit 4", backend="there")
    await eventually(lambda: bench.backend.jobs[workload_id].poll() == 4)
    printed = bench.backend.printed(workload_id).splitlines()
    assert "jupyter-logstream: the server is not used: it has no URL for other machines; the output follows" in printed
    assert printed[-1] == "one"
    assert list((bench.there / "jobs").iterdir()) == []
    needs_input = await site.start("cat", backend="there", stdin=True)
    found = await site.state(needs_input)
    assert found["state"] == "failed"
    assert "set c.LogStream.public_url" in found["error"]
