"""Workloads in containers of real engines, with images of this machine's own."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from typing import TYPE_CHECKING

import pytest
from support.backend_contract import BackendContract
from support.container_images import bare_root
from support.docker_daemon import BARE
from support.image_registry import PROGRAM, image_registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.workbench import Workbench

pytestmark = pytest.mark.slow


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


async def test_no_container_is_left_and_the_users_folder_and_id_are_there(in_box, box, tmp_path):
    (tmp_path / "data.txt").write_text("from the notebook's folder\n")
    run = await in_box().run("cat data.txt; id -u; pwd; touch made; echo $TERM", env={"MORE": "two\nlines"})
    assert run.lines() == ["from the notebook's folder", "0", str(tmp_path), "xterm-256color"]
    assert (tmp_path / "made").exists()
    assert box.containers() == []


async def test_container_has_the_workloads_id_as_name_and_label_and_its_limits(in_box, box):
    run = await in_box().start("echo up; sleep 600", options={"memory": "64m", "cpus": 0.5})
    await run.waits_for_output("up")
    labels, memory = box.command(
        "inspect", "--format={{json .Config.Labels}} {{.HostConfig.Memory}}", run.id
    ).stdout.split()
    assert json.loads(labels)["jupyter-logstream"] == run.id
    assert memory == str(64 << 20)
    await run.cancel(0.2)
    assert (await run.end()).state == "cancelled"
    assert box.containers() == []


@pytest.mark.large
@pytest.mark.parametrize("tty", [True, False], ids=["terminal", "pipes"])
async def test_output_and_exit_code_come_from_an_image_without_python(in_box, tty):
    run = await in_box(image=BARE, volumes=[]).run("echo $0; echo err >&2; exit 3", tty=tty)
    assert (run.lines("stdout"), run.lines("stderr"), run.status.exit_code) == (["/bin/sh"], ["err"], 3)


@pytest.mark.large
async def test_image_that_is_missing_is_pulled_with_its_progress_in_the_log(in_box, box, tmp_path_factory):
    if shutil.which(PROGRAM) is None:
        pytest.skip(f"{PROGRAM} is not installed: pulling images is not tested")
    with image_registry(tmp_path_factory.mktemp("registry")) as address:
        image, insecure = f"{address}/bare:1", ["--tls-verify=false"] if box.program == "podman" else []
        box.command("tag", BARE, image)
        box.command("push", *insecure, image)
        box.command("rmi", "--no-prune" if box.program == "docker" else "--force", image)
        bench = in_box(image=image, volumes=[])
        run = await bench.run("echo ran", options={"args": insecure})
        assert run.lines("stdout") == ["ran"]
        assert any(image.rpartition(":")[0] in line for line in run.lines("stderr"))
        run = await bench.run("echo ran", options={"args": insecure, "image": f"{address}/none:1"})
        assert f"the image {address}/none:1 is not on this machine" in str(run.status.error)


@pytest.mark.large
@pytest.mark.parametrize("tty", [True, False], ids=["terminal", "pipes"])
async def test_program_that_the_image_lacks_is_named(in_box, tty):
    run = await in_box(image=BARE, volumes=[]).run(["python3", "-c", "1"], tty=tty)
    assert run.status.state == "failed"
    assert run.status.error == f"python3: command not found in the image {BARE}"


@pytest.mark.large
async def test_entry_point_of_an_image_comes_first_and_its_output_is_in_the_log(in_box, box):
    entry = ["/bin/sh", "-c", 'echo welcome; exec "$@"', "entry"]
    box.command("import", f"--change=ENTRYPOINT {json.dumps(entry)}", "-", "logstream-entry:1", data=bare_root())
    bench = in_box(image="logstream-entry:1", volumes=[])
    run = await bench.run("echo mine")
    assert (run.lines("stdout"), run.lines("stderr")) == (["mine"], ["welcome"])
    run = await bench.run("echo mine", options={"args": ["--entrypoint="]})
    assert run.lines() == ["mine"]


@pytest.mark.large
@pytest.mark.parametrize("tty", [True, False], ids=["terminal", "pipes"])
async def test_image_without_a_shell_runs_commands_that_are_lists(in_box, box, tmp_path, tty):
    box.command("import", "-", "logstream-empty:1", data=b"\0" * 10240)
    (tmp_path / "bin").mkdir()
    shutil.copy(str(shutil.which("busybox")), tmp_path / "bin" / "cat")
    bench = in_box(image="logstream-empty:1", volumes=[f"{tmp_path}/bin:/tools"])
    run = await bench.run(["/tools/cat", "/proc/self/cmdline"], tty=tty)
    assert (run.status.state, run.bytes("stdout")) == ("succeeded", b"/tools/cat\0/proc/self/cmdline\0")
    assert "the image logstream-empty:1 has no /bin/sh" in run.lines("stderr")[-1]
    run = await bench.run("cat", tty=tty)
    assert (run.status.state, run.status.exit_code) == ("failed", 127)
    assert run.status.error == "/bin/sh: command not found in the image logstream-empty:1"
    assert box.containers() == []


@pytest.mark.large
@pytest.mark.timeout(300)
async def test_exit_codes_that_stand_for_no_ending_signal_stay_exit_codes(in_docker):
    """147 would be STOP, 160 a signal that C libraries reserve."""
    bench = in_docker(image=BARE, volumes=[])
    for code in 145, 147, 148, 156, 160, 200, 255:
        run = await bench.run(f"exit {code}")
        assert (run.status.state, run.status.exit_code, run.status.signal) == ("failed", code, None)


@pytest.mark.large
async def test_variables_that_the_client_reads_are_the_containers_only(in_box):
    env = {"HOME": "/tmp", "DOCKER_HOST": "unix:///none", "CONTAINERS_CONF": "/none", "https_proxy": "http://none"}
    run = await in_box().run("echo $HOME $DOCKER_HOST $CONTAINERS_CONF $https_proxy", env=env)
    assert run.lines() == ["/tmp unix:///none /none http://none"]


async def test_values_of_the_environment_are_on_no_command_line_and_in_no_file_that_stays(in_box, box, tmp_path):
    """The client is recorded: a container is created too fast to be watched from outside."""
    client, seen = tmp_path / "bin" / box.program, tmp_path / "seen"
    client.parent.mkdir()
    client.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >>{seen}\nexec {box.path} "$@"\n')
    client.chmod(0o755)
    env = {"PLAIN": "value-of-the-tests", "HOME": "/home/of-the-tests"}
    run = await in_box(program=str(client)).run("echo $PLAIN $HOME", env=env)
    assert run.lines() == ["value-of-the-tests /home/of-the-tests"]
    assert "of-the-tests" not in seen.read_text()
    assert "--env=PLAIN" in seen.read_text().splitlines()
    assert not (run.folder.path / "container.env").exists()


@pytest.mark.large
async def test_user_that_may_not_open_the_terminal_writes_to_pipes(in_docker):
    run = await in_docker(user="65534:65534").run("id -u; test -t 1 || echo no terminal; echo err >&2; exit 3")
    assert run.lines("stdout") == ["65534", "no terminal"]
    assert run.lines("stderr") == ["this container cannot open the terminal: its output comes by pipes", "err"]
    assert run.status.exit_code == 3


@pytest.mark.large
async def test_input_of_a_program_with_a_terminal_waits_until_the_container_has_started(in_box):
    run = await in_box().start("cat; echo end", stdin=True)
    await run.running()
    await run.send(b"one\n", eof=True)
    assert (await run.end()).state == "succeeded"
    assert run.lines() == ["one", "end"]


@pytest.mark.large
async def test_out_of_memory_is_the_reason(in_box, box):
    """Podman does not report it where control groups have version 1."""
    code = "x = bytearray(200 << 20); print(len(x))"
    run = await in_box().run([sys.executable, "-c", code], options={"memory": "32m"})
    assert (run.status.state, run.status.signal) == ("failed", 9)
    known = "out of memory: the container reached its limit; raise the option memory"
    assert run.status.error in {
        known,
        *(["killed: from outside, or out of memory, whose limit is 32m"] if box.program == "podman" else []),
    }


@pytest.mark.large
async def test_volumes_and_further_arguments_reach_the_container(in_box, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_text("inside\n")
    options = {"volumes": [f"{tmp_path}/data:/data:ro"], "args": ["--hostname=of-the-tests", "--shm-size=8m"]}
    run = await in_box(image=BARE, volumes=[]).run("cat /data/file /etc/hostname; echo x >/data/made", options=options)
    assert run.lines("stdout") == ["inside", "of-the-tests"]
    assert "ead-only" in run.lines("stderr")[0]
