"""A store whose disk becomes read-only: what was kept is read, what is new is refused with the cause, and it recovers.

Needs root, to mount. Nothing can be remounted read-only while a file on it is open for writing (it is busy). So the
whole store is remounted while no server runs, and under a running one the folder of the logs, when none is written.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from support.canary.comparing import compare
from support.canary.flight import Stream, download, end, flying, records, start
from support.running import kill_runners
from support.serving import jupyter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.serving import Server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("mount"), reason="needs root, to mount a disk and to make it read-only"
    ),
]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """The store's place: a mount of its own, onto itself."""
    place = tmp_path / "data" / "logstream"
    place.mkdir(parents=True)
    made = subprocess.run(["mount", "--bind", str(place), str(place)], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"this root may not mount: {made.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def remount(place: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,bind,{how}", str(place)], check=True)


def test_a_disk_that_becomes_read_only_refuses_changes_serves_its_logs_and_recovers(disk: Path, tmp_path: Path) -> None:
    with jupyter(tmp_path) as server:
        ended = start(server, "seq 1 1000")
        end(server, ended)
        streams = disk / "1" / "streams"
        subprocess.run(["mount", "--bind", str(streams), str(streams)], check=True)
        try:
            remount(streams, "ro")
            assert_refuses_and_serves(server, ended)
            remount(streams, "rw")
            assert_takes(server, ended)
        finally:
            subprocess.run(["umount", "-l", str(streams)], check=True)
    assert "Traceback" not in server.log


def test_a_server_that_finds_its_disk_read_only_refuses_changes_serves_its_logs_and_recovers(
    disk: Path, tmp_path: Path
) -> None:
    try:
        with jupyter(tmp_path) as server, flying(server, follow=False) as canary:
            ended = start(server, "seq 1 1000")
            end(server, ended)
            canary.wait_for_lines(100)
            canary.stop()
            canary.stream.end()
            server.stop()
            remount(disk, "ro")
            server.start(server.port)
            assert_refuses_and_serves(server, ended)
            assert (
                compare(canary.run, canary.sent(), [r["message"] for r in records(server, canary.workload)]).faults
                == {}
            )
            remount(disk, "rw")
            assert_takes(server, ended)
        assert "Traceback" not in server.log
    finally:
        kill_runners(tmp_path)


def assert_refuses_and_serves(server: Server, ended: str) -> None:
    """What would change something is refused, with the cause and without a path; what is there is read."""
    url = f"{server.url}logstream/v1/workloads"
    answers = [
        *(
            server.http.post(url, json=body)
            for body in ({"command": "true"}, {"backend": "external"}, {"again": ended})
        ),
        server.http.delete(f"{url}/{ended}"),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["reason"]) == (503, "no_room"), answer.text
        assert "Read-only" in answer.json()["message"]
        assert str(server.folder) not in answer.text
    stream = Stream(server, ended)
    stream.end()
    assert stream.lines == [r["message"] for r in records(server, ended)] == [str(i) for i in range(1, 1001)]
    assert download(server, ended).decode().split() == stream.lines


def assert_takes(server: Server, ended: str) -> None:
    """Starts and deletes again."""
    other = start(server, "echo b")
    assert end(server, other)["state"] == "succeeded"
    assert [r["message"] for r in records(server, other)] == ["b"]
    assert server.http.delete(f"{server.url}logstream/v1/workloads/{ended}").status_code == 204
