"""Cancels with a grace time of their own."""

from __future__ import annotations


async def test_cancel_kills_after_the_grace_time_that_it_names(serve) -> None:
    site = await serve(cancel_grace=600)
    workload_id = await site.start("trap '' TERM; echo ready; while :; do sleep 0.05; done")
    await site.wait_for_line(workload_id, "ready")
    path = f"v1/workloads/{workload_id}/cancel"
    for wrong in "-1", "soon", "3601":
        assert (await site.request("POST", f"{path}?grace={wrong}")).status == 400
    assert (await site.request("POST", path)).status == 202
    assert (await site.request("POST", f"{path}?grace=0")).status in {200, 202}
    assert (await site.state(workload_id))["signal"] == 9
