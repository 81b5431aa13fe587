"""Faults of a Slurm cluster: daemons that are killed and come back, a time limit: no line is missing or double."""

from __future__ import annotations

import pytest
from support.waiting import eventually


async def test_daemons_that_are_killed_and_come_back_change_nothing_of_a_running_job(in_slurm, slurm, tmp_path):
    server = in_slurm()
    workload = await server.start(f"echo up; while [ ! -e {tmp_path}/go ]; do sleep 0.1; done; echo end; exit 5")
    await eventually(lambda: server.lines(workload) == ["up"])
    slurm.kill("slurmctld")
    slurm.kill("slurmd")
    waiting = await server.start("echo later")
    await eventually(lambda: "slurm" in (server.engine.get(waiting).status.reason or "").lower(), 60)
    assert server.engine.get(waiting).status.state == "queued"
    (tmp_path / "go").touch()
    await eventually(lambda: server.lines(workload) == ["up", "end"])
    slurm.start_controller()
    slurm.start_node()
    slurm.wait_until_idle()
    status = await server.end(workload)
    assert (status.state, status.exit_code) == ("failed", 5)
    await eventually(lambda: server.engine.get(waiting).status.final, 60)
    assert server.lines(waiting) == ["later"]
    jobs = slurm.command("squeue", "-h", "--states=all", f"--name={waiting}", "-o", "%i").stdout.split()
    assert len(jobs) == 1


@pytest.mark.slow  # Slurm's limits are whole minutes
@pytest.mark.timeout(200)
async def test_time_limit_of_the_job_is_timed_out(in_slurm):
    server = in_slurm()
    workload = await server.start("echo up; sleep 600", options={"time": "1"})
    await eventually(lambda: server.engine.get(workload).status.final, 150)
    status = server.engine.get(workload).status
    assert (status.state, status.error) == ("timed_out", "reached the time limit of its Slurm job")
    assert server.lines(workload) == ["up"]
