"""Batches of many records: stored whole, while the event loop goes on."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.web import Site

RECORDS = [{"message": f"line {i} of a batch of many", "step": f"part {i // 10_000}"} for i in range(50_000)]
BODY = json.dumps(RECORDS).encode()


def encoding_s() -> float:
    """Processor time of encoding the records one by one, as storing them needs."""
    before = time.thread_time()
    for record in RECORDS:
        json.dumps(record)
    return time.thread_time() - before


async def test_event_loop_goes_on_while_a_large_batch_is_stored(site: Site) -> None:
    """No turn takes the time that encoding the batch takes, and other requests are answered meanwhile."""
    workload_id = (await site.request("POST", "v1/workloads", json={"backend": "external"})).json["id"]
    path, kind = f"v1/workloads/{workload_id}/logs", {"Content-Type": "application/json"}
    answered = 0

    async def ask() -> None:
        nonlocal answered
        while not posted.done():
            assert (await site.request("GET", "v1/info")).status == 200
            answered += 1

    unit = encoding_s()
    posted = asyncio.create_task(site.request("POST", path, BODY, headers=kind))
    others = asyncio.create_task(ask())
    longest, last = 0.0, time.thread_time()
    while not posted.done():
        await asyncio.sleep(0.001)
        now = time.thread_time()  # of the loop's thread, in which this server runs, too
        longest, last = max(longest, now - last), now
    await others
    assert (await posted).json == {"last": len(RECORDS)}
    assert answered >= 5
    assert longest < max(unit, encoding_s())
    page = await site.get(f"v1/workloads/{workload_id}/records?limit=2&offset={len(RECORDS) - 1}")
    assert [(r["seq"], r["message"], r["step"]) for r in page["records"]] == [
        (len(RECORDS), RECORDS[-1]["message"], "part 4")
    ]
