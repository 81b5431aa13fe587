"""What the docker backend passes to its engine and how it reads the engine's errors, without an engine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_logstream.backends.configured import make_backends
from jupyter_logstream.backends.context import BackendContext
from jupyter_logstream.backends.docker.options import create_arguments, image_of, user_arguments
from jupyter_logstream.model.spec import SpecError
from jupyter_logstream.model.workload import WorkloadSpec
from jupyter_logstream.wire.container_client import is_podman, problem, removal

if TYPE_CHECKING:
    from pathlib import Path


def backend(root: Path, **entry: Any) -> Any:
    backends, problems = make_backends({"box": {"type": "docker", **entry}}, BackendContext(root, root))
    assert not problems, problems
    return backends["box"]


def test_options_are_arguments_of_docker_and_of_podman() -> None:
    options = {"gpus": 2, "memory": "8g", "cpus": 1.5, "network": "host", "args": ["--shm-size=8g"]}
    common = ["--memory=8g", "--cpus=1.5", "--network=host", "--shm-size=8g"]
    assert create_arguments(options, {}, is_podman=False) == ["--gpus=2", *common]
    devices = ["--device=nvidia.com/gpu=0", "--device=nvidia.com/gpu=1"]
    assert create_arguments(options, {}, is_podman=True) == [*devices, *common]


@pytest.mark.parametrize(
    ("gpus", "docker", "podman"),
    [
        ("all", ["--gpus=all"], ["--device=nvidia.com/gpu=all"]),
        ("device=0,2", ['--gpus="device=0,2"'], ["--device=nvidia.com/gpu=0", "--device=nvidia.com/gpu=2"]),
        (0, [], []),
    ],
    ids=["all", "devices", "none"],
)
def test_gpus_are_passed_as_each_engine_takes_them(gpus: int | str, docker: list[str], podman: list[str]) -> None:
    assert create_arguments({"gpus": gpus}, {}, is_podman=False) == docker
    assert create_arguments({"gpus": gpus}, {}, is_podman=True) == podman


def test_a_workloads_option_replaces_the_backends() -> None:
    defaults = {"image": "python:3.12", "gpus": "all", "memory": "8g", "args": ["--shm-size=8g"]}
    options = {"gpus": 0, "memory": None, "image": "busybox", "args": ["--hostname=x"]}
    assert create_arguments(options, defaults, is_podman=False) == ["--shm-size=8g", "--hostname=x"]
    assert image_of(options, defaults) == "busybox"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"args": ["--name=x"]}, "options.args"),
        ({"args": ["-dit"]}, "options.args"),
        ({"args": ["ls"]}, "options.args"),
        ({"args": "--privileged"}, "options.args"),
        ({"image": "--privileged"}, "options.image"),
        ({"image": ""}, "options.image"),
        ({"volumes": ["data"]}, "options.volumes"),
        ({"memory": True}, "options.memory"),
        ({"memory": "8g\n--privileged"}, "options.memory"),
        ({"gpus": -1}, "options.gpus"),
    ],
    ids=["name", "detached", "command", "text", "option-as-image", "no-image", "volume", "type", "two-lines", "gpus"],
)
def test_options_that_would_hide_the_container_are_refused(tmp_path: Path, options: dict[str, Any], field: str) -> None:
    spec = WorkloadSpec(command="true", name="x", backend="box", options=options)
    with pytest.raises(SpecError) as refused:
        backend(tmp_path, image="python:3.12").resolve(spec)
    assert refused.value.field == field


def test_files_belong_to_the_user_and_the_users_groups_come_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getegid", lambda: 1000)
    monkeypatch.setattr(os, "getgroups", lambda: [1000, 4321, 27])
    groups = ["--group-add=27", "--group-add=4321"]
    assert user_arguments({}, {}, is_podman=False) == ["--user=1000:1000", *groups]
    assert user_arguments({}, {}, is_podman=True) == ["--userns=keep-id", "--user=1000:1000"]
    assert user_arguments({"user": "0"}, {}, is_podman=True) == ["--user=0"]
    assert user_arguments({"user": ""}, {"user": "0"}, is_podman=False) == []


def test_plan_is_the_command_without_values_of_the_environment(tmp_path: Path) -> None:
    box = backend(tmp_path, image="python:3.12", network="host", user="0:0")
    options = {"gpus": "all", "args": ["--shm-size=1g"]}
    spec = WorkloadSpec(command="echo x", name="x", backend="box", env={"KEY": "s3cret-value"}, options=options)
    assert box.plan(box.resolve(spec)) == (
        "docker run --name=ID --label=jupyter-logstream=ID --log-driver=json-file --log-opt=max-size=1m "
        f"--volume={tmp_path}:{tmp_path} --workdir={tmp_path} --init --user=0:0 --network=host --gpus=all "
        "--shm-size=1g python:3.12 /bin/sh -c 'echo x'"
    )


@pytest.mark.parametrize("cwd", ["/", "with:colon"], ids=["root", "colon"])
def test_directory_that_cannot_be_mounted_is_refused(tmp_path: Path, cwd: str) -> None:
    (tmp_path / "with:colon").mkdir()
    with pytest.raises(SpecError, match="cannot be mounted"):
        backend(tmp_path, image="x").resolve(WorkloadSpec(command="true", name="x", backend="box", cwd=cwd))


def test_files_outside_of_the_mounted_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "work")
    box = backend(tmp_path, image="x")
    given = {"command": "true", "name": "x", "backend": "box", "files": ("*.py",)}
    box.resolve(WorkloadSpec(**given, cwd="link", files_from=f"{tmp_path}/work"))
    with pytest.raises(SpecError, match="must be below the folder that is mounted"):
        box.resolve(WorkloadSpec(**given, cwd="work", files_from=f"{tmp_path}"))


SOCKET = "unix:///var/run/docker.sock"
REPORTS = {
    "no daemon": (f"Cannot connect to the Docker daemon at {SOCKET}. Is the docker daemon running?", "start it"),
    "no daemon, Docker 29": (
        (
            f"failed to connect to the docker API at {SOCKET}; check if the path is correct and if the daemon is "
            "running: dial unix /var/run/docker.sock: connect: no such file or directory"
        ),
        "start it",
    ),
    "forbidden": (
        (
            f'permission denied while trying to connect to the Docker daemon socket at {SOCKET}: Get "http://x/_ping": '
            "dial unix /var/run/docker.sock: connect: permission denied"
        ),
        "join its group",
    ),
    "forbidden, Docker 29": (
        f"permission denied while trying to connect to the docker API at {SOCKET}",
        "join its group",
    ),
    "lost": ('error during connect: Post "http://%2Fsock/v1.41/containers/x/start": EOF', "start it"),
    "no registry": (
        (
            "Unable to find image 'x:1' locally\ndocker: Error response from daemon: Get \"https://registry/v2/\": "
            "dial tcp: lookup registry: no such host.\nSee 'docker run --help'."
        ),
        "try: docker pull x:1 (Get",
    ),
    "no repository": (
        "Error response from daemon: pull access denied for x, repository does not exist or may require 'docker login'",
        "the image x:1 is not on this machine",
    ),
    "no gpu": (
        'Error response from daemon: could not select device driver "" with capabilities: [[gpu]].',
        "NVIDIA Container Toolkit",
    ),
    "no command": (
        'OCI runtime create failed: exec: "tool": executable file not found in $PATH: unknown',
        "tool: command not found in the image x:1",
    ),
    "not executable": (
        'OCI runtime create failed: exec: "tool": permission denied: unknown',
        "tool: cannot be executed in the image x:1",
    ),
    "other": ("Error response from daemon: invalid mount config", "docker: invalid mount config"),
    "none": ("", "docker failed without a message"),
}


@pytest.mark.parametrize("report", REPORTS)
def test_an_error_of_the_engine_is_a_sentence_with_what_to_do(report: str) -> None:
    text, sentence = REPORTS[report]
    assert sentence in problem(text, "docker", "x:1", "tool")


def test_podman_kills_a_container_before_it_removes_it() -> None:
    assert [command[1] for command in removal("/usr/bin/podman", "ID")] == ["kill", "rm", "rm"]
    assert [command[1] for command in removal("docker", "ID")] == ["rm"]
    assert not is_podman("/opt/podman/docker")
