"""A script that finds no server starts a private one, which later scripts share and which ends by itself."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.private_home import Home, JupyterInHome, new_home
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HI = "from jupyter_logstream import run; print(run('echo hi').wait().text(), end='')"
RUN_AND_PRINT_ID = "from jupyter_logstream import run; print(run('sleep 600').id)"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    yield from new_home(tmp_path / "home")


def test_the_first_script_starts_a_server_and_the_second_one_shares_it(home: Home) -> None:
    first = home.python(HI)
    assert (first.stdout, first.returncode) == ("hi\n", 0), first.stderr
    assert len(first.stderr.splitlines()) == 1
    assert "server stop" in first.stderr
    second = home.python(HI)
    assert (second.stdout, second.stderr, second.returncode) == ("hi\n", "", 0)
    stopped = home.command("server", "stop")
    assert (stopped.returncode, stopped.stderr) == (0, "")
    assert home.command("server", "status").returncode == 3


def test_scripts_that_start_at_once_share_one_server(home: Home) -> None:
    command = [sys.executable, "-c", HI]
    started = [
        subprocess.Popen(command, env=home.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    outputs = [process.communicate(timeout=100) for process in started]
    assert [out for out, _ in outputs] == ["hi\n"] * 3, outputs
    assert sum("was started" in err for _, err in outputs) == 1
    assert sorted(path.name for path in home.store.parent.glob("[0-9]*")) == ["1"]


def test_files_and_socket_are_closed_to_other_users(home: Home) -> None:
    assert home.command("server", "start").returncode == 0
    folder = home.runtime / "jupyter-logstream"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = [*folder.iterdir(), home.store / "server.json"]
    assert len(files) == 3
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files)


def test_workload_outlives_a_killed_server_and_the_next_call_starts_another(home: Home) -> None:
    job = home.python(RUN_AND_PRINT_ID).stdout.strip()
    pid = int(home.command("server", "status").stdout.split("process ")[1].split(",")[0])
    os.kill(pid, 9)
    again = home.python(f"from jupyter_logstream import attach; print(attach({job!r}).state)")
    assert (again.stdout, again.returncode) == ("running\n", 0), again.stderr
    assert "was started" in again.stderr


def test_server_ends_by_itself_when_it_is_not_used(home: Home) -> None:
    assert home.python(HI, JUPYTER_LOGSTREAM_IDLE_S="1").stdout == "hi\n"
    until(lambda: home.command("server", "status").returncode == 3)
    assert not list((home.runtime / "jupyter-logstream").glob("*.sock"))


def test_opting_out_raises_no_server(home: Home) -> None:
    refused = home.python(HI, JUPYTER_LOGSTREAM_PRIVATE="0")
    assert refused.returncode == 1
    assert "NoServer" in refused.stderr
    assert "JUPYTER_LOGSTREAM_PRIVATE forbids" in refused.stderr
    assert not home.store.exists()


def test_the_error_quotes_the_server_that_cannot_start(home: Home) -> None:
    home.store.mkdir(parents=True)
    (home.store / "layout").write_text("99\n")
    failed = home.python(HI)
    assert failed.returncode == 1
    assert "has layout 99" in failed.stderr.splitlines()[-1]
    assert "NoServer" in failed.stderr


def test_a_folder_that_cannot_be_written_is_named(home: Home) -> None:
    (home.folder / "file").write_text("")
    failed = home.python(HI, JUPYTER_DATA_DIR=str(home.folder / "file" / "data"))
    assert failed.returncode == 1
    assert "Not a directory" in failed.stderr.splitlines()[-1]
    assert "JUPYTER_DATA_DIR" in failed.stderr.splitlines()[-1]


def test_a_missing_jupyter_server_is_quoted(home: Home) -> None:
    hidden = home.folder / "hidden"
    hidden.mkdir()
    (hidden / "jupyter_server.py").write_text("raise ImportError('no jupyter_server here')")
    failed = home.python(HI, PYTHONPATH=str(hidden))
    assert failed.returncode == 1
    assert "no jupyter_server here" in failed.stderr
    assert "NoServer" in failed.stderr


def test_daemonic_and_forked_processes_start_and_use_it(home: Home) -> None:
    forking = """
import multiprocessing, os
from jupyter_logstream import run
def child(): print(run('echo hi').wait().text(), end='', flush=True)
daemon = multiprocessing.get_context('fork').Process(target=child, daemon=True)
daemon.start(); daemon.join()
child()
if os.fork() == 0:
    child(); os._exit(0)
os.wait()
"""
    done = home.python(forking)
    assert (done.stdout, done.returncode) == ("hi\nhi\nhi\n", 0), done.stderr
    assert done.stderr.count("was started") == 1


def test_socket_path_stays_short_where_the_runtime_folder_is_long(home: Home) -> None:
    long = home.folder / ("x" * 100)
    long.mkdir(mode=0o700)
    try:
        assert home.python(HI, XDG_RUNTIME_DIR=str(long)).stdout == "hi\n"
        assert "/tmp/jupyter-logstream-" in home.command("server", "status").stdout
    finally:
        home.command("server", "stop")


def test_kernel_without_the_environment_finds_the_jupyter_server_that_started_it(home: Home, tmp_path: Path) -> None:
    server = JupyterInHome(tmp_path / "jupyter")
    server.home = home
    server.folder.mkdir()
    try:
        server.start()
        assert server.process is not None
        script = "from jupyter_logstream.kernel.discovery import find_server; print(find_server().url)"
        found = home.python(script, JPY_PARENT_PID=str(server.process.pid), JUPYTER_LOGSTREAM_PRIVATE="0")
        assert f":{server.port}" in found.stdout, found.stderr
        other = home.python(script, JPY_PARENT_PID="1", JUPYTER_LOGSTREAM_PRIVATE="0")
        assert "NoServer" in other.stderr
    finally:
        server.stop()
        server.http.close()
