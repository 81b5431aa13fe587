"""The parts of the Ray backend that need no cluster: states, options, package, copy of the log, an absent cluster."""

from __future__ import annotations

import asyncio
import json
import os
import re
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from support.certificates import certificate
from support.ports import free_port
from support.ray_front import ray_front
from support.waiting import eventually
from support.workbench import Workbench

from jupyter_logstream.backends.configured import make_backends
from jupyter_logstream.backends.engine_log import LABEL, EngineLog
from jupyter_logstream.backends.job_queue import GONE, Report
from jupyter_logstream.backends.protocol import CannotLaunch, CannotReach, NotReached
from jupyter_logstream.backends.ray.api import RayApi
from jupyter_logstream.backends.ray.checks import check_ray
from jupyter_logstream.backends.ray.log import follow_job_log
from jupyter_logstream.backends.ray.options import submission_fields
from jupyter_logstream.backends.ray.outcome import is_certain, to_report, to_sighting
from jupyter_logstream.backends.ray.package import BOX, MAX_BYTES, build_package, package_name
from jupyter_logstream.model.spec import SpecError
from jupyter_logstream.store.disk.folder import Folder
from jupyter_logstream.wire.delivery import DialPlan, Order, SentFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


RAN = {"status": "FAILED", "driver_node_id": "a node"}
REFUSED = {"status": "FAILED", "message": "1.5 GPUs are invalid. Full traceback:\nTraceback ..."}


@pytest.mark.parametrize(
    ("job", "state", "words", "code"),
    [
        ({"status": "SUCCEEDED", "driver_exit_code": 0}, "succeeded", "", 0),
        ({"status": "FAILED", "error_type": "JOB_ENTRYPOINT_COMMAND_ERROR", "driver_exit_code": 7}, "failed", "", 7),
        ({"status": "FAILED", "driver_exit_code": -9}, "failed", "killed by signal 9", 137),
        ({"status": "STOPPED"}, "cancelled", "stopped in Ray", None),
        (
            {"status": "FAILED", "error_type": "RUNTIME_ENV_SETUP_FAILURE", "message": "no pip"},
            "failed",
            "no pip",
            None,
        ),
        ({"status": "FAILED", "error_type": "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE"}, "failed", "no node", None),
        ({**RAN, "error_type": "JOB_SUPERVISOR_ACTOR_DIED"}, "lost", "supervised it died", None),
        ({**RAN, "error_type": "JOB_SUPERVISOR_ACTOR_START_FAILURE"}, "lost", "head was restarted", None),
        ({**RAN, "error_type": "SOMETHING_NEW"}, "lost", "Ray lost its job", None),
        (RAN, "lost", "Ray lost its job", None),
        ({**RAN, "status": "SOMETHING_NEW"}, "lost", "Ray lost its job", None),
        ({**REFUSED, "error_type": "JOB_SUPERVISOR_ACTOR_START_FAILURE"}, "failed", "job: 1.5 GPUs are invalid.", None),
        (REFUSED, "failed", "Ray could not start its job: 1.5 GPUs are invalid.", None),
    ],
)
def test_ray_s_final_states_are_mapped_and_an_unknown_one_is_never_a_success(
    job: dict[str, Any], state: str, words: str, code: int | None
) -> None:
    report = to_report(job)
    assert report.is_over
    sighting = to_sighting(report, was_cancelled=False)
    assert (sighting.state, sighting.exit_code) == (state, code)
    assert words in sighting.reason
    assert is_certain(report) == (state == "succeeded" or code is not None or job["status"] == "STOPPED")


def test_job_that_ray_does_not_know_is_lost() -> None:
    sighting = to_sighting(Report(state=GONE, phase="over"), was_cancelled=False)
    assert sighting.state == "lost"
    assert "Ray does not know its job any more" in sighting.reason


def test_options_of_a_job_replace_those_of_the_backend() -> None:
    fields = submission_fields(
        {"num_gpus": 2, "memory": 1e9, "num_cpus": 1.5}, {"num_gpus": 1, "pip": ["six"], "resources": {"A": 1}}
    )
    assert fields == {
        "entrypoint_num_gpus": 2,
        "entrypoint_memory": 1_000_000_000,
        "entrypoint_num_cpus": 1.5,
        "entrypoint_resources": {"A": 1},
        "pip": ["six"],
    }
    for wrong in (
        {"num_cpus": -1},
        {"num_gpus": 1.5},
        {"num_cpus": True},
        {"memory": 0.5},
        {"pip": [""]},
        {"resources": {"A": "x"}},
        {"env_vars": {"A": 1}},
        {"x": 1},
    ):
        with pytest.raises(SpecError, match=f"options.{next(iter(wrong))}"):
            submission_fields(wrong, {})


def test_invalid_settings_name_the_setting(tmp_path: Path) -> None:
    context = Workbench(tmp_path, lambda context: context).context  # type: ignore[arg-type, return-value]
    for entry, words in [
        ({"address": "head:8265"}, "address must be the URL"),
        ({"address": "http://me:pw@head:8265"}, "put it into headers"),
        ({"address": "http://head", "headers": {"a": 1}}, "headers must be a dict of strings"),
        ({"address": "http://head", "headers": {"a": "b\nc"}}, "headers must be a dict of strings without line breaks"),
        ({"address": "http://head", "ca": "/no/such/file"}, "ca must be a file of certificates (PEM)"),
        ({"address": "http://head", "ca": __file__}, "ca must be a file of certificates (PEM)"),
        ({"address": "http://head", "options": {"gpus": 1}}, "options.gpus"),
        ({"address": "http://head", "python": ""}, "python must be a string"),
        ({"address": "http://head", "connect_timeout": 0}, "connect_timeout must be"),
        ({}, "address"),
    ]:
        _, problems = make_backends({"ray": {"type": "ray", **entry}}, context)
        assert len(problems) == 1
        assert words in problems[0]


def plan_of(files: list[SentFile]) -> DialPlan:
    order = Order("start", "01ID", spec={"command": "x", "env": {"K": "secret"}}, files=files)
    return DialPlan(order, "~/there", "http://here/runner", "the-token")


def test_package_has_the_files_at_its_top_and_secrets_in_private_files(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("a")
    (tmp_path / "run.sh").write_text("b")
    files = [SentFile("src/a.py", "", 1), SentFile("run.sh", "", 1, executable=True)]
    with build_package(plan_of(files), tmp_path, tmp_path / "call") as package:
        name = package_name("01ID", package)
        with zipfile.ZipFile(package) as archive:
            modes = {one.filename: one.external_attr >> 16 & 0o777 for one in archive.infolist()}
            order = json.loads(archive.read(f"{BOX}/order.json"))
    assert modes == {"src/a.py": 0o644, "run.sh": 0o755, f"{BOX}/runner.pyz": 0o644, f"{BOX}/order.json": 0o600}
    assert (order["token"], order["order"]["spec"]["env"]) == ("the-token", {"K": "secret"})
    assert name.startswith("jupyter_logstream_01ID_")
    assert name.endswith(".zip")
    assert "the-token" not in repr(plan_of([]))


def test_package_that_is_too_large_for_ray_is_refused_with_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_logstream.backends.ray.package.MAX_BYTES", 1 << 20)
    (tmp_path / "data").write_bytes(os.urandom(2 << 20))
    with pytest.raises(CannotLaunch, match="put large data where the cluster can read it"):
        build_package(plan_of([SentFile("data", "", 2 << 20)]), tmp_path, tmp_path / "call")
    assert MAX_BYTES < 100 << 20  # aiohttp's limit in Ray's dashboard


@pytest.fixture
def bench(tmp_path: Path, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[Workbench]:
    """A backend whose cluster is not there."""
    entry = {"type": "ray", "address": f"http://127.0.0.1:{free_port()}", "headers": {"Authorization": "Bearer s3cret"}}
    made = Workbench(tmp_path, lambda context: make_backends({"ray": entry}, context)[0]["ray"])
    yield made
    jp_asyncio_loop.run_until_complete(made.close())


async def test_cluster_that_never_answered_fails_a_launch_and_one_that_did_leaves_it_queued(bench: Workbench) -> None:
    run = bench.create("true")
    with pytest.raises(CannotLaunch, match="Connection refused") as refused:
        await run.launch()
    assert "s3cret" not in str(refused.value)
    bench.backend._was_reached = True  # type: ignore[attr-defined]
    with pytest.raises(NotReached):
        await run.launch()
    with pytest.raises(CannotReach):
        await bench.backend.cancel(run.id, {"job": run.id}, 1)
    checks = await bench.backend.check()
    assert [check.ok for check in checks] == [False]
    assert "set `address`" in checks[0].advice


class Dashboard:
    """Ray's log endpoints, which a real one can't be made to break: `cuts`, the bytes after which each stream ends."""

    def __init__(self, log: bytes, cuts: list[int]) -> None:
        self.log, self.cuts, self.streams = log, cuts, 0
        self.app = web.Application()
        self.app.router.add_get("/api/v0/logs/{kind}", self._serve)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        assert request.query["node_id"] == "node"
        response = web.StreamResponse()
        await response.prepare(request)
        if request.match_info["kind"] == "file":
            await response.write(self.log)
            return response
        self.streams += 1
        if not self.cuts:
            await response.write(self.log)
            await asyncio.sleep(600)
        await response.write(self.log[: self.cuts.pop(0)])
        assert request.transport is not None
        request.transport.abort()
        return response


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "log").mkdir()
    return Folder(tmp_path / "log")


async def test_streams_of_ray_s_log_that_end_again_and_again_lose_and_double_nothing(folder: Folder) -> None:
    expected = b"".join(b"line %d\n" % i for i in range(3000))
    dashboard = Dashboard(expected, [10, 0, 5000, 4000, 20000])
    runner = web.AppRunner(dashboard.app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port := free_port()).start()
    report = Report(state="RUNNING", job="node", phase="active")
    log = EngineLog(folder, 1 << 30)
    await log.open("No way back.")
    copying = asyncio.ensure_future(follow_job_log(RayApi(f"http://127.0.0.1:{port}", {}), "01ID", lambda: report, log))
    await eventually(lambda: log.position == len(expected))
    assert dashboard.streams == 6
    assert not copying.done()  # the end of a stream is not the end of the job
    dashboard.log += b"last"
    report = Report(state="SUCCEEDED", job="node", phase="over")
    await asyncio.wait_for(copying, 30)
    log.close()
    await runner.cleanup()
    assert (folder.path / "stdout.000").read_bytes() == expected + b"last"
    assert LABEL in (folder.path / "notes.000").read_text()


async def test_certificate_of_a_private_authority_needs_the_setting_ca(tmp_path: Path) -> None:
    own, both = certificate(tmp_path, "127.0.0.1")
    with ray_front("", login=("X-Key", "k"), certificate=both) as front:
        with pytest.raises(NotReached, match="certificate verify failed"):
            await RayApi(front.url, {}).version()
        with pytest.raises(CannotReach, match=f"Ray at {front.url} answered 401 Unauthorized"):
            await RayApi(front.url, {}, own.read_text()).version()


async def test_login_or_address_that_is_wrong_fails_the_first_launch_with_the_answer(tmp_path: Path) -> None:
    with ray_front("", login=("X-Key", "k")) as front:
        entry = {"type": "ray", "address": front.url}
        bench = Workbench(tmp_path, lambda context: make_backends({"ray": entry}, context)[0]["ray"])
        with pytest.raises(CannotLaunch, match="answered 401 Unauthorized"):
            await bench.create("true").launch()
        front.redirect = "https://login.example/"
        with pytest.raises(CannotLaunch, match="answered 302 Found to https://login"):
            await bench.create("true").launch()
        await bench.close()


async def test_redirection_is_reported_and_its_target_gets_no_header() -> None:
    with ray_front("") as other, ray_front("") as front:
        front.redirect = f"{other.url}/login"
        with pytest.raises(CannotReach, match=f"answered 302 Found to {other.url}/login") as raised:
            await RayApi(front.url, {"X-Key": "canary-of-the-login"}).version()
        assert front.seen[0]["X-Key"] == "canary-of-the-login"
        assert other.seen == []
        assert "canary" not in str(raised.value)


async def test_doctor_names_what_does_not_lead_to_ray_or_back() -> None:
    async def version(_: Any) -> web.Response:
        return web.json_response({"ray_version": "2.60.0"})

    async def jobs(_: Any) -> web.Response:
        return web.json_response([])

    app = web.Application()
    app.router.add_get("/api/version", version)
    app.router.add_get("/api/jobs/", jobs)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port := free_port()).start()
    ray, nothing = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{free_port()}"
    for address, public_url, words in [
        (nothing, ray, "Connection refused"),
        (f"{ray}/else", ray, "answered 404 Not Found"),
        (ray, "", "none: the server listens where other machines do not reach it"),
        (ray, nothing, "does not lead here: this server at http://127.0.0.1:.*Connection refused"),
        (ray, ray, "does not lead here: it answers 404, not as this server does"),
    ]:
        *_, last = await check_ray(RayApi(address, {}), public_url)
        assert not last.ok
        assert re.search(words, last.found), last
        assert last.advice
    await runner.cleanup()


async def test_log_that_ray_no_longer_has_is_reported_in_the_log(folder: Folder) -> None:
    log = EngineLog(folder, 1 << 30)
    await log.open("No way back.")
    api = RayApi(f"http://127.0.0.1:{free_port()}", {})
    await follow_job_log(api, "01ID", lambda: Report(state="SUCCEEDED", job="node", phase="over"), log)
    log.close()
    assert "the rest of Ray's log could not be read" in (folder.path / "notes.000").read_text()
