"""A Jupyter server that starts takes over the store of the private server; readers and publishers move to it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.private_home import Home, JupyterInHome, new_home
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.serving import Server

SCRIPT = """
import logging, os, sys, threading, time
from jupyter_logstream import LogHandler, run
stop = sys.argv[1]
job = run(f"i=0; while [ ! -e {stop} ]; do i=$((i+1)); echo n $i; sleep 0.1; done")
handler = LogHandler("published")
log = logging.getLogger("published"); log.addHandler(handler); log.setLevel("INFO")
published = 0
def publish():
    global published
    while not os.path.exists(stop):
        published += 1
        log.info("p %d", published)
        time.sleep(0.1)
thread = threading.Thread(target=publish)
thread.start()
for record in job.follow():
    if record.source == "stdout":
        print(record.message, flush=True)
thread.join()
workload = handler.workload
handler.close()
workload.wait(60)
print(*[record.message for record in workload.logs()], sep="\\n")
print("published", published)
"""


RUNS = """
import os, sys
from jupyter_logstream import run
jobs = []
while not os.path.exists(sys.argv[1]):
    jobs.append(run(f"echo {len(jobs)}", name=str(len(jobs))))
for job in jobs:
    print(job.wait(60).state, job.name, job.text(), end="")
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    yield from new_home(tmp_path / "home")


@pytest.fixture
def jupyter(home: Home, tmp_path: Path) -> Iterator[Server]:
    server = JupyterInHome(tmp_path / "jupyter")
    server.home = home
    server.folder.mkdir()
    yield server
    server.stop()
    server.http.close()


def test_jupyter_takes_over_and_gives_back_while_lines_are_followed_and_published(home: Home, jupyter: Server) -> None:
    stop, out, err = (home.folder / name for name in ("stop", "out", "err"))

    def reads_on() -> None:
        before = len(out.read_text())
        until(lambda: len(out.read_text()) > before + 10)

    with out.open("wb") as stdout, err.open("wb") as stderr:
        command = [sys.executable, "-c", SCRIPT, str(stop)]
        reader = subprocess.Popen(command, env=home.env, stdout=stdout, stderr=stderr)
    reads_on()
    private = int(home.command("server", "status").stdout.split("process ")[1].split(",")[0])
    jupyter.start()
    until(lambda: not os.path.exists(f"/proc/{private}"))
    assert "Jupyter server serves" in home.command("server", "status").stdout
    until(lambda: len(jupyter.http.get(f"{jupyter.url}logstream/v1/workloads").json()["workloads"]) == 2)
    reads_on()
    jupyter.stop()
    until(lambda: home.command("server", "status").returncode == 0, 100)  # a request waits up to 20 s for a server
    reads_on()
    stop.touch()
    assert reader.wait(100) == 0, err.read_text()
    *lines, last = out.read_text().splitlines()
    followed, published = [[line for line in lines if line[0] == kind] for kind in "np"]
    assert last == f"published {len(published)}"
    assert followed == [f"n {i + 1}" for i in range(len(followed))]
    assert published == [f"p {i + 1}" for i in range(len(published))]
    assert err.read_text().count("was started") == 2  # at first, and when the Jupyter server was gone


def test_runs_during_a_takeover_start_once_each(home: Home, jupyter: Server) -> None:
    stop = home.folder / "stop"
    command = [sys.executable, "-c", RUNS, str(stop)]
    runner = subprocess.Popen(command, env=home.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until((home.store / "streams").exists)
    jupyter.start()
    until(lambda: "Jupyter server serves" in home.command("server", "status").stdout)
    jupyter.stop()
    until(lambda: home.command("server", "status").returncode == 0, 100)  # a request waits up to 20 s for a server
    stop.touch()
    out, err = runner.communicate(timeout=100)
    assert runner.returncode == 0, err
    count = len(out.splitlines())
    assert out == "".join(f"succeeded {number} {number}\n" for number in range(count))
    listed = home.python("from jupyter_logstream import workloads; print(len(workloads(limit=10**6)))")
    assert int(listed.stdout) == count
