"""What a user gets on a real Ray cluster: `run()`, files, functions, input, cancel, options, a restarted server."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import httpx
import pytest
from support.process_table import with_argument
from support.ray_server import ray_server, use
from support.waiting import until
from support.wheels import build_wheel

from jupyter_logstream import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.ray_cluster import RayCluster
    from support.serving import Server

pytestmark = [pytest.mark.ray, pytest.mark.large]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, ray: RayCluster) -> Iterator[Server]:
    with ray_server(tmp_path_factory.mktemp("server"), ray) as server:
        yield server


@pytest.fixture
def here(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make this process a client of the server, in a folder of its own."""
    use(server, monkeypatch)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def over_in_ray(ray: RayCluster, job_id: str) -> str:
    """The final status of a job in Ray."""
    return str(until(lambda: (s := ray.job(job_id)["status"]) not in {"PENDING", "RUNNING"} and s))


def test_command_with_files_has_its_log_exit_code_and_node(here: Path, ray: RayCluster) -> None:
    (here / "train.py").write_text("import os, sys; print(os.environ['LR'], sorted(os.listdir())); sys.exit(3)")
    (here / "data").mkdir()
    (here / "data" / "a.txt").write_text("x")
    job = run(f"{sys.executable} train.py", backend="ray", files=["*.py", "data"], env={"LR": "0.1"}).wait(timeout=60)
    assert job.text().splitlines() == ["0.1 ['.jupyter-logstream', 'data', 'train.py']"]
    assert (job.state, job.exit_code, job.backend) == ("failed", 3, "ray")
    assert job.node
    assert over_in_ray(ray, job.id) == "FAILED"
    assert ray.job(job.id)["driver_exit_code"] == 3


@pytest.mark.usefixtures("here")
def test_function_returns_its_result_and_raises_its_exception() -> None:
    def train(lr: float) -> float:
        print("lr", lr)  # noqa: T201 - its output is the test
        return 1 / lr

    job = run(partial(train, 0.5), backend="ray")
    assert job.result(timeout=60) == 2.0
    assert "lr 0.5" in job.text().splitlines()
    with pytest.raises(ZeroDivisionError):
        run(partial(train, 0), backend="ray").result(timeout=60)


def test_program_of_ray_uses_the_cluster_and_imports_the_files_in_its_tasks(here: Path, ray: RayCluster) -> None:
    (here / "model.py").write_text("def square(x): return x * x")
    (here / "main.py").write_text(
        "import ray, model\nray.init(log_to_driver=False)\n"
        "@ray.remote\ndef task(x):\n    import model\n    return model.square(x)\n"
        "print(sum(ray.get([task.remote(x) for x in range(4)])))\n"
    )
    job = run([ray.python, "main.py"], backend="ray", files=["*.py"], tty=False).wait(timeout=100)
    assert (job.state, job.text().splitlines()[-1]) == ("succeeded", "14"), job.text()


def test_packages_and_variables_of_the_runtime_environment_are_there_for_commands_and_tasks(
    here: Path, ray: RayCluster
) -> None:
    wheel = build_wheel(here, "wheel_of_the_tests", "VALUE = 42")
    (here / "main.py").write_text(
        "import os, ray, wheel_of_the_tests\nray.init(log_to_driver=False)\n"
        "@ray.remote\ndef task():\n    import os, wheel_of_the_tests\n"
        "    return wheel_of_the_tests.VALUE, os.environ.get('SHOWN'), os.environ.get('HIDDEN')\n"
        "print(os.environ['SHOWN'], os.environ['HIDDEN'], ray.get(task.remote()))\n"
    )
    options = {"pip": {"packages": [str(wheel)], "pip_check": False}, "env_vars": {"SHOWN": "a"}}
    job = run(["python", "main.py"], backend="ray", files=["*.py"], env={"HIDDEN": "b"}, options=options, tty=False)
    job.wait(timeout=200)
    assert (job.state, job.text().splitlines()[-1:]) == ("succeeded", ["a b (42, 'a', None)"]), (job.text(), job.error)
    assert "SHOWN" in ray.job(job.id)["runtime_env"]["env_vars"]


@pytest.mark.usefixtures("here")
def test_input_arrives_and_cancel_ends_the_whole_tree(ray: RayCluster) -> None:
    job = run("read x; echo got $x; sleep 4714.5 & sh -c 'trap \"\" TERM; sleep 4714.5'", backend="ray", stdin=True)
    until(lambda: job.state == "running")
    job.send("in\n")
    until(lambda: "got in" in job.text())
    job.cancel()
    assert job.wait(timeout=60).state == "cancelled"
    until(lambda: with_argument("sleep 4714.5") == [])
    assert over_in_ray(ray, job.id) in {"FAILED", "STOPPED"}


@pytest.mark.usefixtures("here")
def test_job_that_a_user_stops_in_ray_is_cancelled_with_its_whole_log(ray: RayCluster) -> None:
    job = run("trap 'echo bye; exit 1' TERM; echo up; while :; do sleep 0.1; done", backend="ray")
    until(lambda: "up" in job.text())
    httpx.post(f"{ray.address}/api/jobs/{job.id}/stop", trust_env=False, timeout=30)
    assert job.wait(timeout=60).state == "cancelled"
    assert "bye" in job.text().splitlines()


@pytest.mark.usefixtures("here")
def test_job_that_waits_for_resources_shows_ray_s_reason_and_can_be_cancelled(ray: RayCluster) -> None:
    job = run("echo never", backend="ray", options={"resources": {"no-such-thing": 1}, "num_cpus": 0.5})
    until(lambda: "waiting for resources" in (job.info["reason"] or ""))
    assert job.state == "queued"
    job.cancel()
    assert job.wait(timeout=60).state == "cancelled"
    ran = run("echo beside", backend="ray", options={"num_cpus": 4}).wait(timeout=60)
    assert ran.state == "succeeded"


@pytest.mark.usefixtures("here")
def test_environment_and_token_are_shown_neither_by_ray_nor_by_the_plan(ray: RayCluster, server: Server) -> None:
    env = {"TOKEN_OF_THE_TESTS": "canary-5555"}
    plan = run("train", backend="ray", env=env, options={"num_gpus": 1, "memory": 1 << 30}, dry_run=True)
    shown = json.loads(plan.partition("\n")[2].partition("\n#")[0])
    assert (shown["entrypoint_num_gpus"], shown["entrypoint_memory"]) == (1, 1 << 30)
    job = run("echo $TOKEN_OF_THE_TESTS >/dev/null; echo up; sleep 600", backend="ray", env=env)
    until(lambda: "up" in job.text())
    (token,) = server.folder.glob(f"data/logstream/*/streams/**/{job.id}/token")
    everything = json.dumps(httpx.get(f"{ray.address}/api/jobs/", trust_env=False, timeout=30).json())
    for secret in "canary-5555", token.read_text():
        assert secret not in plan + everything + ray.job_log(job.id) + server.log
        assert with_argument(secret) == []
    job.cancel()


@pytest.mark.usefixtures("here")
def test_log_continues_after_the_server_was_killed_and_started_again(server: Server) -> None:
    job = run("for i in $(seq 80); do echo line $i; sleep 0.1; done; exit 4", backend="ray")
    until(lambda: "line 5" in job.text())
    server.stop(signal.SIGKILL)
    server.start(server.port)
    assert job.wait(timeout=90).exit_code == 4
    assert job.text().splitlines() == [f"line {i}" for i in range(1, 81)]


@pytest.mark.usefixtures("here")
def test_wrong_options_are_refused_by_name() -> None:
    for spec, words in [
        ({"options": {"num_gpus": "two"}}, "options.num_gpus: must be 0 or more"),
        ({"options": {"memory": 1.5}}, "options.memory: must be a whole number of bytes"),
        ({"options": {"pip": "torch"}}, "options.pip: must be a list of requirements"),
        ({"options": {"resources": [1]}}, "options.resources: must be amounts by name"),
        ({"options": {"env_vars": ["A"]}}, "options.env_vars: must be texts by name"),
        ({"options": {"gpus": 1}}, "options.gpus: is not supported by the backend"),
    ]:
        with pytest.raises(ValueError, match=words):
            run("true", backend="ray", **spec)


@pytest.mark.usefixtures("here")
def test_option_that_only_ray_can_judge_fails_with_ray_s_words() -> None:
    job = run("true", backend="ray", options={"pip": {"packages": ["six"], "no_such": 1}}).wait(timeout=60)
    assert job.state == "failed"
    assert "Ray could not start its job" in (job.error or "")
    assert "can only have these fields" in (job.error or "")


@pytest.mark.usefixtures("here")
def test_doctor_finds_a_working_cluster() -> None:
    command = [sys.executable, "-m", "jupyter_logstream", "backends", "--check", "ray"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "ray: works"), done.stdout + done.stderr
    assert "Ray 2." in done.stdout
