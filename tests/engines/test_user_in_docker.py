"""What a user gets in containers: `run()`, files, functions and their errors, a server that is killed."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.ray_server import use
from support.serving import Server
from support.waiting import until

from jupyter_logstream import run
from jupyter_logstream.kernel.errors import LogStreamError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.docker_daemon import Docker

pytestmark = pytest.mark.large


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, docker: Docker) -> Iterator[Server]:
    patch = pytest.MonkeyPatch()
    for name, value in docker.env.items():
        patch.setenv(name, value)
    entries = {
        "local": {"type": "local"},
        "box": docker.entry,
        "old": {**docker.entry, "python": "/no/python3"},
    }
    server = Server(
        tmp_path_factory.mktemp("server"), options=(f"--LogStream.backends={entries!r}", "--LogStream.cancel_grace=1")
    )
    try:
        server.start()
        yield server
    finally:
        server.end_workloads()
        server.stop()
        server.http.close()
        patch.undo()


@pytest.fixture
def here(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make this process a client of the server, in a folder of its own."""
    use(server, monkeypatch)
    monkeypatch.setenv("OF_THE_KERNEL", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_command_has_the_notebooks_folder_and_only_the_given_environment(here: Path) -> None:
    (here / "train.py").write_text(
        "import os, sys; print(os.environ['LR'], os.environ.get('OF_THE_KERNEL')); sys.exit(3)"
    )
    job = run(f"{sys.executable} train.py", backend="box", files=["*.py"], env={"LR": "0.1"}).wait(timeout=60)
    assert job.text().splitlines() == ["0.1 None"]
    assert (job.state, job.exit_code, job.backend) == ("failed", 3, "box")


def test_dry_run_prints_the_command_and_starts_nothing(here: Path, docker: Docker) -> None:
    plan = str(run("python train.py", backend="box", options={"gpus": 1}, dry_run=True))
    assert plan.startswith("docker run --name=ID")
    assert f"--volume={here}:{here}" in plan
    assert "--gpus=1" in plan
    assert docker.containers() == []


def test_function_runs_in_the_container_and_returns_its_result(here: Path) -> None:
    def scale(values: list[int], by: int) -> tuple[list[int], int]:
        print("scaling")  # noqa: T201 - its log
        return [value * by for value in values], os.getpid()

    job = run(partial(scale, [1, 2], by=3), backend="box")
    values, pid = job.result(timeout=60)
    assert values == [3, 6]
    assert pid < 50  # of a container's own processes
    assert job.text() == "scaling\n"


def test_exception_of_a_function_is_raised_here(here: Path) -> None:
    def fail() -> None:
        raise KeyError("of the container")

    with pytest.raises(KeyError, match="of the container"):
        run(fail, backend="box").result(timeout=60)


def test_function_in_an_image_without_its_python_has_a_clear_error(here: Path) -> None:
    job = run(partial(max, 1, 2), backend="old").wait(timeout=60)
    assert job.state == "failed"
    assert "/no/python3: command not found in the image" in str(job.error)
    with pytest.raises(LogStreamError):
        job.result()


def test_killed_server_finds_the_container_again(here: Path, server: Server) -> None:
    job = run("for i in $(seq 30); do echo $i; sleep 0.1; done; exit 4", backend="box")
    until(lambda: "5\n" in job.text())
    server.stop(signal.SIGKILL)
    server.start(server.port)
    job.wait(timeout=60)
    assert (job.state, job.exit_code) == ("failed", 4)
    assert job.text().split() == [str(number) for number in range(1, 31)]


def test_cancel_ends_a_program_that_ignores_term(here: Path, docker: Docker) -> None:
    job = run("trap '' TERM; echo up; while :; do sleep 1; done", backend="box")
    until(lambda: "up" in job.text())
    job.cancel()
    assert job.wait(timeout=60).state == "cancelled"
    assert docker.containers() == []


USER, GROUP = 12345, 23456
"""Of a user who is not root and has a second group."""


@pytest.fixture
def of_a_user(docker: Docker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server of a user who is not root, in a folder that the user can enter.

    Its processes may read everything, since Python can be in root's home folder; those in containers may not.
    """
    docker.open_to(GROUP)
    for name, value in docker.env.items():
        monkeypatch.setenv(name, value)
    capabilities = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override")
    identity = ("setpriv", f"--reuid={USER}", f"--regid={USER}", f"--groups={GROUP}", *capabilities)
    with tempfile.TemporaryDirectory(prefix="jls-user-") as made:
        folder = Path(made)
        os.chown(folder, USER, USER)
        monkeypatch.setenv("HOME", made)
        options = (f"--LogStream.backends={ {'local': {'type': 'local'}, 'box': docker.entry}!r}",)
        server = Server(folder, options=options, prefix=identity)
        try:
            server.start()
            yield server
        finally:
            server.end_workloads()
            server.stop()
            server.http.close()


def test_files_of_a_user_without_root_are_the_users_and_groups_count(
    of_a_user: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(of_a_user, monkeypatch)
    work = of_a_user.root / "work"
    (work / "shared").mkdir(parents=True)
    os.chown(work, USER, USER)
    os.chown(work / "shared", 0, GROUP)
    (work / "shared").chmod(0o770)
    monkeypatch.chdir(work)
    job = run("id -u; touch mine shared/ours; test -t 1 && echo terminal", backend="box").wait(timeout=60)
    assert (job.state, job.text().split()) == ("succeeded", [str(USER), "terminal"])
    assert [(work / name).stat().st_uid for name in ("mine", "shared/ours")] == [USER, USER]
    assert run(partial(os.getuid), backend="box").result(timeout=60) == USER
    checks = of_a_user.http.post(f"{of_a_user.url}logstream/v1/backends/box/check").json()
    assert checks["ok"], checks
