"""Too many processes: a workload that makes as many as it can, and a user who may have no more.

Needs root, to be another user than that (root has no limit of processes) and to make a control group.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from support.canary.flight import FINAL, end, flying, start
from support.running import kill_runners
from support.serving import jupyter
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.serving import Server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv, to be a user with a limit"
    ),
]

BOMB = """
import os, time
while True:
    try:
        if os.fork() == 0 and os.getpid() % 3 == 0:
            os.setsid()  # no group of processes holds all of them
    except OSError:
        time.sleep(0.05)
"""


def other_user() -> tuple[int, tuple[str, ...]]:
    """An unused user, and the command that starts a program as that user, with root's permission to read."""
    uid = 40_000 + os.getpid() % 20_000
    caps = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override")
    return uid, ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *caps)


def tasks_of(uid: int) -> int:
    """Processes and threads of a user: what his limit counts."""
    found = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if folder.stat().st_uid == uid:
                found += len(os.listdir(folder / "task"))
    return found


class Bounded:
    """Where at most 200 processes may be. `enter`: a shell command that goes there; `count`: how many are."""

    def __init__(self, enter: str, count: Callable[[], int]) -> None:
        self.enter, self.count = enter, count


@pytest.fixture
def bounded() -> Iterator[Bounded]:
    """A control group; where none can be made, a user of that limit."""
    group = control_group()
    if group is None:
        uid, command = other_user()
        yield Bounded(f'set -- {" ".join(command)} prlimit --nproc=200 "$@"', lambda: tasks_of(uid))
        return
    processes = group / "cgroup.procs"
    yield Bounded(f"echo $$ > {processes}", lambda: len(processes.read_text().split()))
    until(lambda: not processes.read_text())
    group.rmdir()


def control_group() -> Path | None:
    """One of 200 processes; None if this machine does not allow it."""
    for root in Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup"):
        group = root / f"logstream-{uuid4().hex}"
        if (root / "cgroup.procs").exists():
            with contextlib.suppress(OSError):
                group.mkdir()
                try:
                    (group / "pids.max").write_text("200")
                except OSError:  # version 2, without this controller
                    group.rmdir()
                else:
                    return group
    return None


def test_a_fork_bomb_is_cancelled_with_its_whole_tree_and_the_server_answers_all_the_time(
    server: Server, bounded: Bounded
) -> None:
    with flying(server, rate=100, follow=False) as canary:
        script = f"""{bounded.enter}; exec "$@" """
        bomb = start(server, ["/bin/sh", "-c", script, "sh", sys.executable, "-S", "-c", BOMB], tty=False)
        until(lambda: bounded.count() > 190, 60)
        answers: list[float] = []
        over = threading.Event()

        def start_many() -> None:
            while not over.is_set():
                begun = time.monotonic()
                server.get("info")
                answers.append(time.monotonic() - begun)
                time.sleep(0.02)

        starting = threading.Thread(target=start_many)
        starting.start()
        try:
            canary.wait_for_lines(100)
            assert server.http.post(f"{server.url}logstream/v1/workloads/{bomb}/cancel").status_code == 202
            assert end(server, bomb)["state"] == "cancelled"
            until(lambda: bounded.count() == 0, 60)
        finally:
            over.set()
            starting.join()
        assert len(answers) > 5
        assert max(answers) < 10  # two hundred processes want the machine as well
        canary.land()


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[tuple[Server, int]]:
    """A server whose user has a limit of processes, and that user."""
    uid, prefix = other_user()
    (tmp_path / "root").mkdir()
    try:
        with jupyter(tmp_path, prefix=prefix) as server:
            yield server, uid
    finally:
        kill_runners(tmp_path)


def limit(server: Server, most: int) -> None:
    """Limit processes and threads of the server's user, as that user."""
    assert server.process
    command = [
        *server.prefix,
        "prlimit",
        f"--pid={server.process.pid}",
        f"--nproc={most if most >= 0 else 'unlimited'}:",
    ]
    subprocess.run(command, check=True)


def test_a_start_beyond_the_process_limit_is_refused_and_leaves_nothing_behind(limited: tuple[Server, int]) -> None:
    server, uid = limited
    assert server.process
    with flying(server, rate=100, follow=False, cwd="/") as canary:
        end(server, start(server, "true", cwd="/"))
        refused, made = [], []
        for spare in range(8):
            limit(server, tasks_of(uid) + spare)
            try:
                answer = server.http.post(f"{server.url}logstream/v1/workloads", json={"command": ["true"], "cwd": "/"})
            finally:
                limit(server, resource.getrlimit(resource.RLIMIT_NPROC)[0])
            assert answer.status_code in {201, 503}, answer.text
            (made if answer.status_code == 201 else refused).append(answer.json())
        assert refused, made
        assert all(set(answer) == {"message", "reason"} for answer in refused)
        assert all("temporarily unavailable" in answer["message"] for answer in refused), refused
        for workload in made:
            info = end(server, workload["id"])
            assert info["state"] == "succeeded" or "temporarily unavailable" in info["error"], info
        assert server.get("info")["workloads"] == len(made) + 2
        assert end(server, start(server, "true", cwd="/"))["state"] == "succeeded"
        canary.land()
    assert {workload["state"] for workload in server.get("workloads")["workloads"]} <= FINAL
    assert "Traceback" not in server.log
