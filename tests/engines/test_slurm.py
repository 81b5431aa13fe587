"""Workloads as Slurm jobs on a real cluster of one node."""

from __future__ import annotations

import os
import sys

import pytest
from support.process_table import with_argument
from support.waiting import eventually

from jupyter_logstream.backends.job_queue import Report
from jupyter_logstream.backends.protocol import Sighting
from jupyter_logstream.backends.slurm.outcome import from_lost, from_record
from jupyter_logstream.model.spec import SpecError, check_spec


async def job_of(server, workload):
    """The number of a workload's job, once it is submitted."""
    return await eventually(lambda: server.engine._lifecycle.handle(workload).get("job"))


@pytest.mark.parametrize("pipe", ["srun", "files"])
async def test_workload_runs_as_a_job_and_its_log_and_end_are_here(in_slurm, pipe):
    server = in_slurm(pipe=pipe)
    workload = await server.run("echo out $SLURM_JOB_ID; echo err >&2; exit 3")
    status = server.engine.get(workload).status
    assert (status.state, status.exit_code, status.node) == ("failed", 3, os.uname().nodename)
    assert sorted(server.lines(workload)) == ["err", f"out {await job_of(server, workload)}"]


async def test_lines_are_here_while_it_runs_and_input_arrives(in_slurm):
    server = in_slurm()
    workload = await server.start("echo first; read x; echo $x", stdin=True)
    await eventually(lambda: server.lines(workload) == ["first"])
    await server.engine.send(workload, b"second\n", eof=True)
    assert (await server.end(workload)).state == "succeeded"
    assert server.lines(workload) == ["first", "second"]


async def test_what_a_job_publishes_is_in_its_log_whatever_server_its_environment_names(in_slurm, tmp_path):
    code = (
        "import logging; from jupyter_logstream import LogHandler, capture; log = logging.getLogger('train'); "
        "log.addHandler(LogHandler()); log.warning('published', extra={'epoch': 3})\n"
        "with capture(): print('captured')"
    )
    server = in_slurm()
    env = {"JUPYTER_LOGSTREAM_SERVER": str(tmp_path / "server.json")}
    workload = await server.run([sys.executable, "-c", code], env=env)
    assert server.engine.get(workload).status.state == "succeeded"
    captured, published = sorted(server.store.read(workload, 0, 10).records(), key=lambda record: record.message)
    assert (published.message, published.level, published.source) == ("published", "warn", "log")
    assert published.fields["epoch"] == 3
    assert (captured.message, captured.source) == ("captured", "log")


async def test_reason_of_slurm_is_shown_while_it_waits(in_slurm):
    server = in_slurm()
    workload = await server.start("true", options={"partition": "down"})
    await eventually(lambda: server.engine.get(workload).status.reason == "Pending: PartitionDown")
    assert server.engine.get(workload).status.state == "queued"


async def test_cancel_of_a_waiting_job_removes_it(in_slurm, slurm):
    server = in_slurm()
    workload = await server.start("true", options={"partition": "down"})
    job = await job_of(server, workload)
    await eventually(lambda: server.engine.get(workload).status.reason)
    await server.engine.cancel(workload)
    assert (await server.end(workload)).state == "cancelled"
    assert slurm.command("squeue", "-h", "-j", job, "-o", "%T", check=False).stdout.strip() == ""


@pytest.mark.parametrize("pipe", ["srun", "files"])
async def test_cancel_ends_the_whole_process_tree(in_slurm, pipe):
    server = in_slurm(pipe=pipe)
    workload = await server.start("echo up; sleep 4712.5 & sh -c 'trap \"\" TERM; sleep 4712.5; sleep 4712.5'")
    await eventually(lambda: server.lines(workload) == ["up"])
    await server.engine.cancel(workload)
    assert (await server.end(workload)).state == "cancelled"
    await eventually(lambda: with_argument("sleep 4712.5") == [])


async def test_job_that_a_user_cancels_in_slurm_is_cancelled(in_slurm, slurm):
    server = in_slurm()
    workload = await server.start("echo up; sleep 600")
    await eventually(lambda: server.lines(workload) == ["up"])
    slurm.command("scancel", await job_of(server, workload))
    status = await server.end(workload)
    assert (status.state, status.error) == ("cancelled", "cancelled in Slurm")
    assert server.lines(workload) == ["up"]


async def test_runner_that_was_killed_is_lost_with_the_lines_that_it_wrote(in_slurm):
    server = in_slurm()
    workload = await server.start("echo up; sleep 600")
    await eventually(lambda: server.lines(workload) == ["up"])
    folder = str(server.there / "jobs" / workload)
    for pid in with_argument(f"job {folder}"):
        os.kill(pid, 9)
    status = await server.end(workload)
    assert status.state == "lost"
    assert "its runner was killed" in status.error
    assert server.lines(workload) == ["up"]


async def test_refusal_of_sbatch_is_failed_with_its_text(in_slurm):
    server = in_slurm()
    status = await server.end(await server.start("true", options={"partition": "no-such"}))
    assert status.state == "failed"
    assert "invalid partition specified: no-such" in status.error


async def test_second_launch_finds_the_first_job(in_slurm, slurm):
    server = in_slurm()
    workload = await server.start("read x", stdin=True)
    job = await job_of(server, workload)
    spec = server.registry.load(workload).spec
    assert (await server.backend.launch(workload, spec))["job"] == job
    (server.there / "jobs" / workload / "job").unlink()  # as if the answer of sbatch was lost
    assert (await server.backend.launch(workload, spec))["job"] == job
    assert slurm.command("squeue", "-h", "--states=all", f"--name={workload}", "-o", "%i").stdout.split() == [job]


async def test_jobs_get_the_options_and_the_plan_shows_them(in_slurm, slurm):
    server = in_slurm()
    options = {"gpus": 1, "time": "2:00:00", "ntasks": 8, "sbatch": ["--qos=high"]}
    with pytest.raises(SpecError, match=r"options.sbatch: '--array=1-9' is set by the backend"):
        await server.start("true", options={"sbatch": ["--array=1-9"]})
    spec = server.backend.resolve(check_spec({"command": "train", "backend": "cluster", "options": options}))
    plan = server.backend.plan(spec)
    assert "--partition=main --mem=50 --gpus=1 --time=2:00:00 --ntasks=8 --qos=high" in plan
    workload = await server.run("echo $SLURM_JOB_NAME", options={"time": "2:00:00", "sbatch": ["--comment=mine"]})
    assert server.lines(workload) == [workload]
    shown = slurm.command("scontrol", "show", "job", await job_of(server, workload)).stdout
    assert "TimeLimit=02:00:00" in shown
    assert "Comment=mine" in shown


async def test_files_are_the_work_folder_of_the_job(in_slurm, tmp_path):
    (tmp_path / "train.py").write_text("print('trained')")
    server = in_slurm()
    workload = await server.run("ls; python3 train.py", files=["*.py"], files_from=str(tmp_path))
    assert server.lines(workload) == ["train.py", "trained"]


async def test_doctor_finds_a_working_cluster(in_slurm):
    checks = await in_slurm().backend.check()
    assert [check for check in checks if not check.ok] == []
    assert len(checks) == 5


@pytest.mark.parametrize(
    ("slurm_state", "state", "words"),
    [
        ("TIMEOUT", "timed_out", "time limit"),
        ("OUT_OF_MEMORY", "failed", "out of memory"),
        ("NODE_FAIL", "lost", "node failed"),
        ("PREEMPTED", "lost", "preempted"),
        ("CANCELLED", "cancelled", "cancelled in Slurm"),
    ],
)
def test_final_states_of_slurm_decide_what_the_runner_could_not_record(slurm_state, state, words):
    report = Report(slurm_state)
    record = {"state": "failed", "signal": 9, "error": "ended by signal SIGKILL"}
    assert from_record(record, report)["state"] == state
    assert words in from_record(record, report)["error"]
    sighting = from_lost(Sighting("lost", "its runner was killed"), report, was_cancelled=False)
    assert sighting.state == state
    assert words in sighting.reason
