"""A killed and restarted Jupyter server: workloads continue, and every line exists once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.running import alive, kill_runners, memory
from support.serving import Server, jupyter
from support.waiting import until

FINAL = {"succeeded", "failed", "cancelled", "timed_out", "lost"}


@pytest.fixture
def jupyter_server(tmp_path: Path) -> Iterator[Server]:
    with jupyter(tmp_path) as server:
        yield server
        kill_runners(tmp_path)


def start(server: Server, command: Any, **spec: Any) -> str:
    response = server.http.post(f"{server.url}logstream/v1/workloads", json={"command": command, **spec})
    assert response.status_code in {200, 201}, response.text
    return str(response.json()["id"])


def end(server: Server, workload_id: str) -> dict[str, Any]:
    found: dict[str, Any] = until(
        lambda: (w := server.get(f"workloads/{workload_id}"))["state"] in FINAL and w, patience=60
    )
    return found


def lines(server: Server, workload_id: str) -> list[str]:
    found: list[str] = []
    after: int | None = 0
    while after is not None:
        page = server.get(f"workloads/{workload_id}/records", limit=5000, after=after)
        assert [r["seq"] for r in page["records"]] == list(range(after + 1, after + 1 + len(page["records"])))
        found += [r["message"] for r in page["records"]]
        after = page["next"]
    return found


def test_killed_server_loses_no_line(jupyter_server: Server) -> None:
    server = jupyter_server
    gate = server.folder / "gate"
    count = 3000
    waits = f"while [ ! -e {gate} ]; do sleep 0.01; done"
    command = f"for i in $(seq {count}); do echo line $i; [ $i = 2000 ] && {waits}; done; exit 0"
    ids = {tty: start(server, command, tty=tty, key=f"k{tty}") for tty in (True, False)}
    for workload_id in ids.values():
        until(lambda i=workload_id: len(server.get(f"workloads/{i}/records", limit=5000)["records"]) > 500)
    assert server.process
    server.stop(signal.SIGKILL)
    gate.touch()
    server.start()
    for tty, workload_id in ids.items():
        assert start(server, "another", key=f"k{tty}") == workload_id
        workload = end(server, workload_id)
        assert (workload["state"], workload["exit_code"], workload["lines"]) == ("succeeded", 0, count)
        assert lines(server, workload_id) == [f"line {i}" for i in range(1, count + 1)]
    assert server.get("info")["running"] == 0


def test_reader_resumes_at_its_cursor_across_a_restart(jupyter_server: Server) -> None:
    server = jupyter_server
    port = server.port
    workload_id = start(server, "for i in $(seq 500); do echo $i; sleep 0.005; done", tty=False)
    got: list[int] = []
    restarts = 0
    while True:
        at = got[-1] if got else 0
        params = {"stream": f"workload/{workload_id}@{at}"}
        done = False
        try:
            with server.http.stream("GET", f"{server.url}logstream/v1/events", params=params) as stream:
                for line in stream.iter_lines():
                    if line.startswith('data: {"stream"'):
                        data = json.loads(line[6:])
                        got += [r["seq"] for r in data.get("logs", [])]
                    done = done or line == "event: done"
                    if len(got) > 100 and not restarts:
                        restarts += 1
                        server.stop(signal.SIGKILL)
                        server.start(port)
        except httpx.TransportError:
            if not restarts:
                raise
        if done:
            break
    assert restarts == 1
    assert got == list(range(1, 501))


def test_workload_that_ended_while_the_server_was_down_is_reported(jupyter_server: Server) -> None:
    server = jupyter_server
    gate = server.folder / "gate"
    workload_id = start(server, f"echo a; while [ ! -e {gate} ]; do sleep 0.01; done; echo b; exit 7")
    until(lambda: lines(server, workload_id) == ["a"])
    server.stop(signal.SIGTERM)
    gate.touch()
    until(lambda: any('"failed"' in path.read_text() for path in server.folder.rglob("status.json")))
    server.start()
    workload = end(server, workload_id)
    assert (workload["state"], workload["exit_code"], lines(server, workload_id)) == ("failed", 7, ["a", "b"])


def test_stopping_the_server_does_not_wait_for_open_streams(jupyter_server: Server) -> None:
    server = jupyter_server
    workload_id = start(server, "echo a; sleep 600")
    until(lambda: lines(server, workload_id) == ["a"])
    readers = [server.http.stream("GET", f"{server.url}logstream/v1/workloads/{workload_id}/logs") for _ in range(5)]
    opened = [reader.__enter__() for reader in readers]
    process = server.process
    assert process
    process.send_signal(signal.SIGTERM)
    process.wait(10)
    for stream in opened:
        stream.close()
    server.start()
    assert server.get(f"workloads/{workload_id}")["state"] == "running"
    assert server.http.post(f"{server.url}logstream/v1/workloads/{workload_id}/cancel").status_code == 202
    assert end(server, workload_id)["state"] == "cancelled"


def test_a_second_server_of_the_same_user_has_a_store_of_its_own(jupyter_server: Server) -> None:
    first = jupyter_server
    second = Server(first.folder)
    try:
        second.start()
        a, b = start(first, "echo a"), start(second, "echo b")
        assert [w["id"] for w in first.get("workloads")["workloads"]] == [a]
        assert [w["id"] for w in second.get("workloads")["workloads"]] == [b]
    finally:
        second.stop()


def test_unread_flood_leaves_memory_flat_and_responses_quick(jupyter_server: Server) -> None:
    server = jupyter_server
    assert server.process
    start(server, "true")
    before = memory(server.process.pid, "VmRSS")
    workload_id = start(server, "yes 'a line of about fifty bytes, again and again' | head -c 100000000", tty=False)
    assert end(server, workload_id)["bytes"] == 100_000_000
    assert memory(server.process.pid, "VmRSS") - before < 40 * 1024 * 1024


def test_file_beside_the_script_does_not_shadow_the_standard_library(jupyter_server: Server) -> None:
    server = jupyter_server
    for name in "json", "os", "re", "select", "socket":
        (server.root / f"{name}.py").write_text("raise SystemExit('shadowed')")
    workload_id = start(server, "echo a")
    assert end(server, workload_id)["state"] == "succeeded"


def test_killing_the_servers_process_group_leaves_workloads_running(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.start()
    try:
        assert server.process
        workload_id = start(server, "echo a; sleep 600")
        until(lambda: lines(server, workload_id) == ["a"])
        pid = json.loads(next(tmp_path.glob(f"data/logstream/*/streams/{workload_id}/status.json")).read_text())["pid"]
        below = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(server.process.pid)], capture_output=True, check=False
        )
        assert str(pid) not in below.stdout.decode().split()
        server.stop(signal.SIGKILL)
        assert alive(pid)
        assert os.getsid(pid) == pid
    finally:
        server.stop()
        kill_runners(tmp_path)
