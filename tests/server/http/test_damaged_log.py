"""Logs whose bytes were changed on disk while the server was away: each request is answered, whichever comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.web import Site

COUNT, AT = 20_000, 10_000
LINES = f"seq -f 'line number %09.0f' {COUNT}"
GONE = {"zeros": range(AT + 1, AT + 25), "line end": range(AT, AT + 2)}
"""The damaged lines: 512 zero bytes from the middle of a line of 22 bytes on; a bit of a line end."""


def zeros(data: bytearray) -> None:
    data[22 * AT + 8 : 22 * AT + 8 + 512] = bytes(512)


def line_end(data: bytearray) -> None:
    data[22 * AT - 1] ^= 1


def page_before(workload_id: str) -> str:
    return f"v1/workloads/{workload_id}/records?after={AT - 5000}&limit=5000"


def page_of_it(workload_id: str) -> str:
    return f"v1/workloads/{workload_id}/records?after={AT - 10}&limit=100"


def search(workload_id: str) -> str:
    return f"v1/workloads/{workload_id}/records?q=/number 0100[0-9]+/&limit=5000"


def marks(workload_id: str) -> str:
    return f"v1/workloads/{workload_id}/marks?q=number&buckets=10"


def summary(workload_id: str) -> str:
    return f"v1/workloads/{workload_id}/summary"


@pytest.mark.parametrize("first", [page_before, page_of_it, search, marks, summary])
@pytest.mark.parametrize("damage", [zeros, line_end])
async def test_a_damaged_log_is_served_with_its_numbers_whatever_is_requested_first(
    serve: Any, damage: Callable[[bytearray], None], first: Callable[[str], str]
) -> None:
    site = await serve()
    workload_id = await site.run(LINES, tty=False)
    before = [
        record
        for after in range(0, COUNT, 5000)
        for record in (await site.get(f"v1/workloads/{workload_id}/records?after={after}&limit=5000"))["records"]
    ]
    path = site.services.store.folder(workload_id).path / "stdout.000"
    await site.stop()
    data = bytearray(path.read_bytes())
    assert len(data) == 22 * COUNT
    damage(data)
    path.write_bytes(data)
    site = await serve()
    assert (await site.request("GET", first(workload_id).replace(" ", "%20"))).status == 200
    gone = GONE["zeros" if damage is zeros else "line end"]
    stream = await (await site.stream(f"v1/events?stream=workload/{workload_id}")).rest()
    records = stream.records()
    assert [r["seq"] for r in records if r.get("fields") == {"lost": True}] == list(gone)
    assert [r for r in records[:COUNT] if r["seq"] not in gone] == [r for r in before if r["seq"] not in gone]
    assert records[COUNT]["message"] == (
        f"{len(gone)} records of stdout ({gone[0]} to {gone[-1]}) were lost: their bytes were changed"
    )
    assert len(records) == COUNT + 1
    assert len(stream.data("done")) == 1
    assert stream.data("gap") == []
    for after in range(0, COUNT, 1000):
        page = await site.get(f"v1/workloads/{workload_id}/records?after={after}&limit=1000")
        assert page["records"] == records[after : after + 1000]
        assert page["total"] == COUNT + 1


async def test_a_log_that_is_damaged_while_it_is_written_keeps_its_numbers_then_and_after_its_end(site: Site) -> None:
    workload_id = await site.start(f"{LINES}; read x; echo end", stdin=True, tty=False)
    opening = await site.stream(f"v1/events?stream=workload/{workload_id}")
    await opening.until(lambda s: s.records() and s.records()[-1]["seq"] == COUNT)
    opening.close()
    site.services.store._cache.forget(workload_id)  # what was read before is still served
    path = site.services.store.folder(workload_id).path / "stdout.000"
    with path.open("r+b") as file:
        file.seek(22 * AT + 8)
        file.write(bytes(512))
    gone = GONE["zeros"]
    page = await site.get(page_before(workload_id))
    assert [r["seq"] for r in page["records"]] == list(range(AT - 4999, AT + 1))
    across = await site.get(page_of_it(workload_id))  # it ends in front of the damage, and the next begins behind it
    read = [r["seq"] for r in across["records"]]
    while across["next"] is not None and across["next"] < gone[0] - 1:
        across = await site.get(f"v1/workloads/{workload_id}/records?after={across['next']}&limit=100")
        read += [r["seq"] for r in across["records"]]
    behind = await site.get(f"v1/workloads/{workload_id}/records?after={across['next']}&limit=100")
    assert (read, behind["records"][0]["seq"]) == (list(range(AT - 9, gone[0])), gone[-1] + 1)
    stream = await site.stream(f"v1/events?stream=workload/{workload_id}")
    await stream.until(lambda s: s.records() and s.records()[-1]["seq"] == COUNT)
    gaps = [(gap["from"], gap["to"], gap["reason"]) for gap in stream.data("gap")]
    assert gaps == [(gone[0], gone[-1], "unreadable")]
    await site.request("POST", f"v1/workloads/{workload_id}/input?eof=1", b"\n")
    await stream.rest()
    assert [r["seq"] for r in stream.records()] == [i for i in range(1, COUNT + 2) if i not in gone]
    await site.state(workload_id)
    after = await (await site.stream(f"v1/events?stream=workload/{workload_id}")).rest()
    assert [r["seq"] for r in after.records() if r.get("fields") == {"lost": True}] == list(gone)
    assert [r for r in after.records()[: COUNT + 1] if r["seq"] not in gone] == stream.records()
