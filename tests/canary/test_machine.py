"""Faults that need the rights of root: a small disk that fills up, a disk that errs, a server out of descriptors.

Each is also tried without root, call by call (see docs/guarantees.md); here it is the real thing.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from support.canary.comparing import compare
from support.canary.flight import download, end, flying, folder_of, records, start
from support.running import alive, kill_runners, runners
from support.serving import jupyter
from support.waiting import until

from jupyter_logstream.store.disk.folder import Folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.serving import Server

pytestmark = pytest.mark.slow


may_mount = os.geteuid() == 0 and bool(shutil.which("mount"))
may_trace = os.geteuid() == 0 and bool(shutil.which("strace"))
TRACED = pytest.mark.skipif(not may_trace, reason="needs root and strace, which makes calls of a live process fail")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "data" / "logstream"
    place.mkdir(parents=True)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(place)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip(f"this root may not mount: {made.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.skipif(not may_mount, reason="needs root, to mount a disk of 8 MB")
def test_a_full_disk_makes_the_child_wait_and_loses_no_line(small_disk: Path, tmp_path: Path) -> None:
    try:
        with jupyter(tmp_path) as server:
            other = start(server, "echo a")
            end(server, other)
            with flying(server, rate=0, count=100_000, width=100, follow=False) as canary:  # 13 MB
                until(lambda: shutil.disk_usage(small_disk).free < 20_000, 60)
                time.sleep(1)
                stands = canary.info()["lines"]
                time.sleep(0.5)
                assert (canary.info()["state"], canary.info()["lines"]) == ("running", stands)
                assert [r["message"] for r in records(server, other)] == ["a"]
                refused = server.http.post(f"{server.url}logstream/v1/workloads", json={"command": "true"})
                assert refused.status_code in {201, 503}  # there may be room for so little
                subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
                canary.land(120)
            assert end(server, start(server, "echo b"))["state"] == "succeeded"
    finally:
        kill_runners(tmp_path)


@TRACED
@pytest.mark.parametrize(("error", "calls"), [("ENOSPC", "2..6"), ("EDQUOT", "3..5")])
def test_writes_that_fail_on_a_full_disk_are_repeated(server: Server, error: str, calls: str) -> None:
    with flying(server, rate=300) as canary:
        canary.wait_for_lines(100)
        with traced(server, canary.workload, f"write:error={error}:when={calls}"):
            canary.wait_for_lines(300)
        canary.land()


@TRACED
def test_an_io_error_makes_the_workload_lost_with_the_cause_and_all_earlier_output(server: Server) -> None:
    with flying(server, follow=False) as canary, flying(server, follow=False) as other:
        canary.wait_for_lines(200)
        runner = runners(Folder(folder_of(server, canary.workload)))[0]
        with traced(server, canary.workload, "write:error=EIO:when=3+"):
            until(lambda: not alive(runner), 30)
        info = end(server, canary.workload)
        assert (info["state"], info["exit_code"]) == ("lost", None)
        assert "Input/output error" in info["error"]
        canary.stream.end()
        found = [r["message"] for r in records(server, canary.workload)]
        assert found == canary.stream.lines
        assert compare(canary.run, len(found), found).faults == {}
        assert download(server, canary.workload).decode().splitlines() == found
        other.wait_for_lines(100)
        other.land()


@TRACED
def test_a_start_whose_fsync_fails_is_refused_with_the_cause_and_the_next_one_succeeds(server: Server) -> None:
    assert server.process
    before = server.get("info")["workloads"]
    command = ["strace", "-f", "-p", str(server.process.pid), "-e", "trace=fsync", "-e", "inject=fsync:error=EIO"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as tracer:
        assert tracer.stderr
        until(lambda: b"attached" in tracer.stderr.readline())
        for body in {"command": "true"}, {"backend": "external"}:
            refused = server.http.post(f"{server.url}logstream/v1/workloads", json=body)
            assert (refused.status_code, refused.json()["reason"]) == (503, "no_room")
            assert "Input/output error" in refused.json()["message"]
        tracer.terminate()
        tracer.communicate()
    assert server.get("info")["workloads"] == before
    assert end(server, start(server, "true"))["state"] == "succeeded"


class traced:  # noqa: N801 - it is used as a function
    """For the time of the block, calls of a workload's runner on its stdout file fail by strace's injection."""

    def __init__(self, server: Server, workload: str, inject: str) -> None:
        folder = folder_of(server, workload)
        runner = runners(Folder(folder))[0]
        what = inject.partition(":")[0]
        command = ["strace", "-f", "-p", str(runner), "-P", str(folder / "stdout.000"), "-e", f"trace={what}"]
        self.command = [*command, "-e", f"inject={inject}"]

    def __enter__(self) -> None:
        self.process = subprocess.Popen(self.command, stderr=subprocess.PIPE)
        assert self.process.stderr
        line = self.process.stderr.readline()
        assert b"attached" in line, line

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.communicate()


def test_a_server_without_descriptors_refuses_starts_serves_its_streams_and_recovers(server: Server) -> None:
    assert server.process
    pid = server.process.pid
    with flying(server, rate=200) as canary:
        canary.wait_for_lines(100)
        server.get("info")
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
        free = next(number for number in range(soft) if number not in used)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (free, hard))  # not one more, for longer than a read is tried
        try:
            refused = [
                server.http.post(f"{server.url}logstream/v1/workloads", json={"command": "true"}) for _ in range(3)
            ]
            assert {answer.status_code for answer in refused} <= {201, 503}
            assert 503 in {answer.status_code for answer in refused}
            assert all(set(a.json()) == {"message", "reason"} for a in refused if a.status_code == 503)
            time.sleep(2)
        finally:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
        assert end(server, start(server, "echo a"))["state"] == "succeeded"
        canary.land()
        assert "gap" not in canary.stream.events


def test_a_runner_without_memory_makes_its_workload_lost_and_no_other(server: Server) -> None:
    with flying(server, follow=False) as canary, flying(server, rate=0, width=4000, follow=False) as flood:
        flood.wait_for_lines(1)
        runner = runners(Folder(folder_of(server, flood.workload)))[0]
        status = json.loads((folder_of(server, flood.workload) / "status.json").read_text())
        resource.prlimit(runner, resource.RLIMIT_AS, (1 << 20, 1 << 20))
        lost = end(server, flood.workload)
        assert lost["state"] == "lost"
        until(lambda: not alive(status["pid"]))
        canary.wait_for_lines(100)
        canary.land()
