"""Workloads in containers of a real Docker daemon, with an image of this machine's own."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.backend_contract import BackendContract
from support.docker_daemon import BARE, Docker, Podman, can_run, engine
from support.process_table import kill_with_argument
from support.workbench import Workbench

from jupyter_logstream.backends.configured import make_backends
from jupyter_logstream.backends.protocol import CannotLaunch
from jupyter_logstream.model.spec import SpecError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jupyter_logstream.backends.context import BackendContext
    from jupyter_logstream.backends.protocol import Backend

pytestmark = pytest.mark.slow


def _engine(kind: type[Docker]) -> Iterator[Docker]:
    if problem := can_run(kind.program):
        pytest.skip(f"{kind.program} cannot run here: {problem}")
    try:
        with engine(kind) as found:
            yield found
    except RuntimeError as error:
        pytest.skip(f"{kind.program} cannot run here: {str(error).strip().splitlines()[-1]}")


@pytest.fixture(scope="module")
def docker() -> Iterator[Docker]:
    """A Docker daemon with two images."""
    yield from _engine(Docker)


@pytest.fixture(scope="module")
def podman() -> Iterator[Docker]:
    """Podman with the same."""
    yield from _engine(Podman)


def _benches(
    engine: Docker, root: Path, loop: asyncio.AbstractEventLoop, patch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Workbench]]:
    made: list[Workbench] = []
    for name, value in engine.env.items():
        patch.setenv(name, value)

    def start(**settings: Any) -> Workbench:
        def make(context: BackendContext) -> Backend:
            backends, problems = make_backends({"box": {**engine.entry, **settings}}, context)
            assert not problems, problems
            return backends["box"]

        made.append(Workbench(root, make))
        return made[-1]

    yield start
    for bench in made:
        loop.run_until_complete(bench.close())
    kill_with_argument(str(root))
    engine.end_containers()
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def in_docker(
    docker: Docker, tmp_path: Path, jp_asyncio_loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Workbench]]:
    """`in_docker(image=...)`: a bench of a backend with that daemon."""
    yield from _benches(docker, tmp_path, jp_asyncio_loop, monkeypatch)


@pytest.fixture
def in_podman(
    podman: Docker, tmp_path: Path, jp_asyncio_loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Workbench]]:
    """The same with podman."""
    yield from _benches(podman, tmp_path, jp_asyncio_loop, monkeypatch)


class ContainerContract(BackendContract):
    """The same tests; a container ends with its command."""

    async def test_output_of_descendants_after_the_end_is_kept(self, bench: Workbench) -> None:
        """None live on: the engine ends them with the container, and nothing waits for their output."""
        run = await bench.run("echo before; (sleep 600; echo late) &", tty=False)
        await asyncio.wait_for(run.complete(), 60)
        assert run.lines() == ["before"]


class TestInDocker(ContainerContract):
    """In containers of Docker."""

    @pytest.fixture
    def bench(self, in_docker: Callable[..., Workbench]) -> Workbench:
        return in_docker()


@pytest.mark.large
class TestInPodman(ContainerContract):
    """In containers of podman."""

    @pytest.fixture
    def bench(self, in_podman: Callable[..., Workbench]) -> Workbench:
        return in_podman()


async def test_no_container_is_left_and_the_users_folder_and_id_are_there(in_docker, docker, tmp_path):
    (tmp_path / "data.txt").write_text("from the notebook's folder\n")
    run = await in_docker().run("cat data.txt; id -u; pwd; touch made; echo $TERM", env={"MORE": "two\nlines"})
    assert run.lines() == ["from the notebook's folder", "0", str(tmp_path), "xterm-256color"]
    assert (tmp_path / "made").exists()
    assert docker.containers() == []


async def test_container_has_the_workloads_id_as_name_and_label_and_its_limits(in_docker, docker):
    run = await in_docker().start("echo up; sleep 600", options={"memory": "64m", "cpus": 0.5})
    await run.waits_for_output("up")
    shown = docker.command("inspect", "--format={{json .Config.Labels}} {{.HostConfig.Memory}}", run.id).stdout
    assert shown.split() == [f'{{"jupyter-logstream":"{run.id}"}}', str(64 << 20)]
    await run.cancel(0.2)
    assert (await run.end()).state == "cancelled"
    assert docker.containers() == []


async def test_variables_that_the_client_reads_are_the_containers_only(in_docker):
    run = await in_docker().run("echo $HOME $DOCKER_HOST", env={"HOME": "/tmp", "DOCKER_HOST": "unix:///none"})
    assert run.lines() == ["/tmp unix:///none"]


async def test_out_of_memory_is_the_reason(in_docker):
    code = "x = bytearray(200 << 20); print(len(x))"
    run = await in_docker().run([sys.executable, "-c", code], options={"memory": "32m"})
    assert (run.status.state, run.status.signal) == ("failed", 9)
    assert "out of memory" in run.status.error


@pytest.mark.parametrize("tty", [True, False])
async def test_image_without_python_runs_commands_and_says_what_is_missing(in_docker, tty):
    bench = in_docker(image=BARE, volumes=[])
    run = await bench.run("echo $0; echo err >&2; exit 3", tty=tty)
    assert (run.lines("stdout"), run.lines("stderr"), run.status.exit_code) == (["/bin/sh"], ["err"], 3)
    run = await bench.run(["python3", "-c", "1"], tty=tty)
    assert run.status.error == f"python3: command not found in the image {BARE}"


async def test_missing_image_is_named_with_what_to_do(in_docker, docker):
    run = await in_docker(image="no-such-image:1").run("true")
    assert run.status.state == "failed"
    assert "the image no-such-image:1 is not on this machine" in run.status.error
    assert "docker pull no-such-image:1" in run.status.error


async def test_daemon_that_does_not_answer_is_named_with_what_to_do(in_docker, monkeypatch, tmp_path):
    bench = in_docker()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    await bench.restart()  # a server that was started with it
    run = await bench.run("true")
    assert run.status.state == "failed"
    assert "daemon does not answer: start it" in run.status.error
    checks = await bench.backend.check()
    assert (checks[-1].ok, checks[-1].what) == (False, "docker's engine answers")
    assert "start it" in checks[-1].found


async def test_missing_program_is_named(in_docker):
    bench = in_docker(program="no-such-docker")
    run = bench.create("true")
    with pytest.raises(CannotLaunch, match="is not installed here"):
        await run.launch()
    found = [check for check in await bench.backend.check() if not check.ok]
    assert [check.what for check in found] == ["find no-such-docker"]


async def test_doctor_tries_a_container(in_docker):
    checks = await in_docker().backend.check()
    assert all(check.ok for check in checks)
    assert [check.found for check in checks][-1] == "0"


async def test_container_that_is_killed_or_removed_from_outside_has_failed(in_docker, docker):
    bench = in_docker()
    for action in ("kill", "rm"):
        run = await bench.start("echo up; sleep 600")
        await run.waits_for_output("up")
        docker.command(action, *(["--force"] if action == "rm" else []), run.id)
        status = await run.end()
        assert (status.state, status.signal) == ("failed", 9)
        assert status.error in {"ended by signal SIGKILL", "the container was removed while it ran"}


async def test_container_of_a_killed_runner_is_found_after_a_restart_and_removed(in_docker, docker):
    bench = in_docker()
    run = await bench.start("echo up; sleep 600")
    await run.waits_for_output("up")
    await bench.restart()
    os.kill(run.runner, signal.SIGKILL)
    assert await bench.backend.leftovers([]) == [f"container {run.id}"]
    assert (await run.end()).state == "lost"
    assert docker.containers() == []


async def test_killed_daemon_loses_no_line_and_no_exit_code(in_docker, docker):
    run = await in_docker().start("for i in $(seq 40); do echo line $i; sleep 0.1; done; exit 5")
    await run.waits_for_output("line 3")
    docker.kill()
    await run.waits_for_output("line 20")
    docker.start()
    status = await run.end()
    assert (status.state, status.exit_code) == ("failed", 5)
    assert run.lines("stdout") == [f"line {i}" for i in range(1, 41)]


async def test_options_that_would_hide_the_container_are_refused(in_docker):
    backend = in_docker()
    for options, field in (
        ({"args": ["--name=x"]}, "options.args"),
        ({"args": ["ls"]}, "options.args"),
        ({"image": "--privileged"}, "options.image"),
        ({"volumes": ["data"]}, "options.volumes"),
        ({"memory": True}, "options.memory"),
    ):
        with pytest.raises(SpecError) as refused:
            backend.create("true", options=options)
        assert refused.value.field == field


async def test_plan_is_the_command_without_values_of_the_environment(in_docker, tmp_path):
    bench = in_docker(image=BARE, volumes=[], network="host")
    run = bench.create("echo x", env={"KEY": "s3cret-value"}, options={"gpus": "all", "args": ["--shm-size=1g"]})
    plan = bench.backend.plan(run.spec)
    assert plan == (
        f"docker run --name=ID --label=jupyter-logstream=ID --log-driver=none --volume={tmp_path}:{tmp_path} "
        f"--workdir={tmp_path} --init --user=0:0 --network=host --gpus=all --shm-size=1g {BARE} /bin/sh -c 'echo x'"
    )
