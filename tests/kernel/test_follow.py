"""`follow_file()` with a real server: relative paths, errors, a server that is killed while a file is followed."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.running import all_runners, kill_runners
from support.serving import Server, jupyter
from support.waiting import until

from jupyter_logstream import Rejected, attach, follow_file

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with jupyter(folder) as server:
        yield server
    kill_runners(folder)


@pytest.fixture
def here(server: Server, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make this process a client of `server`, in a folder of its own below the server's root."""
    monkeypatch.setenv("JUPYTER_LOGSTREAM_SERVER", str(server.address_file))
    folder = server.root / request.node.name
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_a_followed_file_is_a_workload_with_the_usual_methods(here: Path) -> None:
    (here / "old.log").write_text("".join(f"{n}\n" for n in range(10)))
    job = follow_file(Path("old.log"), name="training", tail=2, tags={"team": "vision"})
    until(lambda: job.lines == 2)
    (here / "old.log").open("a").write("ERROR epoch 3 loss=0.5\n")
    found = job.wait_for("epoch 3", timeout=30)
    assert (found.level, job.name, job.state) == ("error", "training", "running")
    assert job.text() == "8\n9\nERROR epoch 3 loss=0.5\n"
    assert job.info["tags"] == {"team": "vision"}
    assert job.cancel().wait(30).state == "cancelled"
    assert [record.message for record in attach(job.id).follow()] == ["8", "9", "ERROR epoch 3 loss=0.5"]


def test_several_paths_are_one_log_in_which_lines_name_their_file(here: Path) -> None:
    for name in "a", "b":
        (here / f"{name}.log").write_text(f"of {name}\n")
    job = follow_file(["a.log", str(here / "b.log")], key="both")
    until(lambda: job.lines == 4)
    assert [record.message for record in job.logs(step="a.log", source="stdout")] == ["of a"]
    assert follow_file(["a.log", "b.log"], key="both") == job


def test_wrong_arguments_are_named(here: Path) -> None:
    for path, problem in (
        ("/etc/hostname", r"follow.paths\[0\]: leads outside"),
        (".", r"follow.paths\[0\]: is a directory"),
        ([], "follow.paths: must be a list"),
    ):
        with pytest.raises(Rejected, match=problem):
            follow_file(path)
    with pytest.raises(Rejected, match=r"follow\.tail"):
        follow_file("a.log", tail=-1)


def test_lines_of_a_followed_file_survive_a_killed_server_and_a_rotation_meanwhile(server: Server, here: Path) -> None:
    job, other = follow_file("a.log"), follow_file("*.log")
    count = 0

    def write(lines: int) -> None:
        nonlocal count
        with (here / "a.log").open("a") as file:
            file.writelines(f"line {number}\n" for number in range(count, count + lines))
        count += lines
        until(lambda: not is_served or {len(one.logs(source="stdout")) for one in (job, other)} == {count})

    is_served = True
    write(1000)
    server.stop(signal.SIGKILL)
    is_served = False
    (runner,) = [pid for pid, path in all_runners() if path.endswith(other.id)]
    os.kill(runner, signal.SIGKILL)  # as by a restart of the machine
    write(500)
    os.rename(here / "a.log", here / "a.log.1")  # while no server runs
    write(500)
    server.start(server.port)
    is_served = True
    write(500)
    for one in job, other:
        assert [record.message for record in one.logs(source="stdout")] == [f"line {number}" for number in range(2500)]
        assert one.logs(source="system") == []
