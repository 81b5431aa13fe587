"""What a user gets over ssh: `run()` from a kernel, the handle, a lost connection, the command line's doctor."""

from __future__ import annotations

import subprocess
import sys
import venv
from functools import partial
from typing import TYPE_CHECKING

import pytest
from support.process_table import kill_with_argument
from support.serving import Server, jupyter
from support.waiting import until

from jupyter_logstream import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.sshd import Sshd

PLACE = "JUPYTER_LOGSTREAM_SERVER"


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the backend on that machine."""
    return tmp_path_factory.mktemp("there")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, gpu1: Sshd, there: Path) -> Iterator[Server]:
    entry = {"type": "ssh", "host": "gpu1", "folder": str(there), "ssh_options": gpu1.options, "python": sys.executable}
    bare = {**entry, "python": f"{there}/bare/bin/python"}  # without packages
    venv.create(there / "bare", symlinks=True)
    option = f"--LogStream.backends={ {'local': {'type': 'local'}, 'gpu1': entry, 'bare': bare}!r}"
    with jupyter(tmp_path_factory.mktemp("server"), options=(option,)) as server:
        yield server
    kill_with_argument(str(there))


@pytest.fixture
def here(server: Server, gpu1: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make this process a client of the server, in a folder of its own; the machine can be reached."""
    gpu1.ensure_running()
    (address,) = server.folder.glob("data/logstream/*/server.json")
    monkeypatch.setenv(PLACE, str(address))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_run_on_another_machine_has_the_same_handle_log_and_result(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_OF_THE_KERNEL", "stays")
    (here / "train.py").write_text("import os; print(os.environ.get('CANARY_OF_THE_KERNEL'), os.environ['LR'])")
    job = run(f"{sys.executable} train.py", backend="gpu1", files=["*.py"], env={"LR": "0.1"}).wait()
    assert (job.text().splitlines(), job.state, job.backend) == (["None 0.1"], "succeeded", "gpu1")
    assert job.node
    assert run(partial(max, 3, 4), backend="gpu1").result(timeout=60) == 4


@pytest.mark.usefixtures("here")
def test_a_dry_run_over_ssh_shows_what_runs_there(capsys: pytest.CaptureFixture[str]) -> None:
    plan = run("python train.py", backend="gpu1", cwd="~/work", env={"TOKEN": "canary-55"}, dry_run=True)
    assert "python train.py" in plan
    assert "canary-55" not in plan
    assert plan in capsys.readouterr().out


@pytest.mark.usefixtures("here")
def test_a_lost_connection_is_reported_and_a_cancel_meanwhile_takes_effect(gpu1: Sshd) -> None:
    job = run("echo begin; sleep 600", backend="gpu1")
    until(lambda: "begin" in job.text())
    gpu1.stop()
    until(lambda: job.info["link"] is not None)
    job.cancel()
    assert (job.state, job.info["link"]["cancel_pending"]) == ("running", True)
    gpu1.start()
    assert job.wait(timeout=60).state == "cancelled"
    assert job.info["link"] is None


def doctor() -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "jupyter_logstream", "backends", "--check", "gpu1"],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.usefixtures("here")
def test_the_doctor_checks_the_machine_and_lists_what_is_left_there(gpu1: Sshd, there: Path) -> None:
    (there / "jobs" / "01LEFTBYANOTHERSERVER00000").mkdir(parents=True, mode=0o700)
    code, text = doctor()
    assert (code, text.splitlines()[0]) == (0, "gpu1: works"), text
    assert "01LEFTBYANOTHERSERVER00000" in text
    gpu1.stop()
    code, text = doctor()
    assert (code, text.splitlines()[0]) == (1, "gpu1: does not work"), text
    assert "Connection refused" in text
    assert "make `ssh gpu1 true` work" in text


@pytest.mark.usefixtures("here")
def test_function_has_steps_prints_and_its_exception_there() -> None:
    def train(lr: float) -> float:
        from jupyter_logstream import step  # noqa: PLC0415 - of the machine that it runs on

        with step("fit"):
            print("lr", lr)  # noqa: T201 - its output is the test
        return 1 / lr

    job = run(partial(train, 0.5), backend="gpu1")
    assert job.result(timeout=60) == 2.0
    assert "lr 0.5" in job.text().splitlines()
    assert [one["name"] for one in job.info["steps"]] == ["fit"]
    with pytest.raises(ZeroDivisionError):
        run(partial(train, 0), backend="gpu1").result(timeout=60)


PUBLISHING = """
import logging, os
from jupyter_logstream import LogHandler, capture, step

log = logging.getLogger("train")
log.setLevel("INFO")
handler = LogHandler("train")
log.addHandler(handler)
print("begin")
with step("fit"):
    log.warning("loss is %.1f", 0.3, extra={"epoch": 3})
    with capture("fit"):
        print("epoch 1")
for i in range(1000):
    log.info("record %d", i)
log.info("key %s", os.environ["MY_API_KEY"])
"""


def test_what_a_script_publishes_there_arrives_once_in_the_log_of_its_run(here: Path, server: Server) -> None:
    (here / "train.py").write_text(PUBLISHING)
    before = server.get("info")["workloads"]
    env = {"MY_API_KEY": "tk-live-0123456789abcdef", "JUPYTER_DATA_DIR": str(here / "data")}
    job = run(f"{sys.executable} train.py", backend="gpu1", files=["train.py"], env=env).wait(timeout=60)
    assert job.state == "succeeded", job.text()
    found = job.logs()
    texts = [record.message for record in found]
    assert [text for text in texts if text.startswith("record")] == [f"record {i}" for i in range(1000)]
    for once in "begin", "loss is 0.3", "epoch 1", "key ***":
        assert texts.count(once) == 1, once
    warning, captured = found[texts.index("loss is 0.3")], found[texts.index("epoch 1")]
    assert (warning.level, warning.source, warning.step) == ("warn", "log", "fit")
    assert warning.fields is not None
    assert (warning.fields["logger"], warning.fields["epoch"]) == ("train", 3)
    assert (captured.source, captured.step) == ("log", "fit")
    assert [one["name"] for one in job.info["steps"]] == ["fit"]
    assert server.get("info")["workloads"] == before + 1
    assert not (here / "data").exists()  # no private server was started there


@pytest.mark.usefixtures("here")
def test_a_function_publishes_there_if_the_package_is_installed() -> None:
    def train() -> str:
        import logging  # noqa: PLC0415 - of the machine that it runs on

        from jupyter_logstream import LogHandler, capture  # noqa: PLC0415 - as above

        with LogHandler() as handler, capture():
            logging.Logger("train").addHandler(handler)  # noqa: LOG001 - its own
            handler.handle(logging.makeLogRecord({"msg": "published", "levelno": 40, "name": "train"}))
            print("captured")  # noqa: T201 - its output is the test
        return handler.workload.id

    job = run(train, backend="gpu1")
    assert job.result(timeout=60) == job.id
    found = [(r.message, r.level, r.source) for r in job.logs()]
    assert sorted(found) == [("captured", "unknown", "log"), ("published", "error", "log")]  # of two senders


@pytest.mark.usefixtures("here")
def test_function_needs_no_package_there() -> None:
    assert run(partial(max, 3, 4), backend="bare").result(timeout=60) == 4
