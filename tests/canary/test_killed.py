"""Real processes are killed or stopped while a canary runs: no line is lost, doubled or out of order.

Processes: the server, the runner, both, the child, a reader. Every test ends with the comparison of all lines.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest
from support.canary.comparing import compare
from support.canary.flight import Stream, download, end, flying, folder_of, records, start
from support.running import alive, runners
from support.waiting import until

from jupyter_logstream.store.disk.folder import Folder

if TYPE_CHECKING:
    from support.canary.flight import Canary
    from support.serving import Server

pytestmark = pytest.mark.slow


def runner_of(server: Server, workload: str) -> int:
    return until(lambda: runners(Folder(folder_of(server, workload))))[0]


def child_of(server: Server, workload: str) -> int:
    status = folder_of(server, workload) / "status.json"
    until(status.exists)
    return int(json.loads(status.read_text())["pid"])


def wait_for_lines(count: int, *canaries: Canary) -> None:
    """Wait until the stream of each canary has received `count` more lines."""
    wanted = {canary: len(canary.stream.lines) + count for canary in canaries}
    until(lambda: all(len(canary.stream.lines) >= least for canary, least in wanted.items()), 60)


def test_readers_of_a_server_that_is_killed_twice_lose_no_line(server: Server) -> None:
    port = server.port
    with flying(server) as canary, flying(server, tty=True) as other:
        pids = [child_of(server, it.workload) for it in (canary, other)]
        for _ in range(2):
            wait_for_lines(300, canary, other)
            server.stop(signal.SIGKILL)
            time.sleep(0.2)
            server.start(port)
        wait_for_lines(300, canary, other)  # each stream has resumed after each kill
        assert [child_of(server, it.workload) for it in (canary, other)] == pids
        assert canary.info()["state"] == "running"
        for it in canary, other:
            it.land()
            assert "reset" not in it.stream.events
            assert "gap" not in it.stream.events


def test_streams_of_a_server_that_is_terminated_end_without_done_and_resume(server: Server) -> None:
    port = server.port
    with flying(server, rate=200, follow=False) as canary:
        readers = [Stream(server, canary.workload) for _ in range(100)]
        until(lambda: all(reader.lines for reader in readers), 60)
        assert server.process
        server.process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        server.process.wait(20)
        assert time.monotonic() - begun < 10
        assert not any(reader.done for reader in readers)
        server.start(port)
        canary.wait_for_lines(200)
        canary.land()
        for reader in readers:
            reader.end()
            assert compare(canary.run, canary.sent(), reader.lines).faults == {}


def test_a_killed_runner_makes_its_workload_lost_and_loses_no_line_that_it_had_read(server: Server) -> None:
    with flying(server, follow=False) as canary, flying(server, follow=False) as other:
        canary.wait_for_lines(500)
        child, runner = child_of(server, canary.workload), runner_of(server, canary.workload)
        os.kill(runner, signal.SIGKILL)
        info = end(server, canary.workload, 10)
        assert (info["state"], info["exit_code"]) == ("lost", None)
        assert info["error"]
        until(lambda: not alive(child))
        canary.stream.end()
        found = [r["message"] for r in records(server, canary.workload)]
        verdict = compare(canary.run, len(found), found)
        assert (verdict.faults, canary.stream.lines) == ({}, found)
        assert download(server, canary.workload).decode().splitlines() == found
        other.wait_for_lines(100)
        other.land()


def test_a_server_and_a_runner_killed_together_leave_a_store_that_opens(server: Server) -> None:
    port = server.port
    with flying(server, follow=False) as lost, flying(server) as lives:
        lost.wait_for_lines(300)
        assert server.process
        for pid in runner_of(server, lost.workload), server.process.pid:
            os.kill(pid, signal.SIGKILL)
        server.process.wait(10)
        server.start(port)
        info = end(server, lost.workload)
        assert (info["state"], info["exit_code"]) == ("lost", None)
        lost.stream.end()
        assert compare(lost.run, info["lines"], lost.stream.lines).faults == {}
        assert compare(lost.run, info["lines"], [r["message"] for r in records(server, lost.workload)]).faults == {}
        lives.wait_for_lines(300)
        lives.land()


def test_a_killed_child_has_its_signal_and_every_line_that_it_wrote(server: Server) -> None:
    with flying(server) as canary:
        canary.wait_for_lines(300)
        os.kill(child_of(server, canary.workload), signal.SIGKILL)
        info = end(server, canary.workload)
        assert (info["state"], info["signal"], info["exit_code"]) == ("failed", 9, None)
        canary.stream.end()
        assert canary.stream.done is not None
        assert info.items() <= canary.stream.done.items()
        assert compare(canary.run, info["lines"], canary.stream.lines).faults == {}
    half = start(server, "printf abc; kill -9 $$")
    assert end(server, half)["signal"] == 9
    assert [r["message"] for r in records(server, half)] == ["abc"]
    assert download(server, half) == b"abc"


def test_a_stopped_server_blocks_no_child_and_loses_no_line(server: Server) -> None:
    with flying(server, rate=0, count=100_000, width=100) as canary:
        canary.wait_for_lines(1)
        assert server.process
        os.kill(server.process.pid, signal.SIGSTOP)
        try:
            assert canary.sent() == 100_000  # 13 MB: it waits for no reader
        finally:
            os.kill(server.process.pid, signal.SIGCONT)
        canary.land()


def test_a_stopped_reader_continues_at_its_cursor(server: Server) -> None:
    with flying(server, rate=2000) as canary:
        canary.wait_for_lines(100)
        follower = canary._follower
        assert follower is not None
        follower.send_signal(signal.SIGSTOP)
        canary.wait_for_lines(4000)
        follower.send_signal(signal.SIGCONT)
        canary.land()


def test_a_flood_beside_the_canary_loses_none_of_its_lines(server: Server) -> None:
    flood = start(server, "yes 'a flood of lines, each of them of about sixty bytes or so, without any end'", tty=False)
    with flying(server, rate=200) as canary:
        canary.wait_for_lines(1000)
        answers = [seconds(server) for _ in range(20)]
        assert server.http.post(f"{server.url}logstream/v1/workloads/{flood}/cancel").status_code == 202
        canary.land()
    assert end(server, flood)["state"] == "cancelled"
    assert sorted(answers)[10] < 1  # the server has a hundred things to do beside reading a flood: none


def seconds(server: Server) -> float:
    begun = time.perf_counter()
    server.get("info")
    return time.perf_counter() - begun


def test_a_thousand_short_lived_readers_leave_nothing_and_do_not_affect_the_canary(server: Server) -> None:
    assert server.process
    files = f"/proc/{server.process.pid}/fd"
    with flying(server, follow=False) as canary:
        canary.wait_for_lines(100)
        before = len(os.listdir(files))

        def come_and_go() -> None:
            for _ in range(100):
                with server.http.stream("GET", f"{server.url}logstream/v1/workloads/{canary.workload}/logs") as answer:
                    next(answer.iter_raw())

        crowd = [threading.Thread(target=come_and_go) for _ in range(10)]
        for one in crowd:
            one.start()
        for one in crowd:
            one.join()
        until(lambda: server.get("info")["connections"] == 1)
        until(lambda: len(os.listdir(files)) <= before + 12)  # connections that the crowd's client keeps
        canary.land()
