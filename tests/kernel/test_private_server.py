"""A script that finds no server starts a private one, which later scripts share and which ends by itself."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.private_home import Home, new_home
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
