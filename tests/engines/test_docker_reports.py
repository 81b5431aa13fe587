"""What users read when containers cannot run: of real engines that lack something."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from jupyter_logstream.backends.protocol import CannotLaunch

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


async def test_missing_image_is_named_with_what_to_do(in_box, box):
    bench = in_box(image="localhost/no-such-image:1")
    run = await bench.run("true")
    assert run.status.state == "failed"
    assert "the image localhost/no-such-image:1 is not on this machine" in run.status.error
    assert f"{box.program} pull localhost/no-such-image:1" in run.status.error
    failed = [check for check in await bench.backend.check() if not check.ok]
    assert [check.what for check in failed] == ["the image localhost/no-such-image:1 is on this machine"]


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


async def test_socket_that_the_user_may_not_use_is_named_with_what_to_do(in_docker, docker, tmp_path):
    bench = in_docker(program=as_nobody(docker.path, tmp_path))
    run = await bench.run("true")
    assert run.status.state == "failed"
    assert "this user may not use docker's socket: join its group" in run.status.error
    (check,) = [check for check in await bench.backend.check() if not check.ok]
    assert "join its group" in check.found


def as_nobody(program: str, folder: Path) -> str:
    """A client that runs as another user."""
    client = folder / "bin" / "docker"
    client.parent.mkdir()
    client.write_text(f'#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups {program} "$@"\n')
    client.chmod(0o755)
    return str(client)


async def test_missing_program_is_named(in_docker):
    bench = in_docker(program="no-such-docker")
    with pytest.raises(CannotLaunch, match="is not installed here"):
        await bench.create("true").launch()
    found = [check for check in await bench.backend.check() if not check.ok]
    assert [check.what for check in found] == ["find no-such-docker"]
    assert "install it" in found[0].advice


async def test_doctor_tries_a_container_with_a_folder_and_a_terminal(in_box):
    checks = {check.what: check for check in await in_box().backend.check()}
    assert all(check.ok for check in checks.values())
    assert checks["mount a folder of this machine"].found.endswith("new files belong to user 0")
    assert checks["write to a terminal"].found == "yes"


@pytest.mark.large
async def test_doctor_names_an_image_without_a_shell(in_docker, docker, tmp_path):
    docker.command("import", "-", "logstream-empty:1", data=b"\0" * 10240)
    *_, last = await in_docker(image="logstream-empty:1", volumes=[]).backend.check()
    assert (last.ok, last.found) == (False, "/bin/sh: command not found in the image logstream-empty:1")


@pytest.mark.large
@pytest.mark.parametrize(
    ("files", "found"),
    [([], "it is empty there"), (["here"], "its pipes do not reach this machine")],
    ids=["other-machine", "virtual-machine"],
)
async def test_doctor_names_folders_that_the_engine_does_not_share(in_docker, docker, tmp_path, files, found):
    """The client mounts another folder, as an engine does that has its own copy of this machine's folders."""
    (tmp_path / "vm").mkdir()
    for name in files:
        (tmp_path / "vm" / name).write_text("seen\n")
        os.mkfifo(tmp_path / "vm" / "pipe")
    client = tmp_path / "bin" / "docker"
    client.parent.mkdir()
    edit = rf"s#^--volume=[^:]*/\.trial-[^:]*:#--volume={tmp_path}/vm:#"
    loop = f'for one; do new+=("$(sed -E \'{edit}\' <<<"$one")"); done'
    client.write_text(f'#!/bin/bash\n{loop}\nexec {docker.path} "${{new[@]}}"\n')
    client.chmod(0o755)
    failed = [check for check in await in_docker(program=str(client)).backend.check() if not check.ok]
    assert [check.what for check in failed] == ["mount a folder of this machine"]
    assert failed[0].found.endswith(found)
    assert "virtual machine" in failed[0].advice
