"""The first process of a container keeps it until the server has the log, for a bounded time, and reports the end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest
from support.process_table import kill_with_argument
from support.waiting import until

from jupyter_logstream.model.workload import WorkloadSpec
from jupyter_logstream.runner.hold import LINGER_S
from jupyter_logstream.store.disk.folder import Folder, RunParameters
from jupyter_logstream.wire.delivery import Order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOLD = """
import sys
from pathlib import Path
from jupyter_logstream.runner import hold
hold.LINGER_S, hold._TERMINATION_LOG = float(sys.argv[3]), Path(sys.argv[4])
sys.exit(hold.hold(*sys.argv[1:3]))
"""
Hold = subprocess.Popen[bytes]


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Callable[..., Hold]]:
    """`hold(command, linger_s=...)`: the process that keeps a container, for a workload with the id A."""

    def start(command: str | list[str] | None, *, linger_s: float = LINGER_S) -> Hold:
        box = tmp_path / "package"
        box.mkdir()
        (box / "id").write_text("A")
        if command is not None:
            spec = WorkloadSpec(command, "test", env={"PATH": os.environ["PATH"]}, tty=False)
            order = Order("start", "A", spec=spec.to_json(), run=asdict(RunParameters(grace_s=0.2)))
            (box / "order.json").write_text(json.dumps(order.to_json()))
        paths = [str(box), str(tmp_path / "root"), str(linger_s), str(tmp_path / "termination-log")]
        return subprocess.Popen([sys.executable, "-c", HOLD, *paths])

    yield start
    kill_with_argument(str(tmp_path))


def folder_in(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "root" / "jobs" / "A")


def has_ended(folder: Folder) -> bool:
    return folder.path.is_dir() and folder.read_status()[0].final


def end_left(tmp_path: Path) -> dict[str, object]:
    return dict(json.loads((tmp_path / "termination-log").read_text()))


def test_container_stays_after_the_end_until_the_server_deletes_the_folder(
    hold: Callable[..., Hold], tmp_path: Path
) -> None:
    assert LINGER_S == 600
    process = hold("exit 3")
    until(lambda: has_ended(folder_in(tmp_path)))
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    shutil.rmtree(folder_in(tmp_path).path)
    assert process.wait(30) == 0
    assert not (tmp_path / "termination-log").exists()


def test_container_ends_without_a_server_and_leaves_the_final_state(hold: Callable[..., Hold], tmp_path: Path) -> None:
    assert hold("exit 3", linger_s=0.3).wait(30) == 0
    assert end_left(tmp_path) == {"state": "failed", "exit_code": 3, "reason": ""}


def test_reason_of_a_command_that_is_not_found_is_left_too(hold: Callable[..., Hold], tmp_path: Path) -> None:
    hold(["no-such-program-of-the-tests"], linger_s=0.3).wait(30)
    assert "command not found" in str(end_left(tmp_path)["reason"])


def test_container_waits_for_the_end_however_long_it_takes(hold: Callable[..., Hold], tmp_path: Path) -> None:
    hold("sleep 2; exit 4", linger_s=0.3).wait(30)
    assert end_left(tmp_path)["exit_code"] == 4


def test_container_that_the_engine_ends_cancels_its_workload(hold: Callable[..., Hold], tmp_path: Path) -> None:
    process = hold("sleep 600")
    until(lambda: folder_in(tmp_path).path.is_dir() and folder_in(tmp_path).read_status()[0].state == "running")
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    assert end_left(tmp_path)["state"] == "cancelled"


def test_container_that_the_engine_ends_while_the_workload_starts_cancels_it(
    hold: Callable[..., Hold], tmp_path: Path
) -> None:
    process = hold("sleep 600")
    until((tmp_path / "root" / "held").exists)
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    assert end_left(tmp_path)["state"] == "cancelled"


def test_container_that_no_server_delivers_a_workload_to_ends(hold: Callable[..., Hold], tmp_path: Path) -> None:
    assert hold(None, linger_s=0.3).wait(30) == 0
    assert not (tmp_path / "termination-log").exists()
