"""Steps and levels of real runs, as a reader of the server sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.programs import PYTHON

if TYPE_CHECKING:
    from support.running import Bench
    from support.web import Site

KEY = "sk-live-0123456789abcdef"
STEPS = "echo ::step:: load; echo one; echo '::endstep:: failed'; echo between; echo ::group::fit; echo epoch"


async def test_steps_of_a_run_are_reported_live_and_end_with_it(site: Site) -> None:
    workload_id = await site.start(f"{STEPS}; read x; exit 3", tty=False, stdin=True)
    stream = await site.stream(f"v1/logs/stream?scope=job&job_id={workload_id}")
    await stream.until(lambda s: any(len(frame["steps"]) == 2 for frame in s.data("status")))
    running = stream.data("status")[-1]
    assert [(step["name"], step["state"]) for step in running["steps"]] == [("load", "failed"), ("fit", "running")]
    assert running["steps"] == running["job"]["steps"]
    await site.request("POST", f"v1/workloads/{workload_id}/input?eof=1", b"")
    await stream.rest()
    done = stream.data("done")[0]
    load, fit = done["steps"]
    assert (fit["state"], fit["ended"]) == ("failed", done["ended"])
    assert done["started"] <= load["started"] <= load["ended"] <= fit["started"] <= fit["ended"]
    assert stream.data("status")[-1]["steps"] == done["steps"]
    steps = {r["message"]: r.get("step") for r in stream.records()}
    assert steps["one"] == steps["::endstep:: failed"] == "load"
    assert (steps["between"], steps["::group::fit"], steps["epoch"]) == (None, "fit", "fit")
    found = (await site.request("GET", f"v1/workloads/{workload_id}/records?step=fit")).json
    assert [r["message"] for r in found["records"]] == ["::group::fit", "epoch"]


async def test_steps_and_masked_secrets_survive_a_restart_of_the_server(serve) -> None:
    site = await serve()
    workload_id = await site.run(f"{STEPS}; echo $A_TOKEN", env={"A_TOKEN": KEY})
    before = await site.workload(workload_id)
    await site.stop()
    again = await serve()
    assert await again.workload(workload_id) == before
    assert before["masked"] == 1
    assert [step["state"] for step in before["steps"]] == ["failed", "succeeded"]


@pytest.mark.parametrize("tty", [True, False])
async def test_a_traceback_of_a_real_run_is_error_lines_and_earlier_output_is_not(bench: Bench, tty: bool) -> None:
    job = await bench.run([PYTHON, "-c", "print('fine')\ndef f(): raise KeyError('INFO x')\nf()"], tty=tty)
    found = [(r.source, r.level) for r in job.records()]
    assert found.count(("stdout", "unknown")) == 1
    assert {level for source, level in found if source == "stderr"} == {"error"}
    assert job.folder.read_status()[1]["levels"] == {"unknown": 1, "error": len(found) - 1}
