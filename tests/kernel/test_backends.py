"""`run()` on a machine elsewhere: what is sent there, what a handle knows, a dry run, magics."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.paths import ROOT
from support.scripted_backend import Machine
from support.serving import Kernel, Server, jupyter
from support.waiting import until

from jupyter_logstream import run
from jupyter_logstream.kernel.errors import Rejected

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLACE = "JUPYTER_LOGSTREAM_SERVER"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return Machine(tmp_path_factory.mktemp("machine"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, machine: Machine) -> Iterator[Server]:
    prefix = ("env", f"PYTHONPATH={ROOT / 'tests'}")
    with jupyter(tmp_path_factory.mktemp("server"), options=(machine.config(),), prefix=prefix) as server:
        yield server


@pytest.fixture(scope="module")
def kernel(server: Server) -> Iterator[Kernel]:
    with server.kernel() as kernel:
        kernel.run("%load_ext jupyter_logstream")
        yield kernel


@pytest.fixture
def here(kernel: Kernel, tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make this process a client of the server, in a folder of its own."""
    machine.is_("up")
    monkeypatch.setenv(PLACE, kernel.json(f"__import__('os').environ['{PLACE}']"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_another_machine_gets_only_the_given_environment_and_directory(here: Path, machine: Machine) -> None:
    job = run("train", backend="gpu1", env={"LR": "0.1"}, files=["train.py", "src/"], options={"gpus": 2})
    (known,) = [known for workload_id, known in machine.calls("launch") if workload_id == job.id]
    assert known == {"files": ["train.py", "src/"], "files_from": str(here), "env": {"LR": "0.1"}}
    assert job.info["cwd"] == "~/work"
    assert run("train", backend="gpu1", cwd="~/other").info["cwd"] == "~/other"


def test_the_local_backend_gets_the_kernels_environment_and_directory(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY_OF_THE_KERNEL", "goes along")
    job = run('echo "$CANARY_OF_THE_KERNEL"; pwd', backend="local", files=["train.py"]).wait()
    assert job.text().splitlines() == ["goes along", str(here)]
    assert (job.backend, job.node, job.reason) == ("local", None, None)


@pytest.mark.usefixtures("here")
def test_a_handle_knows_backend_node_and_reason(machine: Machine) -> None:
    job = run("train", backend="gpu1")
    machine.report(job.id, "queued", reason="Pending: Resources")
    until(lambda: job.reason == "Pending: Resources")
    assert (job.backend, job.node, job.state) == ("gpu1", None, "queued")
    machine.report(job.id, "running", node="node17")
    until(lambda: job.node == "node17")
    machine.report(job.id, "lost", node="node17", reason="node17 failed")
    assert (job.wait().state, job.reason, job.error) == ("lost", "node17 failed", "node17 failed")


@pytest.mark.usefixtures("here")
def test_a_dry_run_prints_and_returns_the_script_and_starts_nothing(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    launched = len(machine.calls("launch"))
    plan = run("train", backend="gpu1", options={"gpus": 2}, env={"API_KEY": "canary-91"}, dry_run=True)
    assert plan == "#!/bin/sh\n#SBATCH --gpus=2\n# needs API_KEY\ncd ~/work\ntrain"
    assert capsys.readouterr().out == f"{plan}\n"
    assert len(machine.calls("launch")) == launched
    assert run(os.getpid, dry_run=True).endswith("-m jupyter_logstream.kernel.functions.child")


@pytest.mark.usefixtures("here")
def test_what_a_backend_does_not_support_is_named() -> None:
    with pytest.raises(Rejected, match="backend: must be one of external, gpu1, local"):
        run("train", backend="gpu9")
    with pytest.raises(Rejected, match=r"options\.gpu: is not supported by the backend 'gpu1': it supports gpus, time"):
        run("train", backend="gpu1", options={"gpu": 1})
    with pytest.raises(Rejected, match=r"files\[0\]: must be a path or glob below"):
        run("train", backend="gpu1", files=["../train.py"])
    with pytest.raises(TypeError, match="files must be a list"):
        run("train", backend="gpu1", files="train.py")


def test_the_magic_takes_backend_options_files_and_dry_run(kernel: Kernel, machine: Machine, tmp_path: Path) -> None:
    machine.is_("up")
    kernel.run(f"%cd {tmp_path}")
    options = "--backend gpu1 --option gpus=2 --option time=2:00:00 --files train.py,src/"
    kernel.run(f"%%workload {options} --as job\ntrain --fast")
    workload_id = kernel.json("job.id")
    (known,) = [known for launched, known in machine.calls("launch") if launched == workload_id]
    assert (known["files"], known["files_from"]) == (["train.py", "src/"], str(tmp_path))
    printed = kernel.run(f"%%workload {options} --dry-run --as planned\ntrain --fast")
    assert "#SBATCH --gpus=2\n#SBATCH --time=2:00:00\n" in printed
    assert kernel.json("'planned' in globals()") is False


def doctor(*arguments: str) -> tuple[int, list[str]]:
    """Exit code and output of the command line's doctor, in a process of its own."""
    command = [sys.executable, "-m", "jupyter_logstream", "backends", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, (done.stdout + done.stderr).splitlines()


@pytest.mark.usefixtures("here")
def test_the_doctor_tries_each_backend_says_what_to_do_and_lists_leftovers(machine: Machine) -> None:
    code, lines = doctor()
    assert (code, lines[0]) == (0, "gpu1: files, options:gpus, options:time, timeout, tty")
    code, lines = doctor("--check")
    assert (code, [line for line in lines if not line.startswith(" ")]) == (0, ["gpu1: works", "local: works"])
    assert lines[1:5] == [
        "  ok      connect by ssh: OpenSSH_9.2",
        "  ok      run Python: 3.11.2",
        "  left over, of no workload of this server (delete them there if no other server uses them):",
        "          ~/.cache/jupyter-logstream/01OLD",
    ]
    machine.is_("down")
    assert doctor("--check", "gpu1") == (
        1,
        [
            "gpu1: does not work",
            "  FAILED  connect by ssh: ssh: connect to host gpu1 port 22: Connection refused",
            "          check the entry in ~/.ssh/config",
        ],
    )
    assert doctor("--check", "local")[0] == 0
    assert doctor("--check", "gpu9") == (2, ["There is no backend 'gpu9'; the server has gpu1, local."])


def test_a_machine_that_refuses_or_cannot_be_reached_is_explained(here: Path, machine: Machine) -> None:
    machine.is_("refuses: Permission denied (publickey).")
    job = run("train", backend="gpu1")
    assert (job.wait().state, job.error) == ("failed", "Permission denied (publickey).")
    machine.is_("down")
    waiting = run("train", backend="gpu1", key=str(here))
    until(lambda: waiting.reason == "ssh: connect to host gpu1 port 22: Connection refused")
    assert (waiting.state, json.dumps(waiting.info["link"])[:18]) == ("queued", '{"state": "down", ')
    assert run("train", backend="gpu1", key=str(here)) == waiting
    machine.is_("up")
    until(lambda: waiting.id in [workload_id for workload_id, _ in machine.calls("launch")])
    until(lambda: waiting.info["link"] is None)
