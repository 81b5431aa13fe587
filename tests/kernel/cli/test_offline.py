"""Without a server, `ps` and `logs` read the stores of this user and write nothing."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
from support.cli import Cli, with_private_server
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ALL_BYTES = "import os; os.write(1, bytes(range(256)) * 3); os.write(2, b'err\\r\\n'); os.write(1, b'end')"
FORBIDDEN = {"JUPYTER_LOGSTREAM_PRIVATE": "0"}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """A home whose server has ended: with a workload of all bytes, a named one of 6000 lines, and one that runs."""
    for cli in with_private_server(tmp_path_factory.mktemp("stored") / "home"):
        fill(cli)
        cli.out("server", "stop")
        yield Cli(cli.home, extra=FORBIDDEN)


def fill(cli: Cli) -> None:
    """Start the workloads of the home."""
    cli("run", "--", sys.executable, "-c", ALL_BYTES)
    cli("run", "--name", "numbers", "--", "seq 6000; echo ERROR: last")
    job = cli.started("--name", "going", "--", "echo first; sleep 600")
    until(lambda: cli.out("logs", job) == "first\n")


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and modification time of every file that is not the runner's."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def test_ps_and_logs_show_what_is_stored_and_change_nothing(stored: Cli) -> None:
    before = snapshot(stored.home.store)
    infos = stored.json("ps", "--all")
    assert [(info["name"], info["state"], info["lines"]) for info in infos[:2]] == [
        ("going", "running", 1),
        ("numbers", "succeeded", 6001),
    ]
    assert [info["name"] for info in stored.json("ps")] == ["going"]
    whole = stored("logs", infos[2]["id"])
    assert (whole.stdout, whole.returncode) == (bytes(range(256)) * 3 + b"end", 0)
    assert b"no log server" in whole.stderr
    assert whole.stderr.endswith(b"err\r\n")
    assert stored.out("logs", "going") == "first\n"
    assert stored.out("logs", "numbers", "-n", "2") == "6000\nERROR: last\n"
    assert stored.out("logs", "numbers", "--after", "5998") == "5999\n6000\nERROR: last\n"
    assert stored.out("logs", "numbers", "--level", "error") == "ERROR: last\n"
    assert stored.out("logs", "numbers", "--grep", "/^59.9$/", "--tail", "1") == "5999\n"
    assert len(stored.json("logs", "numbers")) == 6001
    assert snapshot(stored.home.store) == before


def test_what_needs_a_server_is_refused_with_the_reason(stored: Cli) -> None:
    for arguments in (["logs", "-f", "going"], ["cancel", "going"], ["wait", "going"], ["rm", "numbers"]):
        refused = stored(*arguments)
        assert (refused.returncode, refused.stdout) == (69, b"")
        assert b"JUPYTER_LOGSTREAM_PRIVATE" in refused.stderr


def test_wrong_names_and_patterns_are_reported(stored: Cli) -> None:
    assert stored("logs", "missing").returncode == 1
    refused = stored("logs", "numbers", "--grep", "/(/")
    assert refused.returncode == 1
    assert b"Traceback" not in refused.stderr


def test_a_log_that_needs_a_repair_is_left_to_a_server(stored: Cli) -> None:
    job = next(info["id"] for info in stored.json("ps", "-a") if info["name"] == "numbers")
    index = stored.home.store / "streams" / job / "index.000"
    whole = index.read_bytes()
    os.truncate(index, len(whole) - 320)
    refused = stored("logs", job)
    index.write_bytes(whole)
    assert refused.returncode == 1
    assert b"server start" in refused.stderr
    assert b"Traceback" not in refused.stderr


def test_a_user_without_any_log_has_none(tmp_path: Path, stored: Cli) -> None:
    env = {**FORBIDDEN, "JUPYTER_DATA_DIR": str(tmp_path / "none")}
    done = stored("ps", "-a", "--json", **env)
    assert (done.returncode, done.stdout) == (0, b"")
    assert not (tmp_path / "none").exists()
